#include <chrono>
#include <functional>

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

RepoPath path(std::string_view text) {
  return RepoPath::require(text, TrailingSlash::kDrop);
}

/// Builds on main, makes it main, and gives back the commit.
Built finish(TestRepo& repo, CommitBuilder& builder, std::optional<Oid> parent) {
  std::vector<Oid> parents;
  if (parent) parents.push_back(*parent);
  Built built = builder.build(TestRepo::commit_of("Change\n\nDescription", parents));
  if (!built.commit) return built;
  builder.quarantine().migrate();
  GitRepo open = repo.open();
  EXPECT_EQ(open.update_ref_cas({"refs/heads/main", parent, built.commit}), RefUpdateResult::kDone);
  return built;
}

std::string listing(TestRepo& repo) {
  return git_output(repo.dir(), {"ls-tree", "-r", "--format=%(objectmode) %(path)", "main"});
}

TEST(CommitBuilder, FirstCommitIsReadByPlainGit) {
  TestRepo repo;
  CommitBuilder builder(repo.dir(), std::nullopt);
  Oid blob = builder.put_blob(path("a/b/c.txt"), as_bytes("hello\n"));
  builder.put_blob(path("z"), as_bytes(""));
  builder.put_pointer(path("m.bin"), {std::string(64, 'a'), 12});
  Built built = finish(repo, builder, std::nullopt);
  EXPECT_TRUE(built.changed);
  EXPECT_EQ(built.blobs.size(), 3u);
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:a/b/c.txt"}), "hello");
  EXPECT_EQ(git_output(repo.dir(), {"rev-parse", "main:a/b/c.txt"}), blob.hex());
  EXPECT_EQ(listing(repo), "100644 a/b/c.txt\n100644 m.bin\n100644 z");
  EXPECT_EQ(git_output(repo.dir(), {"log", "-1", "--format=%an|%ae|%at|%s|%b", "main"}),
            "Alice|alice@example|1700000000|Change|Description");
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(CommitBuilder, OperationsApplyInTheirOrder) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"keep", "k"}, {"sub/a", "1"}, {"sub/b", "2"}, {"x", "3"}});
  CommitBuilder builder(repo.dir(), parent);
  builder.remove(path("sub/"));
  builder.put_blob(path("sub/c"), as_bytes("new"));
  builder.put_blob(path("y"), as_bytes("first"));
  builder.put_blob(path("y"), as_bytes("last"));
  builder.remove(path("x"));
  builder.put_blob(path("x/now/a/folder"), as_bytes("4"));
  builder.copy(path("keep"), path("copies/keep"));
  builder.copy(path("sub/a"), path("back"), parent);
  finish(repo, builder, parent);
  EXPECT_EQ(listing(repo),
            "100644 back\n100644 copies/keep\n100644 keep\n100644 sub/c\n"
            "100644 x/now/a/folder\n100644 y");
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:y"}), "last");
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:back"}), "1");
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(CommitBuilder, EmptyFoldersVanish) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"a/b/c", "1"}, {"d", "2"}});
  CommitBuilder builder(repo.dir(), parent);
  builder.remove(path("a/b/c"));
  Built built = finish(repo, builder, parent);
  EXPECT_EQ(listing(repo), "100644 d");
  CommitBuilder rest(repo.dir(), built.commit);
  rest.remove(path("d"));
  Built empty = finish(repo, rest, built.commit);
  EXPECT_EQ(empty.tree, empty_tree_oid());
  EXPECT_EQ(listing(repo), "");
  EXPECT_TRUE(repo.open().fsck().empty());
  EXPECT_TRUE(repo.open().tree_list(*empty.commit, "").entries.empty());
  CommitBuilder again(repo.dir(), empty.commit);
  again.put_blob(path("d"), as_bytes("2"));
  finish(repo, again, empty.commit);
  EXPECT_EQ(listing(repo), "100644 d");
}

TEST(CommitBuilder, FolderCopiesTakeWhatTheyHoldNow) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"f/a", "1"}, {"f/g/b", "2"}});
  CommitBuilder builder(repo.dir(), parent);
  builder.put_blob(path("f/g/new"), as_bytes("3"));
  builder.copy(path("f"), path("h"));
  builder.put_blob(path("f/late"), as_bytes("4"));
  builder.copy(path("f"), path("old"), parent);
  finish(repo, builder, parent);
  EXPECT_EQ(listing(repo),
            "100644 f/a\n100644 f/g/b\n100644 f/g/new\n100644 f/late\n100644 h/a\n100644 h/g/b\n"
            "100644 h/g/new\n100644 old/a\n100644 old/g/b");
}

