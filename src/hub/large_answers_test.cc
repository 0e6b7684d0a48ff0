#include "hub/large_answers.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "hub/hub_test_data.h"
#include "hub/listing.h"

namespace hearth::hub {
namespace {

TEST(LargeAnswers, WaitTheirTurnAndAreRefusedWhenItDoesNotCome) {
  LargeAnswers answers(100, std::chrono::milliseconds(20));
  auto first = answers.take(60);
  auto second = answers.take(40);
  Error refused = error_of([&] { answers.take(1); });
  EXPECT_EQ(refused.kind(), ErrorKind::kUnavailable);
  EXPECT_GT(refused.retry_after_s(), 0);
  second.reset();
  auto third = answers.take(1);
  EXPECT_THROW(answers.take(1000), Error) << "one that is larger than all gets it alone";
  first.reset();
  third.reset();
  auto alone = answers.take(1000);
  EXPECT_THROW(answers.take(1), Error);
}

TEST(LargeAnswers, WhoeverWaitsGoesOn) {
  LargeAnswers answers(10, std::chrono::seconds(60));
  auto held = answers.take(10);
  std::thread waiting([&] { answers.take(10); });
  held.reset();
  waiting.join();
}

TEST(LargeAnswers, APageOfAListEndsWhereItWouldNameTooManyFiles) {
  for_each_hub([](TestHub& hub) {
    constexpr size_t kFiles = 30'000;
    const std::string folder(200, 'f');
    for (const char* name : {"alice/a", "alice/b", "alice/c"}) {
      Repo repo = hub.create(name);
      hub.commit(repo, [&](CommitDraft& draft) {
        for (size_t i = 0; i < kFiles; ++i) draft.put(folder + "/" + std::to_string(i), "");
      });
    }
    ListRequest request = ListRequest::parse(RepoType::kModel, Query("full=true&sort=id"));
    Listing listing(hub.database, hub.access);
    std::vector<std::string> seen;
    size_t pages = 0;
    do {
      ListPage page = listing.list(request, nullptr);
      for (const json::value& item : page.items) {
        seen.emplace_back(item.at("id").as_string());
        EXPECT_GE(item.at("siblings").as_array().size(), kFiles);
      }
      request.cursor = page.next_cursor;
      ++pages;
    } while (!request.cursor.empty());
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (std::vector<std::string>{"alice/a", "alice/b", "alice/c"}));
    EXPECT_EQ(pages, 2u) << "of three, the first alone and then two";
  });
}

}  // namespace
}  // namespace hearth::hub
