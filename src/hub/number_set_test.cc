#include "hub/number_set.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace hearth::hub {
namespace {

std::vector<int64_t> list_of(const std::set<uint32_t>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Some, or most, of a block, and a few far from it.
std::set<uint32_t> any_numbers(std::mt19937& random) {
  std::set<uint32_t> numbers;
  size_t count = random() % 2 == 0 ? 100 : 20'000;
  for (size_t i = 0; i < count; ++i) numbers.insert(static_cast<uint32_t>(random() % 30'000));
  for (int i = 0; i < 5; ++i) numbers.insert(static_cast<uint32_t>(random()));
  return numbers;
}

NumberSet set_of(const std::set<uint32_t>& numbers) {
  NumberSet set;
  for (uint32_t number : numbers) set.add(number);
  return set;
}

TEST(NumberSet, IsWhatASetOfNumbersIs) {
  uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    auto left = any_numbers(random);
    auto right = any_numbers(random);
    std::set<uint32_t> both;
    std::ranges::set_intersection(left, right, std::inserter(both, both.end()));
    std::set<uint32_t> either = left;
    either.insert(right.begin(), right.end());

    NumberSet set = set_of(left);
    EXPECT_EQ(set.size(), left.size());
    EXPECT_EQ(set.numbers(), list_of(left));
    EXPECT_TRUE(set.contains(*left.begin()));
    EXPECT_EQ(set.contains(77), left.contains(77));
    set.unite(set_of(right));
    EXPECT_EQ(set.numbers(), list_of(either));
    auto again = NumberSet::parse(set.to_bytes());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->numbers(), list_of(either));
    set = set_of(left);
    set.intersect(set_of(right));
    EXPECT_EQ(set.numbers(), list_of(both));
  }
  EXPECT_EQ(NumberSet().size(), 0u);
  EXPECT_EQ(NumberSet::parse(NumberSet().to_bytes())->size(), 0u);
}

TEST(NumberSet, KnowsBytesThatItDidNotWrite) {
  Bytes bytes = set_of({1, 2, 70'000}).to_bytes();
  EXPECT_FALSE(NumberSet::parse({}));
  EXPECT_FALSE(NumberSet::parse(ByteView(bytes).first(bytes.size() - 1)));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(NumberSet::parse(flipped)) << bit;
  }
}

}  // namespace
}  // namespace hearth::hub
