#include "hub/id_set.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace hearth::hub {
namespace {

TEST(IdSet, IsWhatASetOfTextsIs) {
  std::mt19937 random(7);
  IdSet ids;
  EXPECT_FALSE(ids.contains("none yet"));
  EXPECT_EQ(ids.size(), 0u);
  std::set<std::string> wanted;
  auto compare = [&] {
    std::vector<std::string> all = ids.ids();
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), wanted);
    EXPECT_EQ(ids.size(), wanted.size());
    for (int i = 0; i < 30'000; i += 7) {
      EXPECT_EQ(ids.contains(std::to_string(i)), wanted.contains(std::to_string(i)));
    }
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      std::string id = std::to_string(random() % 30'000);
      ids.add(id);
      wanted.insert(id);
    }
    compare();
  }
}

}  // namespace
}  // namespace hearth::hub
