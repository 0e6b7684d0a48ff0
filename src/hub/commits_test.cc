#include <thread>

#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

TEST(Commits, FilesAreWrittenDeletedAndCopiedInOrder) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "weights");
    auto first = hub.commit(repo, [&](CommitDraft& draft) {
      draft.put("a.txt", "one");
      draft.put("a.txt", "two");
      draft.put("dir/sub/b.txt", "b");
      draft.put_large("model.bin", sha256);
    });
    EXPECT_EQ(hub.text(repo, "a.txt"), "two");
    EXPECT_EQ(hub.fresh(repo).head_oid, first.commit_oid);
    hub.commit(repo, [&](CommitDraft& draft) {
      draft.delete_folder("dir/");
      draft.copy("a.txt", "copy.txt");
      draft.put_large("again.bin", sha256, 7);
    });
    EXPECT_EQ(hub.paths(repo), (std::vector<std::string>{".gitattributes", "a.txt", "again.bin",
                                                         "copy.txt", "model.bin"}));
    auto revision = hub.parts.contents.resolve(repo, "main");
    auto file = hub.parts.contents.find_file(repo, revision, "model.bin");
    ASSERT_TRUE(file);
    EXPECT_EQ(blob::read_all(*file->source), "weights");
    EXPECT_EQ(file->large->sha256, sha256);
    EXPECT_EQ(file->size_bytes, 7u);
    auto raw = hub.parts.contents.find_file(repo, revision, "model.bin", {.raw = true});
    EXPECT_TRUE(blob::read_all(*raw->source).starts_with("version https://git-lfs"));
    EXPECT_EQ(raw->size_bytes, file->large->pointer_bytes);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Commits, ACopyIsOfTheRevisionThatItNames) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "weights");
    auto first = hub.commit(repo, [&](CommitDraft& draft) {
      draft.put("dir/a.txt", "one");
      draft.put_large("model.bin", sha256);
    });
    hub.commit(repo, [&](CommitDraft& draft) {
      draft.put("dir/a.txt", "two");
      draft.delete_file("model.bin");
    });
    hub.commit(repo, [&](CommitDraft& draft) {
      draft.copy("dir/a.txt", "old.txt", first.commit_oid);
      draft.copy("dir/a.txt", "new.txt", "main");
      draft.copy("model.bin", "again.bin", first.commit_oid);
    });
    EXPECT_EQ(hub.text(repo, "old.txt"), "one");
    EXPECT_EQ(hub.text(repo, "new.txt"), "two");
    auto file =
        hub.parts.contents.find_file(repo, hub.parts.contents.resolve(repo, "main"), "again.bin");
    ASSERT_TRUE(file);
    EXPECT_EQ(blob::read_all(*file->source), "weights");
    auto copied = [&](std::string_view path, std::string_view revision) {
      return error_of([&] {
        hub.commit(repo, [&](CommitDraft& draft) { draft.copy(path, "x.txt", revision); });
      });
    };
    EXPECT_EQ(copied("dir/a.txt", "nowhere").code(), "RevisionNotFound");
    EXPECT_EQ(copied("absent.txt", first.commit_oid).code(), "EntryNotFound");
    EXPECT_EQ(copied("dir", first.commit_oid).kind(), ErrorKind::kUnprocessable);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Commits, DeletedFolderMayBeNamedAsAFile) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "dir/a.txt", "a");
    hub.commit(repo, [](CommitDraft& draft) { draft.delete_file("dir"); });
    EXPECT_EQ(hub.paths(repo).size(), 1u);
    auto error =
        error_of([&] { hub.commit(repo, [](CommitDraft& draft) { draft.delete_file("dir"); }); });
    EXPECT_EQ(error.code(), "EntryNotFound");
    EXPECT_NE(error.message().find("A file with this name doesn't exist"), std::string::npos);
  });
}

TEST(Commits, OtherParentIsAPreconditionThatFailed) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string parent = hub.fresh(repo).head_oid;
    auto fill = [](CommitDraft& draft) { draft.put("a.txt", "a"); };
    hub.commit(repo, fill, {.summary = "one", .parent_commit = parent.substr(0, 7)});
    auto error =
        error_of([&] { hub.commit(repo, fill, {.summary = "two", .parent_commit = parent}); });
    EXPECT_EQ(error.kind(), ErrorKind::kPreconditionFailed);
    EXPECT_EQ(error.message(),
              "The branch was updated since you opened this page. Please refresh and try again.");
  });
}

