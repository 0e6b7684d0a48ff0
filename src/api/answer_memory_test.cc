#include "api/answer_memory.h"

#include <gtest/gtest.h>

#include "base/time.h"
#include "db/test_database.h"
#include "hub/tasks.h"

namespace hearth::api {
namespace {

class AnswerMemoryTest : public testing::Test {
 protected:
  /// Asks; each answer that is made anew has the next number as its text.
  std::string ask(const std::string& path, std::string_view commit_oid = "c0ffee",
                  const std::string& user = {}, const std::string& token = {}) {
    http::RequestHead head;
    head.method = "GET";
    head.raw_path = path;
    head.host = "hub.test";
    Call call(services_, head);
    call.change_number = database_->change_number();
    if (while_admitting_) std::exchange(while_admitting_, {})();
    if (!user.empty()) {
      call.identity = hub::Identity{};
      call.identity->user_id = user;
      call.identity->credential.id = token;
    }
    http::Response response = memory_.answer(call, commit_oid, [&] {
      if (while_making_) std::exchange(while_making_, {})();
      http::Response made = http::Response::json(std::to_string(++made_count_), status_);
      made.headers.set("X-Repo-Commit", commit_oid);
      return made;
    });
    EXPECT_EQ(response.headers.get("X-Repo-Commit"), commit_oid);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json; charset=utf-8");
    return std::get<std::string>(response.body.at(0));
  }

  void change() {
    database_->write([&](db::Tx& tx) { tasks_.enqueue(tx, {.kind = "test"}); });
  }

  db::TestDatabase database_{db::Engine::kSqlite};
  hub::Tasks tasks_{*database_, system_clock()};
  Services services_;
  AnswerMemory memory_{64 * 1024};
  std::function<void()> while_admitting_;
  std::function<void()> while_making_;
  int status_ = 200;
  int made_count_ = 0;
};

TEST_F(AnswerMemoryTest, AnswersAgainWhileNothingHasChanged) {
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/b"), "2");
  EXPECT_EQ(ask("/a"), "1");
  change();
  EXPECT_EQ(ask("/a"), "3");
  EXPECT_EQ(ask("/a"), "3");
}

TEST_F(AnswerMemoryTest, ACommitIsAChange) {
  EXPECT_EQ(ask("/a", "c0ffee"), "1");
  EXPECT_EQ(ask("/a", "facade"), "2");
  EXPECT_EQ(ask("/a", "facade"), "2");
}

TEST_F(AnswerMemoryTest, NobodySeesWhatWasMadeForAnother) {
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/a", "c0ffee", "alice", "t1"), "2");
  EXPECT_EQ(ask("/a", "c0ffee", "bob", "t2"), "3");
  EXPECT_EQ(ask("/a", "c0ffee", "alice", "t3"), "4");
  EXPECT_EQ(ask("/a", "c0ffee", "alice", "t1"), "2");
  EXPECT_EQ(ask("/a"), "1");
}

TEST_F(AnswerMemoryTest, AChangeDuringTheMakingIsNotOverlooked) {
  while_making_ = [&] { change(); };
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/a"), "2");
  EXPECT_EQ(ask("/a"), "2");
}

TEST_F(AnswerMemoryTest, AChangeSinceTheCallerWasFoundIsNotOverlooked) {
  while_admitting_ = [&] { change(); };
  EXPECT_EQ(ask("/a"), "1");
  EXPECT_EQ(ask("/a"), "2");
  EXPECT_EQ(ask("/a"), "2");
}

TEST_F(AnswerMemoryTest, OnlyGoodAnswersAreKept) {
  status_ = 404;
  EXPECT_EQ(ask("/a"), "1");
  status_ = 200;
  EXPECT_EQ(ask("/a"), "2");
}

TEST_F(AnswerMemoryTest, TheLeastRecentlyAskedGoFirst) {
  // An entry takes a little more than half a KiB: a hundred and some are kept.
  for (int i = 0; i < 100; ++i) ask("/" + std::to_string(i));
  EXPECT_EQ(ask("/0"), "1");
  for (int i = 100; i < 190; ++i) ask("/" + std::to_string(i));
  EXPECT_EQ(ask("/0"), "1");
  EXPECT_EQ(ask("/1"), "191");
}

}  // namespace
}  // namespace hearth::api
