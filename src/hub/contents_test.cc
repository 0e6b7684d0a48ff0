#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

std::vector<std::string> names(const std::vector<TreeEntry>& entries) {
  std::vector<std::string> result;
  for (const TreeEntry& entry : entries) {
    result.push_back(entry.path + (entry.type == EntryType::kDirectory ? "/" : ""));
  }
  return result;
}

TEST(Contents, RevisionsResolveInTheOrderOfTheReference) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& contents = hub.parts.contents;
    std::string first = hub.fresh(repo).head_oid;
    std::string second = hub.put(repo, "a.txt", "a").commit_oid;
    hub.parts.commits.create_tag(hub.by(hub.alice), repo, "main", first, "");
    EXPECT_EQ(contents.resolve(repo, "main").commit_oid, second);
    EXPECT_EQ(contents.resolve(repo, "main").ref, "refs/heads/main");
    EXPECT_EQ(contents.resolve(repo, "refs/tags/main").commit_oid, first);
    EXPECT_EQ(contents.resolve(repo, "refs/heads/main").commit_oid, second);
    EXPECT_EQ(contents.resolve(repo, "HEAD").commit_oid, second);
    EXPECT_EQ(contents.resolve(repo, first).ref, "");
    EXPECT_EQ(contents.resolve(repo, first.substr(0, 7)).commit_oid, first);
    for (const char* unknown : {"nope", "refs/heads/x", "0123456789012345678901234567890123456789",
                                "../x", "", "a b", "-x", "main~1", "@"}) {
      auto error = error_of([&] { contents.resolve(repo, unknown); });
      EXPECT_EQ(error.code(), "RevisionNotFound") << unknown;
      EXPECT_EQ(error.message(), std::string("Invalid rev id: ") + unknown);
    }
  });
}

TEST(Contents, TreesArePagedInGitsOrder) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.commit(repo, [](CommitDraft& draft) {
      draft.put("a.txt", "a");
      draft.put("a/x/1", "1");
      draft.put("a/x/2", "2");
      draft.put("a/y", "y");
      draft.put("b", "b");
    });
    auto& contents = hub.parts.contents;
    auto main = contents.resolve(repo, "main");
    EXPECT_EQ(names(contents.tree(repo, main, {}, "main").entries),
              (std::vector<std::string>{".gitattributes", "a.txt", "a/", "b"}));
    EXPECT_EQ(names(contents.tree(repo, main, {.path = "a"}, "main").entries),
              (std::vector<std::string>{"a/x/", "a/y"}));
    std::vector<std::string> all = {".gitattributes", "a.txt", "a/",  "a/x/",
                                    "a/x/1",          "a/x/2", "a/y", "b"};
    for (size_t limit : {1u, 2u, 3u, 7u, 8u, 9u}) {
      std::vector<std::string> seen;
      TreeRequest request{.recursive = true, .limit = limit};
      do {
        auto page = contents.tree(repo, main, request, "main");
        EXPECT_LE(page.entries.size(), limit);
        for (const std::string& name : names(page.entries)) seen.push_back(name);
        request.cursor = page.next_cursor;
      } while (!request.cursor.empty());
      EXPECT_EQ(seen, all) << limit;
    }
    auto error = error_of([&] { contents.tree(repo, main, {.path = "nope"}, "main"); });
    EXPECT_EQ(error.code(), "EntryNotFound");
    EXPECT_EQ(error.message(), "nope does not exist on \"main\"");
    EXPECT_EQ(error_of([&] { contents.tree(repo, main, {.path = "../x"}, "main"); }).kind(),
              ErrorKind::kUnprocessable);
    EXPECT_EQ(error_of([&] { contents.tree(repo, main, {.cursor = "%%"}, "main"); }).kind(),
              ErrorKind::kInvalid);
  });
}

TEST(Contents, ExpandedTreesTellTheLastCommitOfEachPath) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& contents = hub.parts.contents;
    std::string initial = hub.fresh(repo).head_oid;
    std::string one = hub.put(repo, "dir/sub/a", "1", "one").commit_oid;
    std::string two = hub.put(repo, "dir/b", "1", "two").commit_oid;
    std::string three = hub.commit(repo,
                                   [](CommitDraft& draft) {
                                     draft.delete_file("dir/b");
                                     draft.put("c", "1");
                                   })
                            .commit_oid;
    auto commits_at = [&](const std::string& revision) {
      std::map<std::string, std::string> found;
      auto page = contents.tree(repo, contents.resolve(repo, revision),
                                {.recursive = true, .expand = true}, revision);
      for (const TreeEntry& entry : page.entries) {
        found[entry.path] = entry.last_commit ? entry.last_commit->oid : "";
      }
      return found;
    };
    std::map<std::string, std::string> expected = {{".gitattributes", initial},
                                                   {"dir", three},
                                                   {"dir/sub", one},
                                                   {"dir/sub/a", one},
                                                   {"c", three}};
    EXPECT_EQ(commits_at("main"), expected);
    // Not the indexed commit: by a walk.
    EXPECT_EQ(commits_at(two), (std::map<std::string, std::string>{{".gitattributes", initial},
                                                                   {"dir", two},
                                                                   {"dir/sub", one},
                                                                   {"dir/sub/a", one},
                                                                   {"dir/b", two}}));
    // Made anew, the index says the same.
    hub.parts.receive.rebuild_index(repo);
    EXPECT_EQ(commits_at("main"), expected);
    auto info = contents.paths_info(repo, contents.resolve(repo, "main"),
                                    {"nope", "dir/", "c", "../x"}, {.expand = true});
    ASSERT_EQ(info.size(), 2u);
    EXPECT_EQ(info[0].path, "dir");
    EXPECT_EQ(info[0].last_commit->oid, three);
    EXPECT_EQ(info[0].last_commit->title, "change");
    EXPECT_EQ(info[1].path, "c");
  });
}