TEST(Commits, RepeatedCommitAnswersTheHead) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto first = hub.put(repo, "a.txt", "a");
    auto second = hub.put(repo, "a.txt", "a");
    EXPECT_EQ(first.commit_oid, second.commit_oid);
  });
}

TEST(Commits, UnknownRevisionAndForeignObjectAreRefused) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    Repo other = hub.create("alice/other");
    std::string sha256 = hub.upload(other, "theirs");
    auto fill = [](CommitDraft& draft) { draft.put("a.txt", "a"); };
    for (const char* revision : {"nope", "refs/pr/1", ""}) {
      auto error = error_of([&] { hub.commit(repo, fill, {"x"}, {revision}); });
      EXPECT_EQ(error.code(), "RevisionNotFound") << revision;
      EXPECT_EQ(error.message(), std::string("Invalid rev id: ") + revision);
    }
    // A commit is no branch.
    EXPECT_EQ(error_of([&] { hub.commit(repo, fill, {"x"}, {hub.fresh(repo).head_oid}); }).code(),
              "RevisionNotFound");
    auto error = error_of(
        [&] { hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("m.bin", sha256); }); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    EXPECT_NE(error.message().find(sha256), std::string::npos);
    error = error_of([&] {
      hub.commit(other, [&](CommitDraft& draft) { draft.put_large("m.bin", sha256, 5); });
    });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    // The text of a pointer is no way around.
    error = error_of([&] { hub.put(repo, "m.bin", git::LfsPointer{sha256, 6}.format()); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    EXPECT_EQ(hub.paths(repo).size(), 1u);
  });
}

TEST(Commits, BadPathsAreUnprocessable) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    for (const char* path : {"../a", "/a", "a/../b", "a\\b", "..\\ddd", ".git/config", "a/.GIT/x",
                             "a//b", "", "a\nb", "\xff", "git~1/x"}) {
      auto error = error_of([&] { hub.put(repo, path, "x"); });
      EXPECT_EQ(error.kind(), ErrorKind::kUnprocessable) << path;
    }
    EXPECT_EQ(hub.paths(repo).size(), 1u);
  });
}

TEST(Commits, RegularFileEndsAtTenMebibytes) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "full.txt", std::string(10u << 20, 'x'));
    auto error = error_of([&] { hub.put(repo, "over.txt", std::string((10u << 20) + 1, 'x')); });
    EXPECT_EQ(error.kind(), ErrorKind::kTooLarge);
  });
}

TEST(Commits, BrokenCardIsRefused) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto error = error_of([&] { hub.put(repo, "README.md", "---\nlicense: [\n---\n"); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    hub.put(repo, "README.md", "---\nlicense: mit\n---\nHello");
  });
}

TEST(Commits, WritersAtOnceAllArrive) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    constexpr int kWriters = 4;
    constexpr int kCommits = 3;
    std::vector<std::thread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, writer] {
        for (int i = 0; i < kCommits; ++i) {
          auto draft = hub.parts.commits.begin(hub.by(hub.alice), repo, {"main"}, {"change"});
          draft.put("w" + std::to_string(writer) + "/" + std::to_string(i), "x");
          draft.commit();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(hub.paths(repo).size(), 1u + kWriters * kCommits);
    auto page =
        hub.parts.contents.commits(repo, hub.parts.contents.resolve(repo, "main"), {.limit = 2});
    EXPECT_EQ(page.total_count, 1u + kWriters * kCommits);
    EXPECT_TRUE(page.has_more);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Commits, ReadersAndStrangersToTheNamespaceMayNotWrite) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto fill = [](CommitDraft& draft) { draft.put("a.txt", "a"); };
    EXPECT_EQ(error_of([&] { hub.commit_by(hub.bob, repo, fill); }).kind(), ErrorKind::kForbidden);
    Identity reader = hub.alice;
    reader.credential.kind = CredentialKind::kReadToken;
    EXPECT_EQ(error_of([&] { hub.commit_by(reader, repo, fill); }).kind(), ErrorKind::kForbidden);
  });
}

