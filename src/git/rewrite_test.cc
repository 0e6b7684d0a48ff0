#include <gtest/gtest.h>

#include "git/test_repo.h"

namespace hearth::git {
namespace {

Oid blob_at(const GitRepo& git, std::string_view path, std::string_view revision = "main") {
  return git.entry(git.require_revision(revision).commit, path)->oid;
}

/// Rewrites and moves the refs; by name, what moved.
std::map<std::string, Oid> apply(const fs::path& dir, const std::unordered_set<Oid>& blobs) {
  Quarantine quarantine(dir);
  auto rewritten = GitRepo::open_with(dir, quarantine).rewrite_without(blobs);
  quarantine.migrate();
  GitRepo git = GitRepo::open(dir);
  std::map<std::string, Oid> moved;
  for (const RewrittenRef& ref : rewritten) {
    EXPECT_EQ(git.update_ref_cas({ref.full_name, ref.old_target, ref.new_target}),
              RefUpdateResult::kDone);
    moved[ref.full_name] = ref.new_target;
  }
  return moved;
}

TEST(Rewrite, BlobsLeaveEveryCommitThatHadThemAndNothingElseChanges) {
  TestRepo repo;
  repo.commit("main", {{"a.txt", "one"}}, "before");
  Oid before = GitRepo::open(repo.dir()).require_revision("main").commit;
  repo.commit("main", {{"deep/er/w.bin", "large"}, {"deep/b.txt", "b"}}, "with it\n\nand a body");
  repo.commit("main", {{"again.bin", "large"}, {"alone/w.bin", "large"}}, "elsewhere");
  repo.commit("main", {{"c.txt", "c"}}, "after");
  GitRepo git = GitRepo::open(repo.dir());
  git.create_ref("refs/heads/old", before);
  git.create_ref("refs/tags/v1",
                 git.write_tag_object("v1", git.require_revision("main").commit,
                                      {.name = "T", .email = "t@x", .time_ms = 1'000}, "said"));
  std::string log = git_output(repo.dir(), {"log", "--format=%an %ae %at %cn %ct %B", "main"});

  auto moved = apply(repo.dir(), {blob_at(git, "again.bin")});
  EXPECT_EQ(moved.size(), 2u);
  EXPECT_TRUE(moved.contains("refs/heads/main") && moved.contains("refs/tags/v1"));
  EXPECT_EQ(git_output(repo.dir(), {"log", "--format=%an %ae %at %cn %ct %B", "main"}), log);
  EXPECT_EQ(git_output(repo.dir(), {"ls-tree", "-r", "--name-only", "main"}),
            "a.txt\nc.txt\ndeep/b.txt");
  EXPECT_EQ(git_output(repo.dir(), {"log", "--format=%s", "--all", "--", "*.bin"}), "");
  EXPECT_EQ(git_output(repo.dir(), {"merge-base", "main", "old"}), before.hex());
  EXPECT_NE(git_output(repo.dir(), {"cat-file", "tag", "v1"}).find("\n\nsaid"), std::string::npos);
  EXPECT_EQ(git_output(repo.dir(), {"rev-parse", "v1^{commit}"}),
            git_output(repo.dir(), {"rev-parse", "main"}));
  EXPECT_TRUE(GitRepo::open(repo.dir()).fsck().empty());
}

TEST(Rewrite, ACommitThatHeldNothingElseIsEmptyAfterwards) {
  TestRepo repo;
  repo.commit("main", {{"only.bin", "large"}}, "first");
  GitRepo git = GitRepo::open(repo.dir());
  apply(repo.dir(), {blob_at(git, "only.bin")});
  EXPECT_EQ(git_output(repo.dir(), {"ls-tree", "-r", "main"}), "");
  EXPECT_EQ(git_output(repo.dir(), {"log", "--format=%s", "main"}), "first");
  EXPECT_TRUE(GitRepo::open(repo.dir()).fsck().empty());
}

TEST(Rewrite, WithoutSuchABlobNothingMoves) {
  TestRepo repo;
  repo.commit("main", {{"a.txt", "one"}}, "first");
  EXPECT_TRUE(apply(repo.dir(), {*Oid::parse(std::string(40, '1'))}).empty());
}

}  // namespace
}  // namespace hearth::git
