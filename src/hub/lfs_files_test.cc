#include "hub/lfs_files.h"

#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

std::map<std::string, std::string> listed(TestHub& hub, const Repo& repo) {
  std::map<std::string, std::string> refs;
  for (const LfsFile& file : hub.parts.lfs_files.list(repo, "", 1000).files) {
    refs[file.path.empty() ? file.sha256 : file.path] = file.ref;
  }
  return refs;
}

TEST(LfsFiles, EachStandsAtAPathOfTheFirstRefThatHasIt) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string one = hub.upload(repo, "one");
    std::string two = hub.upload(repo, "two");
    std::string idle = hub.upload(repo, "never committed");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("one.bin", one); });
    hub.parts.commits.create_branch(hub.by(hub.alice), repo, "another", {});
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("deep/two.bin", two); }, {"side"},
               {"another"});
    EXPECT_EQ(listed(hub, repo), (std::map<std::string, std::string>{
                                     {"one.bin", "refs/heads/main"},
                                     {"deep/two.bin", "refs/heads/another"},
                                     {idle, ""},
                                 }));
    // In pages.
    auto first = hub.parts.lfs_files.list(repo, "", 2);
    ASSERT_EQ(first.files.size(), 2u);
    auto second = hub.parts.lfs_files.list(repo, first.next_cursor, 2);
    EXPECT_EQ(second.files.size(), 1u);
    EXPECT_EQ(second.next_cursor, "");
    EXPECT_EQ(error_of([&] { hub.parts.lfs_files.list(repo, "elsewhere", 2); }).kind(),
              ErrorKind::kInvalid);
  });
}

TEST(LfsFiles, DeletedFilesAreGoneFromEveryCommitOrJustGone) {
  for_each_hub([](TestHub& hub) {
    for (bool rewrite : {true, false}) {
      Repo repo = hub.create(rewrite ? "alice/rewritten" : "alice/kept");
      std::string one = hub.upload(repo, "one");
      std::string two = hub.upload(repo, "two");
      hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("one.bin", one); });
      hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("two.bin", two); });
      uint64_t before = hub.large_bytes(repo);
      hub.parts.lfs_files.remove(hub.by(hub.alice), repo,
                                 {.sha256s = {one}, .rewrite_history = rewrite});
      EXPECT_EQ(hub.problems(), "");
      EXPECT_EQ(before - hub.large_bytes(repo), 3u);
      EXPECT_EQ(listed(hub, repo).size(), 1u);
      EXPECT_EQ(hub.paths(repo).size(), rewrite ? 2u : 3u);
      auto revision = hub.parts.contents.resolve(repo, "main");
      if (!rewrite) {
        auto read = [&] { hub.parts.contents.find_file(repo, revision, "one.bin"); };
        EXPECT_EQ(error_of(read).code(), "EntryNotFound");
      }
      EXPECT_EQ(hub.parts.contents.find_file(repo, revision, "two.bin")->size_bytes, 3u);
      // An index that is made again does not bring them back.
      hub.upload(hub.create(rewrite ? "alice/a" : "alice/b"), "one");
      hub.parts.receive.rebuild_index(repo);
      EXPECT_FALSE(hub.large_files.find(repo.id, one));
      // Nor does whoever sends them again or opens a pull request with them.
      hub.upload(repo, "one");
      hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("again.bin", one); }, {"theirs"},
                 {.revision = "main", .create_pr = true});
      EXPECT_TRUE(hub.parts.lfs_files.readable(repo, {one}).empty());
      if (!rewrite) {
        auto read = [&] { hub.parts.contents.find_file(repo, revision, "one.bin"); };
        EXPECT_EQ(error_of(read).code(), "EntryNotFound");
      }
      // But a commit by who may write does.
      hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("one.bin", one); });
      hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("new.bin", one); });
      EXPECT_EQ(hub.large_bytes(repo), before);
      EXPECT_EQ(hub.problems(), "");
    }
  });
}

TEST(LfsFiles, AMergeBringsBackWhatItMerges) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string one = hub.upload(repo, "one");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("one.bin", one); });
    hub.parts.lfs_files.remove(hub.by(hub.alice), repo,
                               {.sha256s = {one}, .rewrite_history = true});
    EXPECT_EQ(hub.large_bytes(repo), 0u);
    hub.upload(repo, "one");
    auto opened = hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("again.bin", one); },
                             {"theirs"}, {.revision = "main", .create_pr = true});
    EXPECT_EQ(hub.large_bytes(repo), 0u) << "anyone may open one";
    hub.parts.community.merge(hub.by(hub.alice), repo, *opened.pull_request, "");
    auto revision = hub.parts.contents.resolve(repo, "main");
    auto file = hub.parts.contents.find_file(repo, revision, "again.bin");
    EXPECT_EQ(blob::read_all(*file->source), "one");
    EXPECT_EQ(hub.large_bytes(repo), 3u);
    EXPECT_EQ(hub.problems(), "");
  });
}

}  // namespace
}  // namespace hearth::hub