TEST(CommitBuilder, SameContentIsNoChange) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"a", "1"}, {"b/c", "2"}});
  CommitBuilder builder(repo.dir(), parent);
  builder.put_blob(path("a"), as_bytes("1"));
  builder.remove(path("b/c"));
  builder.put_blob(path("b/c"), as_bytes("2"));
  Built built = builder.build(TestRepo::commit_of("Again", {parent}));
  EXPECT_FALSE(built.changed);
  EXPECT_FALSE(built.commit);
  CommitBuilder forced(repo.dir(), parent);
  CommitBuilder::Commit commit = TestRepo::commit_of("Again", {parent});
  commit.allow_empty = true;
  built = forced.build(commit);
  EXPECT_FALSE(built.changed);
  EXPECT_TRUE(built.commit);
}

TEST(CommitBuilder, WhatIsNotThereCannotBeDeletedOrCopied) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"a", "1"}, {"f/x", "2"}});
  CommitBuilder builder(repo.dir(), parent);
  EXPECT_EQ(kind_of([&] { builder.remove(path("none")); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { builder.remove(path("a/below")); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { builder.remove(path("f/none")); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { builder.remove_folder(path("a")); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { builder.copy(path("none"), path("b")); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { builder.copy(path("none"), path("b"), parent); }), ErrorKind::kNotFound);
  try {
    builder.remove(path("none"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "EntryNotFound");
    EXPECT_NE(error.message().find("A file with this name doesn't exist"), std::string::npos);
  }
  EXPECT_EQ(kind_of([&] { builder.put_blob(path("a/b"), as_bytes("x")); }),
            ErrorKind::kUnprocessable);
  EXPECT_EQ(kind_of([&] { builder.put_blob(path("f"), as_bytes("x")); }),
            ErrorKind::kUnprocessable);
}

TEST(CommitBuilder, FileOfTenMebibytesIsTheLargest) {
  TestRepo repo;
  CommitBuilder builder(repo.dir(), std::nullopt);
  std::string large(kRegularBlobBytesMax + 1, 'x');
  EXPECT_EQ(kind_of([&] { builder.put_blob(path("a"), as_bytes(large)); }), ErrorKind::kTooLarge);
  large.pop_back();
  builder.put_blob(path("a"), as_bytes(large));
  Built built = finish(repo, builder, std::nullopt);
  EXPECT_EQ(repo.open().read_blob(built.blobs[0].oid), large);
}

TEST(CommitBuilder, ExecutableFilesAndLinksKeepTheirKind) {
  TestRepo repo;
  fs::path work = repo.folder() / "work";
  git_output(repo.folder(), {"init", "-q", "work"});
  write_durably(work / "run.sh", "#!/bin/sh\n", 0755);
  fs::create_symlink("run.sh", work / "link");
  git_output(work, {"add", "-A"});
  git_output(work, {"commit", "-q", "-m", "x"});
  git_output(work, {"push", "-q", repo.dir().string(), "HEAD:refs/heads/main"});
  Oid parent = *repo.open().read_ref("refs/heads/main");
  CommitBuilder builder(repo.dir(), parent);
  EXPECT_EQ(builder.entry(path("link"))->type, EntryType::kSymlink);
  builder.put_blob(path("run.sh"), as_bytes("#!/bin/bash\n"));
  builder.put_blob(path("link"), as_bytes("a file now"));
  finish(repo, builder, parent);
  EXPECT_EQ(listing(repo), "100644 link\n100755 run.sh");
}

TEST(CommitBuilder, EntriesAreSeenAsTheOperationsLeftThem) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"a", "12345"}});
  CommitBuilder builder(repo.dir(), parent);
  EXPECT_EQ(builder.entry(path("a"))->blob_bytes, 5u);
  builder.put_pointer(path("a"), {std::string(64, 'b'), 99});
  EXPECT_EQ(builder.entry(path("a"))->size_bytes(), 99u);
  builder.remove(path("a"));
  EXPECT_FALSE(builder.entry(path("a")));
}

TEST(CommitBuilder, TreesAreSortedAsGitSortsThem) {
  TestRepo repo;
  CommitBuilder builder(repo.dir(), std::nullopt);
  for (std::string_view name :
       {"a", "a.txt", "a-b", "b/x", "b.txt", "b-c", "c0", "c/x", "ü", "Z"}) {
    builder.put_blob(path(name), as_bytes("x"));
  }
  finish(repo, builder, std::nullopt);
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(CommitBuilder, NothingIsVisibleBeforeMigration) {
  TestRepo repo;
  CommitBuilder builder(repo.dir(), std::nullopt);
  Oid blob = builder.put_blob(path("a"), as_bytes("secret"));
  Built built = builder.build(TestRepo::commit_of("x", {}));
  EXPECT_FALSE(repo.open().has_object(blob));
  EXPECT_TRUE(builder.repo().has_object(blob));
  EXPECT_EQ(builder.repo().read_blob(blob), "secret");
  EXPECT_EQ(builder.repo().commit_info(*built.commit).title, "x");
  fs::path folder = builder.quarantine().dir();
  EXPECT_TRUE(fs::exists(folder));
  {
    CommitBuilder dropped = std::move(builder);
  }
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_FALSE(repo.open().has_object(blob));
}

TEST(CommitBuilder, StagedBlobsOutliveARestart) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  CommitBuilder builder(repo.dir(), std::nullopt);
  Oid one = builder.stage_blob(as_bytes("one"));
  Oid unused = builder.stage_blob(as_bytes("unused"));
  builder.restart(first);
  builder.put_staged(path("x"), one);
  EXPECT_EQ(builder.entry(path("x"))->blob_bytes, 3u);
  Built lost = builder.build(TestRepo::commit_of("lost", {first}));
  ASSERT_TRUE(lost.commit);
  builder.quarantine().migrate();
  // Another process was first: once more, on its commit.
  Oid second = repo.commit("main", {{"b", "2"}});
  builder.restart(second);
  builder.put_staged(path("x"), one);
  builder.remove(path("a"));
  Built built = finish(repo, builder, second);
  ASSERT_EQ(built.blobs.size(), 1u);
  EXPECT_EQ(built.blobs[0].path, "x");
  EXPECT_NE(built.blobs[0].oid, unused);
  EXPECT_EQ(listing(repo), "100644 b\n100644 x");
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(CommitBuilder, ThousandFilesAreOnePackAndQuick) {
  TestRepo repo;
  Oid parent = repo.commit("main", {{"README.md", "x"}});
  auto begin = std::chrono::steady_clock::now();
  CommitBuilder builder(repo.dir(), parent);
  for (int i = 0; i < 1000; ++i) {
    builder.put_blob(path("data/" + std::to_string(i % 10) + "/" + std::to_string(i)),
                     as_bytes("content " + std::to_string(i)));
  }
  Built built = finish(repo, builder, parent);
  auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took, std::chrono::seconds(5));
  EXPECT_EQ(built.blobs.size(), 1000u);
  EXPECT_EQ(repo.open().all_files(*built.commit).size(), 1001u);
  EXPECT_TRUE(repo.open().fsck().empty());
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:data/7/997"}), "content 997");
  size_t packs = 0;
  for (const auto& file : fs::directory_iterator(repo.dir() / "objects/pack")) {
    if (file.path().extension() != ".pack") continue;
    ++packs;
    git_output(repo.dir(), {"verify-pack", file.path().string()});
  }
  EXPECT_EQ(packs, 1u);
}

TEST(CommitBuilder, NamesInSignaturesCannotForgeHeaders) {
  TestRepo repo;
  CommitBuilder builder(repo.dir(), std::nullopt);
  builder.put_blob(path("a"), as_bytes("x"));
  CommitBuilder::Commit commit = TestRepo::commit_of("m", {});
  commit.author.name = "Eve\nparent 0000 <x@y>";
  commit.author.email = "a b<c>\n@d";
  commit.committer.name = "";
  commit.author.offset_minutes = -330;
  commit.message = std::string("nul\0here \xff\r\n", 12);
  Built built = builder.build(commit);
  builder.quarantine().migrate();
  GitRepo open = repo.open();
  open.create_ref("refs/heads/main", *built.commit);
  CommitInfo info = open.commit_info(*built.commit);
  EXPECT_EQ(info.author.name, "Eveparent 0000 x@y");
  EXPECT_EQ(info.author.email, "abc@d");
  EXPECT_EQ(info.author.offset_minutes, -330);
  EXPECT_TRUE(info.parents.empty());
  EXPECT_TRUE(open.fsck().empty()) << open.fsck()[0];
}

TEST(Quarantine, OldRestsAreCleared) {
  TestRepo repo;
  Quarantine live(repo.dir());
  fs::path dead = repo.dir() / "objects/tmp_objdir-incoming-dead";
  fs::create_directories(dead / "pack");
  auto old = fs::file_time_type::clock::now() - std::chrono::hours(48);
  fs::last_write_time(dead / "pack", old);
  fs::last_write_time(dead, old);
  EXPECT_EQ(remove_stale_quarantines(repo.dir()), 1u);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(live.dir()));
}

}  // namespace
}  // namespace hearth::git