TEST(Commits, BranchesAndTagsKeepTheirRules) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& commits = hub.parts.commits;
    Caller alice = hub.by(hub.alice);
    auto first = hub.put(repo, "a.txt", "a");
    commits.create_branch(alice, repo, "feat/x", {});
    EXPECT_EQ(error_of([&] { commits.create_branch(alice, repo, "feat/x", {}); }).message(),
              "Reference refs/heads/feat/x already exists");
    EXPECT_EQ(error_of([&] { commits.create_branch(alice, repo, "refs/x", {}); }).kind(),
              ErrorKind::kInvalid);
    commits.create_branch(alice, repo, "empty", {.empty = true});
    EXPECT_TRUE(hub.paths(repo, "empty").empty());
    commits.create_tag(alice, repo, "feat", first.commit_oid.substr(0, 7), "");
    commits.create_tag(alice, repo, "v1", "main", "message");
    EXPECT_EQ(hub.parts.contents.resolve(repo, "v1").commit_oid, first.commit_oid);
    EXPECT_EQ(error_of([&] { commits.create_tag(alice, repo, "v1", "main", ""); }).kind(),
              ErrorKind::kConflict);
    EXPECT_EQ(error_of([&] { commits.create_tag(alice, repo, "a b", "main", ""); }).kind(),
              ErrorKind::kInvalid);
    EXPECT_EQ(error_of([&] { commits.create_tag(alice, repo, "v2", "nope", ""); }).code(),
              "RevisionNotFound");
    EXPECT_EQ(error_of([&] { commits.create_tag(alice, repo, "a b", "nope", ""); }).code(),
              "RevisionNotFound");
    auto refs = hub.parts.contents.refs(repo);
    EXPECT_EQ(refs.branches.size(), 3u);
    EXPECT_EQ(refs.branches[0].name, "main");
    EXPECT_EQ(refs.tags.size(), 2u);
    EXPECT_EQ(refs.tags[1].target_commit, first.commit_oid);
    EXPECT_EQ(error_of([&] { commits.delete_branch(alice, repo, "main"); }).message(),
              "Cannot delete refs/heads/main");
    EXPECT_EQ(error_of([&] { commits.delete_branch(alice, repo, "nope"); }).code(),
              "RevisionNotFound");
    commits.delete_branch(alice, repo, "feat/x");
    commits.delete_tag(alice, repo, "v1");
    EXPECT_EQ(error_of([&] { commits.delete_tag(alice, repo, "main"); }).code(),
              "RevisionNotFound");
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Commits, SuperSquashLeavesOneCommitWithTheFiles) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "a");
    hub.put(repo, "b.txt", "b");
    hub.parts.commits.super_squash(hub.by(hub.alice), repo, "main", "all in one");
    auto page = hub.parts.contents.commits(repo, hub.parts.contents.resolve(repo, "main"), {});
    ASSERT_EQ(page.total_count, 1u);
    EXPECT_EQ(page.commits[0].title, "all in one");
    EXPECT_EQ(hub.paths(repo).size(), 3u);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Preupload, FollowsAttributesSizeAndSample) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "hello");
    hub.put(repo, ".gitignore", "*.log\n");
    std::string sha256 = hub.upload(repo, "weights");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    PreuploadRequest request;
    request.files = {{"a.txt", "hello", 5},
                     {"model.bin", "weights", 7},
                     {"empty.bin", "", 0},
                     {"tiny.parquet", "PAR1", 13},
                     {"big.txt", "text", (10u << 20) + 1},
                     {"full.txt", "text", 10u << 20},
                     {"picture", std::string("\0\1", 2), (100u << 10) + 1},
                     {"small", std::string("\0\1", 2), 100u << 10},
                     {"cut.txt", "gr\xc3", 200u << 10},
                     {"x.log", "a", 1}};
    auto answers = hub.parts.commits.preupload(repo, "main", request, false);
    ASSERT_EQ(answers.size(), 10u);
    EXPECT_EQ(answers[0].oid, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    EXPECT_EQ(answers[1].oid, sha256);
    std::vector<bool> lfs;
    for (const auto& answer : answers) lfs.push_back(answer.is_lfs);
    EXPECT_EQ(
        lfs, (std::vector<bool>{false, true, false, true, true, false, true, false, false, false}));
    EXPECT_TRUE(answers[9].should_ignore);
    EXPECT_FALSE(answers[0].should_ignore);
    request.git_ignore = "a.txt\n";
    EXPECT_TRUE(hub.parts.commits.preupload(repo, "main", request, false)[0].should_ignore);
    EXPECT_EQ(error_of([&] { hub.parts.commits.preupload(repo, "x", request, false); }).code(),
              "RevisionNotFound");
    EXPECT_EQ(error_of([&] {
                hub.parts.commits.preupload(repo, hub.fresh(repo).head_oid, request, true);
              }).code(),
              "RevisionNotFound");
  });
}

}  // namespace
}  // namespace hearth::hub