TEST(Contents, LastCommitsFollowMergesAndForcedHistory) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& contents = hub.parts.contents;
    std::string base = hub.put(repo, "base", "1").commit_oid;
    auto request = hub.commit(repo, [](CommitDraft& draft) { draft.put("theirs", "1"); },
                              {"theirs"}, {.revision = "main", .create_pr = true});
    std::string ours = hub.put(repo, "ours", "1").commit_oid;
    hub.parts.community.merge(hub.by(hub.alice), repo, *request.pull_request, "");
    auto last = [&](const std::string& path) {
      auto info =
          contents.paths_info(repo, contents.resolve(repo, "main"), {path}, {.expand = true});
      return info.empty() || !info[0].last_commit ? "" : info[0].last_commit->oid;
    };
    EXPECT_EQ(last("theirs"), request.commit_oid);
    EXPECT_EQ(last("ours"), ours);
    EXPECT_EQ(last("base"), base);
    std::string squashed =
        hub.parts.commits.super_squash(hub.by(hub.alice), repo, "main", "squash");
    EXPECT_EQ(last("base"), squashed);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Contents, CommitsArePagedAndCounted) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    for (int i = 0; i < 4; ++i) {
      hub.commit(repo, [&](CommitDraft& draft) { draft.put("a", std::to_string(i)); },
                 {"c" + std::to_string(i), "Body.\n\nCo-authored-by: bob <b@x>"});
    }
    auto& contents = hub.parts.contents;
    auto main = contents.resolve(repo, "main");
    auto page = contents.commits(repo, main, {.skip_count = 1, .limit = 2});
    ASSERT_EQ(page.commits.size(), 2u);
    EXPECT_EQ(page.commits[0].title, "c2");
    EXPECT_EQ(page.commits[0].users, (std::vector<std::string>{"alice", "bob"}));
    EXPECT_TRUE(page.commits[0].message.starts_with("Body."));
    EXPECT_TRUE(page.has_more);
    EXPECT_EQ(page.total_count, 5u);
    page = contents.commits(repo, main, {.skip_count = 4, .limit = 2});
    EXPECT_EQ(page.commits.size(), 1u);
    EXPECT_FALSE(page.has_more);
    EXPECT_EQ(page.total_count, 5u);
    Revision by_oid{page.commits[0].oid, ""};
    EXPECT_EQ(contents.commits(repo, by_oid, {}).total_count, 1u);
    EXPECT_EQ(
        error_of([&] { contents.commits(repo, main, {.skip_count = 100'000, .limit = 1}); }).kind(),
        ErrorKind::kInvalid);
  });
}

TEST(Contents, MissingFilesAndFoldersAreNoFiles) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "dir/a", "hello");
    auto& contents = hub.parts.contents;
    auto main = contents.resolve(repo, "main");
    for (const char* path : {"nope", "dir", "dir/", "dir/a/b", "../x", "/dir/a", ""}) {
      EXPECT_FALSE(contents.find_file(repo, main, path)) << path;
    }
    auto file = contents.find_file(repo, main, "dir/a");
    EXPECT_EQ(file->size_bytes, 5u);
    EXPECT_EQ(file->blob_oid, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    std::vector<uint8_t> part(10);
    EXPECT_EQ(file->source->read(3, part), 2u);
    EXPECT_EQ(read_file(file->source->materialize().path), "hello");
    EXPECT_FALSE(contents.find_file(repo, main, "dir/a", {.with_source = false})->source);
  });
}

TEST(Contents, StorageCountsLargeFilesOnce) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, std::string(1000, 'x'));
    hub.commit(repo, [&](CommitDraft& draft) {
      draft.put_large("a.bin", sha256);
      draft.put_large("b.bin", sha256);
    });
    EXPECT_EQ(hub.large_bytes(repo), 1000u);
    EXPECT_GT(hub.parts.ledger.used_bytes(repo), 1000u);  // And its git objects.
  });
}

}  // namespace
}  // namespace hearth::hub
