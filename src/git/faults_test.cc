// A writer is killed, or its disk fails, at each of its durable steps.

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

constexpr const char* kRepoVariable = "HEARTH_TEST_REPO";

/// One write of each kind on the repository that the environment names; run in a child.
TEST(Faults, DISABLED_Writer) {
  const char* dir = std::getenv(kRepoVariable);
  ASSERT_NE(dir, nullptr);
  GitRepo repo = GitRepo::open(dir);
  std::optional<Oid> head = repo.read_ref("refs/heads/main");
  CommitBuilder builder(dir, head);
  for (int i = 0; i < 18; ++i) {  // some loose objects and a pack
    builder.put_blob(RepoPath::require("d/" + std::to_string(i)),
                     as_bytes(random_alphanumeric(10)));
  }
  Built built = builder.build(TestRepo::commit_of("next", {*head}));
  builder.quarantine().migrate();
  ASSERT_EQ(repo.update_ref_cas({"refs/heads/main", head, built.commit}), RefUpdateResult::kDone);
  Oid tag = repo.write_tag_object("t", *built.commit, {.name = "A", .email = "a@x"}, "m");
  repo.create_ref("refs/tags/dir/t", tag);
  repo.delete_ref("refs/tags/dir/t");
  RepoConfig config = repo.config();
  config.owner = "u" + random_alphanumeric(5);
  repo.update_config([&] { return config; });
}

int run_writer(const TestRepo& repo, const std::string& failpoints) {
  ChildOptions options;
  options.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests",
                  "--gtest_filter=Faults.DISABLED_Writer"};
  options.environment = {{kRepoVariable, repo.dir().string()}, {"HEARTH_FAILPOINTS", failpoints}};
  return run_child(options).status;
}

/// Whole, and its main at `before` or at a child of it. Returns where main is.
Oid expect_whole(const TestRepo& repo, const Oid& before, const std::string& when) {
  GitRepo open = repo.open();
  EXPECT_EQ(join(open.fsck(), "; "), "") << when;
  Oid now = open.read_ref("refs/heads/main").value_or(Oid{});
  if (now != before) {
    EXPECT_EQ(open.commit_info(now).parents, std::vector<Oid>{before}) << when;
    EXPECT_EQ(open.all_files(now).size(), 19u) << when;
  }
  EXPECT_EQ(open.config().repo_id, TestRepo::kConfig.repo_id) << when;
  return now;
}

TEST(Faults, KilledAtAnyStepLeavesTheOldOrTheNewState) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"README.md", "x"}});
  int killed = 0;
  for (int step = 1; step < 300; ++step) {
    int status = run_writer(repo, "crash@" + std::to_string(step));
    head = expect_whole(repo, head, "step " + std::to_string(step));
    // The tag that a killed writer did not delete must not stop the next one.
    if (repo.open().read_ref("refs/tags/dir/t")) repo.open().delete_ref("refs/tags/dir/t");
    if (status == 0) break;
    ASSERT_EQ(status, 128 + 9);
    ++killed;
  }
  EXPECT_GT(killed, 20);
  EXPECT_LT(killed, 299);
}

TEST(Faults, FullDiskIsAnErrorAndChangesNothing) {
  for (const char* name : {"write", "create", "rename", "mkdir"}) {
    TestRepo repo;
    Oid head = repo.commit("main", {{"README.md", "x"}});
    int status = run_writer(repo, std::string(name) + "=enospc");
    EXPECT_NE(status, 0) << name;
    EXPECT_LT(status, 128) << name;
    EXPECT_EQ(expect_whole(repo, head, name), head);
    for (const auto& entry : fs::directory_iterator(repo.dir() / "objects")) {
      EXPECT_FALSE(entry.path().filename().string().starts_with("tmp_objdir")) << name;
    }
    EXPECT_EQ(run_writer(repo, ""), 0);
  }
}

}  // namespace
}  // namespace hearth::git
