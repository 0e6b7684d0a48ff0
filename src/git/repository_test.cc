#include "git/repository.h"

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_of.h"
#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

std::vector<std::string> paths(const TreePage& page) {
  std::vector<std::string> out;
  for (const TreeEntry& entry : page.entries) out.push_back(entry.path);
  return out;
}

const std::vector<std::pair<std::string, std::string>> kFiles = {
    {"a", "1"},   {"a.txt", "22"}, {"b/c", "333"},      {"b/d/e", "4444"}, {"b/d/f", "x"},
    {"b-c", "y"}, {"b.txt", "z"},  {"d/e/f/g", "deep"}, {"d.txt", "1"},    {"README.md", ""}};

TEST(Tree, ListsAFolderInGitsOrder) {
  TestRepo repo;
  Oid commit = repo.commit("main", kFiles);
  TreePage page = repo.open().tree_list(commit, "");
  EXPECT_EQ(paths(page), (std::vector<std::string>{"README.md", "a", "a.txt", "b-c", "b.txt", "b",
                                                   "d.txt", "d"}));
  EXPECT_FALSE(page.more);
  EXPECT_EQ(page.entries[1].size_bytes(), 1u);
  EXPECT_EQ(page.entries[1].type, EntryType::kFile);
  EXPECT_EQ(page.entries[5].type, EntryType::kDirectory);
  EXPECT_EQ(page.entries[5].mode, 040000u);
  EXPECT_EQ(page.entries[5].oid.hex(), git_output(repo.dir(), {"rev-parse", "main:b"}));
  EXPECT_EQ(paths(repo.open().tree_list(commit, "b/d")),
            (std::vector<std::string>{"b/d/e", "b/d/f"}));
  EXPECT_EQ(paths(repo.open().tree_list(commit, "b/d/")),
            (std::vector<std::string>{"b/d/e", "b/d/f"}));
  for (std::string_view none : {"none", "a", "b/none", "/b", "//b", "b//d", "../x"}) {
    EXPECT_EQ(kind_of([&] { repo.open().tree_list(commit, none); }), ErrorKind::kNotFound) << none;
  }
}

TEST(Tree, RecursiveListingHoldsFoldersBeforeTheirFiles) {
  TestRepo repo;
  Oid commit = repo.commit("main", kFiles);
  TreePage page = repo.open().tree_list(commit, "", {.recursive = true});
  std::string theirs = git_output(repo.dir(), {"ls-tree", "-r", "-t", "--name-only", "main"});
  EXPECT_EQ(join(paths(page), "\n"), theirs);
}

TEST(Tree, PagesOfEveryLengthGiveTheWholeListing) {
  TestRepo repo;
  Oid commit = repo.commit("main", kFiles);
  GitRepo open = repo.open();
  for (std::string_view folder : {"", "b"}) {
    for (bool recursive : {false, true}) {
      std::vector<std::string> whole =
          paths(open.tree_list(commit, folder, {.recursive = recursive}));
      for (size_t limit = 1; limit <= whole.size() + 1; ++limit) {
        std::vector<std::string> all;
        TreeListOptions options{.recursive = recursive, .limit = limit};
        while (true) {
          TreePage page = open.tree_list(commit, folder, options);
          for (const std::string& path : paths(page)) all.push_back(path);
          if (!page.more) break;
          ASSERT_EQ(page.entries.size(), limit);
          options.after = page.entries.back().path;
        }
        EXPECT_EQ(all, whole) << folder << " by " << limit;
      }
    }
  }
}

TEST(Tree, CursorOfAPathThatIsGoneGoesOnWhereItWas) {
  TestRepo repo;
  Oid commit = repo.commit("main", {{"a", "1"}, {"c", "2"}, {"d/x", "3"}});
  GitRepo open = repo.open();
  EXPECT_EQ(paths(open.tree_list(commit, "", {.recursive = true, .after = "b/gone"})),
            (std::vector<std::string>{"c", "d", "d/x"}));
  EXPECT_EQ(paths(open.tree_list(commit, "", {.recursive = true, .after = "z"})),
            std::vector<std::string>{});
}

TEST(Tree, EntriesOfPointersTellTheRealSize) {
  TestRepo repo;
  LfsPointer pointer{std::string(64, 'e'), 5'000'000'000};
  Oid commit = repo.commit("main", {{"big.bin", pointer.format()}, {"x/small", "abc"}});
  GitRepo open = repo.open();
  std::optional<TreeEntry> entry = open.entry(commit, "big.bin");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->pointer, pointer);
  EXPECT_EQ(entry->size_bytes(), 5'000'000'000u);
  EXPECT_EQ(entry->blob_bytes, pointer.format().size());
  EXPECT_EQ(open.entry(commit, "x")->type, EntryType::kDirectory);
  EXPECT_EQ(open.entry(commit, "x/small")->size_bytes(), 3u);
  for (std::string_view none : {"", "/", "x/", "x/none", "none/x", "big.bin/x", "/x", "x//small"}) {
    EXPECT_FALSE(open.entry(commit, none)) << none;
  }
  EXPECT_EQ(open.read_file_at(commit, "x/small", 3), "abc");
  EXPECT_EQ(open.read_file_at(commit, "x/small", 2), std::nullopt);
  EXPECT_EQ(open.read_file_at(commit, "x", 100), std::nullopt);
  EXPECT_EQ(kind_of([&] { open.read_blob(open.entry(commit, "x/small")->oid, 2); }),
            ErrorKind::kTooLarge);
  EXPECT_EQ(kind_of([&] { open.read_blob(commit); }), ErrorKind::kNotFound);
  EXPECT_EQ(open.all_files(commit).size(), 2u);
}

TEST(History, LogCountsAndPages) {
  TestRepo repo;
  std::vector<Oid> commits;
  for (int i = 0; i < 5; ++i) {
    commits.push_back(
        repo.commit("main", {{"n", std::to_string(i)}}, "Commit " + std::to_string(i)));
  }
  GitRepo open = repo.open();
  EXPECT_EQ(open.count_commits(commits[4]), 5u);
  EXPECT_EQ(open.count_commits(commits[4], {commits[1]}), 3u);
  std::vector<CommitInfo> log = open.log(commits[4], {.skip = 1, .limit = 2});
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[0].oid, commits[3]);
  EXPECT_EQ(log[1].title, "Commit 2");
  EXPECT_EQ(log[0].parents, std::vector<Oid>{commits[2]});
  EXPECT_EQ(open.log(commits[4], {.skip = 9}).size(), 0u);
  EXPECT_EQ(open.log(commits[4], {.hide = {commits[2]}}).size(), 2u);
  EXPECT_TRUE(open.is_ancestor(commits[0], commits[4]));
  EXPECT_TRUE(open.is_ancestor(commits[4], commits[4]));
  EXPECT_FALSE(open.is_ancestor(commits[4], commits[0]));
  EXPECT_EQ(kind_of([&] { open.log(Oid{}); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { open.commit_info(open.tree_of(commits[0])); }), ErrorKind::kNotFound);
}

TEST(History, LogIsInTheOrderOfPlainGit) {
  TestRepo repo;
  git_output(repo.folder(), {"init", "-q", "work"});
  fs::path work = repo.folder() / "work";
  // Merges of branches whose clocks run differently.
  std::string stream;
  auto commit = [&](std::string_view branch, int time, std::string_view merge = "") {
    stream += "commit refs/heads/" + std::string(branch) + "\ncommitter A <a@x> " +
              std::to_string(1'700'000'000 + time) + " +0000\ndata 1\nx\n" + std::string(merge) +
              "\n";
  };
  commit("main", 1);
  commit("main", 5);
  stream += "reset refs/heads/side\nfrom refs/heads/main\n\n";
  commit("side", 3);
  commit("side", 9);
  commit("main", 7);
  commit("main", 8, "merge refs/heads/side\n");
  commit("main", 8);
  git_output(work, {"fast-import", "--quiet"}, stream);
  git_output(work, {"push", "-q", repo.dir().string(), "main"});
  std::string ours;
  Oid head = *repo.open().read_ref("refs/heads/main");
  for (const CommitInfo& info : repo.open().log(head)) ours += info.oid.hex() + "\n";
  EXPECT_EQ(ours, git_output(repo.dir(), {"rev-list", "main"}) + "\n");
  EXPECT_EQ(repo.open().log(head).size(), 7u);
}

TEST(History, MessagesAreTakenApart) {
  TestRepo repo;
  Oid commit =
      repo.commit("main", {{"a", "1"}}, "  A title\nover two lines\n\n\nThe body.\n\nMore.\n");
  CommitInfo info = repo.open().commit_info(commit);
  EXPECT_EQ(info.title, "A title over two lines");
  EXPECT_EQ(info.body, "The body.\n\nMore.");
  EXPECT_EQ(info.author.name, "Alice");
  EXPECT_EQ(info.author.time_ms, 1'700'000'000'000);
}

/// As `git diff-tree --raw` says it.
std::string raw_line(const PathChange& change) {
  char status = change.kind == ChangeKind::kAdded     ? 'A'
                : change.kind == ChangeKind::kDeleted ? 'D'
                                                      : 'M';
  return fmt::format(":{:06o} {:06o} {} {} {}\t{}", change.old_mode, change.new_mode,
                     change.old_oid.hex(), change.new_oid.hex(), status, change.path);
}

TEST(History, ChangedPathsAreThoseThatGitTells) {
  TestFolder folder;
  git_output(folder.path(), {"init", "-q", "work"});
  fs::path work = folder.path() / "work";
  std::mt19937 random(std::random_device{}());
  // Names that are files in one tree and folders in another, and that sort around a '/'.
  const std::vector<std::string> names = {"a",    "a.b", "a-b",   "a/b", "a/b/c",
                                          "a0/x", "b/a", "b/a/z", "c",   "c/d/e/f"};
  const std::vector<std::string> modes = {"100644", "100755", "120000", "160000"};
  std::vector<std::string> blobs;
  for (const char* text : {"1", "2"}) {
    blobs.push_back(std::string(trim(plain_git(work, {"hash-object", "-w", "--stdin"}, text).out)));
  }
  std::vector<std::string> trees = {empty_tree_oid().hex()};
  for (int i = 0; i < 12; ++i) {
    git_output(work, {"read-tree", "--empty"});
    for (const std::string& name : names) {
      if (random() % 2 == 0) continue;
      std::string mode = modes[random() % modes.size()];
      // --replace: what stands in the way of a path goes.
      git_output(work, {"update-index", "--add", "--replace", "--cacheinfo",
                        mode + "," + blobs[random() % blobs.size()] + "," + name});
    }
    trees.push_back(git_output(work, {"write-tree"}));
  }
  GitRepo open = GitRepo::open(work / ".git");
  for (const std::string& before : trees) {
    for (const std::string& after : trees) {
      std::vector<std::string> wanted;
      std::string said = git_output(
          work, {"diff-tree", "-r", "--raw", "--full-index", "--no-renames", before, after});
      for (std::string_view line : split(said, '\n')) {
        if (line.empty()) continue;
        wanted.emplace_back(line);
        size_t tab = line.find('\t');
        if (line[tab - 1] == 'T') wanted.back()[tab - 1] = 'M';  // A link in place of a file.
      }
      std::vector<std::string> found;
      for (const auto& change : open.diff_paths(*Oid::parse(before), *Oid::parse(after))) {
        found.push_back(raw_line(change));
      }
      EXPECT_THAT(found, testing::UnorderedElementsAreArray(wanted)) << before << " " << after;
    }
  }
}

TEST(History, ModesThatGitDoesNotWriteAreReadAsGitReadsThem) {
  TestRepo repo;
  Oid commit = repo.commit("main", {{"a", "1"}});
  Oid blob = *Oid::parse(git_output(repo.dir(), {"rev-parse", "main:a"}));
  std::string tree;
  for (const char* mode : {"100664", "100777", "120755", "160755"}) {
    tree += std::string(mode) + " " + mode + '\0' + std::string(as_text(blob.bytes));
  }
  std::string hex(trim(
      plain_git(repo.dir(), {"hash-object", "-t", "tree", "-w", "--stdin", "--literally"}, tree)
          .out));
  Oid odd = *Oid::parse(git_output(repo.dir(), {"commit-tree", hex, "-m", "odd"}));
  std::vector<std::string> kinds;
  for (const TreeEntry& entry : repo.open().tree_list(odd, "").entries) {
    kinds.push_back(
        fmt::format("{} {:o} {}", entry.path, entry.mode, static_cast<int>(entry.type)));
  }
  auto kind = [](EntryType type) { return std::to_string(static_cast<int>(type)); };
  EXPECT_THAT(kinds, testing::ElementsAre("100664 100644 " + kind(EntryType::kFile),
                                          "100777 100755 " + kind(EntryType::kFile),
                                          "120755 120000 " + kind(EntryType::kSymlink),
                                          "160755 160000 " + kind(EntryType::kSubmodule)));
  std::vector<std::string> changed;
  GitRepo open = repo.open();
  for (const PathChange& change : open.diff_paths(open.tree_of(commit), open.tree_of(odd))) {
    changed.push_back(raw_line(change));
  }
  EXPECT_THAT(join(changed, "\n") + "\n",
              git_output(repo.dir(), {"diff-tree", "-r", "--raw", "--full-index", "--no-renames",
                                      "main", odd.hex()}) +
                  "\n");
  // What is counted as a file by a list is one by a comparison, too.
  EXPECT_EQ(repo.open().all_files(odd).size(), 3u);
  EXPECT_TRUE(is_file_mode(0120000) && is_file_mode(0100755));
  EXPECT_FALSE(is_file_mode(0160000) || is_file_mode(0));
}

TEST(History, ChangedPathsAreTold) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}, {"b/c", "2"}, {"same", "3"}});
  CommitBuilder builder(repo.dir(), first);
  builder.remove(RepoPath::require("a"));
  builder.put_blob(RepoPath::require("a/now/folder"), as_bytes("4"));
  builder.put_blob(RepoPath::require("b/c"), as_bytes("5"));
  Built built = builder.build(TestRepo::commit_of("x", {first}));
  builder.quarantine().migrate();
  GitRepo open = repo.open();
  std::vector<PathChange> changes = open.diff_paths(open.tree_of(first), built.tree);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].path, "a");
  EXPECT_EQ(changes[0].kind, ChangeKind::kDeleted);
  EXPECT_TRUE(changes[0].new_oid.is_zero());
  EXPECT_EQ(changes[1].path, "a/now/folder");
  EXPECT_EQ(changes[1].kind, ChangeKind::kAdded);
  EXPECT_EQ(changes[2].path, "b/c");
  EXPECT_EQ(changes[2].kind, ChangeKind::kModified);
  EXPECT_EQ(open.read_blob(changes[2].new_oid), "5");
  EXPECT_EQ(open.diff_paths(Oid{}, open.tree_of(first)).size(), 3u);
  EXPECT_EQ(open.diff_paths(open.tree_of(first), empty_tree_oid()).size(), 3u);
  EXPECT_TRUE(open.diff_paths(built.tree, built.tree).empty());

  DiffText diff = open.diff_text(open.tree_of(first), built.tree);
  EXPECT_FALSE(diff.truncated);
  EXPECT_EQ(
      diff.text,
      git_output(repo.dir(), {"diff", "--no-renames", first.hex(), built.commit->hex()}) + "\n");
  DiffText cut = open.diff_text(open.tree_of(first), built.tree, 100);
  EXPECT_TRUE(cut.truncated);
  EXPECT_LE(cut.text.size(), 100u);
  EXPECT_TRUE(diff.text.starts_with(cut.text));
}

TEST(Merge, ChangesOfBothSidesMeet) {
  TestRepo repo;
  Oid base = repo.commit("main", {{"a", "1\n2\n3\n4\n5\n"}, {"b", "b"}});
  repo.open().create_ref("refs/heads/side", base);
  Oid ours = repo.commit("main", {{"a", "one\n2\n3\n4\n5\n"}, {"new", "n"}});
  Oid theirs = repo.commit("side", {{"a", "1\n2\n3\n4\nfive\n"}, {"b", "B"}});
  EXPECT_EQ(repo.open().merge_base(ours, theirs), base);
  Quarantine quarantine(repo.dir());
  GitRepo open = GitRepo::open_with(repo.dir(), quarantine);
  Merged merged = open.merge_trees(ours, theirs);
  ASSERT_TRUE(merged.conflict_paths.empty());
  Signature who{.name = "A", .email = "a@x"};
  Oid commit = open.write_commit(merged.tree, {ours, theirs}, who, who, "Merge");
  EXPECT_FALSE(repo.open().has_object(commit));
  EXPECT_FALSE(repo.open().has_object(merged.tree));
  quarantine.migrate();
  GitRepo after = repo.open();
  ASSERT_EQ(after.update_ref_cas({"refs/heads/main", ours, commit}), RefUpdateResult::kDone);
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:a"}), "one\n2\n3\n4\nfive");
  EXPECT_EQ(git_output(repo.dir(), {"show", "main:b"}), "B");
  EXPECT_TRUE(after.fsck().empty());
  EXPECT_EQ(after.log(commit).size(), 4u);
  EXPECT_EQ(after.log(commit, {.first_parent_only = true}).size(), 3u);
}

TEST(Merge, ConflictsAreNamed) {
  TestRepo repo;
  Oid base = repo.commit("main", {{"a", "1"}, {"b", "1"}, {"c", "1"}});
  repo.open().create_ref("refs/heads/side", base);
  Oid ours = repo.commit("main", {{"a", "2"}, {"b", "2"}, {"c", "2"}});
  Oid theirs = repo.commit("side", {{"a", "3"}, {"b", "2"}, {"c", "3"}});
  Quarantine quarantine(repo.dir());
  GitRepo open = GitRepo::open_with(repo.dir(), quarantine);
  EXPECT_EQ(open.merge_trees(ours, theirs).conflict_paths, (std::vector<std::string>{"a", "c"}));
}

TEST(Merge, PointersAreNeverMixed) {
  TestRepo repo;
  auto pointer = [](char c, uint64_t size) {
    return LfsPointer{std::string(64, c), size}.format();
  };
  Oid base = repo.commit("main", {{"m.bin", pointer('a', 1)}});
  repo.open().create_ref("refs/heads/side", base);
  Oid ours = repo.commit("main", {{"m.bin", pointer('b', 1)}});
  Oid theirs = repo.commit("side", {{"m.bin", pointer('a', 2)}});
  Quarantine quarantine(repo.dir());
  GitRepo open = GitRepo::open_with(repo.dir(), quarantine);
  EXPECT_EQ(open.merge_trees(ours, theirs).conflict_paths, std::vector<std::string>{"m.bin"});
}

TEST(Care, AnOpenRepositoryThatIsUsedAgainSeesWhatOthersChanged) {
  TestRepo repo;
  std::vector<Oid> commits;
  for (int i = 0; i < 20; ++i) {
    commits.push_back(repo.commit("main", {{"f" + std::to_string(i), std::to_string(i)}}));
    // Each look leaves a handle behind that the next one takes.
    EXPECT_EQ(repo.open().ref_commit("refs/heads/main"), commits.back());
    if (i % 5 == 4) {
      git_output(repo.dir(), {"repack", "-a", "-d", "-q"});
      git_output(repo.dir(), {"prune-packed", "-q"});
      git_output(repo.dir(), {"pack-refs", "--all", "--prune"});
    }
    for (size_t k = 0; k < commits.size(); ++k) {
      EXPECT_EQ(repo.open().commit_info(commits[k]).oid, commits[k]);
      EXPECT_EQ(repo.open().tree_list(commits[k], "").entries.size(), k + 1);
    }
  }
  RepoConfig changed = repo.open().config();
  changed.name = "alice/other";
  repo.open().update_config([&] { return changed; });
  EXPECT_EQ(repo.open().config().name, "alice/other");
  git_output(repo.dir(), {"config", "hearth.name", "alice/third"});
  EXPECT_EQ(repo.open().config().name, "alice/third");
  remove_tree(repo.dir());
  EXPECT_EQ(kind_of([&] { repo.open(); }), ErrorKind::kNotFound);
}

TEST(Care, WhatAKilledChangeOfTheConfigLeftGoesWithTheNext) {
  TestRepo repo;
  // As kill -9 left them: the copy, and beside it the lock of libgit2.
  for (const char* name : {".tmp-abc", ".tmp-abc.lock"}) write_durably(repo.dir() / name, "");
  RepoConfig changed = repo.open().config();
  changed.name = "alice/other";
  repo.open().update_config([&] { return changed; });
  EXPECT_EQ(repo.open().config().name, "alice/other");
  EXPECT_FALSE(fs::exists(repo.dir() / ".tmp-abc"));
  EXPECT_FALSE(fs::exists(repo.dir() / ".tmp-abc.lock"));
}

TEST(Care, HeadNamesMain) {
  TestRepo repo;
  EXPECT_TRUE(repo.open().head_is_main());
  for (const char* text : {"ref: refs/heads/mair\n", "sef: refs/heads/main\n", ""}) {
    write_durably(repo.dir() / "HEAD", text);
    GitRepo open = repo.open();
    EXPECT_FALSE(open.head_is_main()) << text;
    open.point_head_to_main();
    EXPECT_TRUE(open.head_is_main());
  }
  EXPECT_EQ(git_output(repo.dir(), {"symbolic-ref", "HEAD"}), "refs/heads/main");
}

TEST(Care, DamageIsFound) {
  TestRepo repo;
  // Bytes of this test alone, asked of git itself: what a list has seen once it does not read
  // again.
  Oid commit = repo.commit("main", {{"a", "damaged before anyone has looked at it"}});
  std::string blob(trim(git_output(repo.dir(), {"rev-parse", commit.hex() + ":a"})));
  fs::remove(repo.dir() / "objects" / blob.substr(0, 2) / blob.substr(2));
  EXPECT_FALSE(repo.open().fsck().empty());
  EXPECT_EQ(kind_of([&] { repo.open().tree_list(commit, ""); }), ErrorKind::kCorrupt);
}

TEST(Care, WhatIsMissingIsFoundAlsoWhenListsRememberIt) {
  TestRepo repo;
  Oid commit = repo.commit("main", {{"a", "listed before it was damaged"}});
  Oid blob = repo.open().tree_list(commit, "").entries.at(0).oid;
  fs::remove(repo.dir() / "objects" / blob.hex().substr(0, 2) / blob.hex().substr(2));
  EXPECT_EQ(repo.open().tree_list(commit, "").entries.at(0).blob_bytes, 28);
  EXPECT_FALSE(repo.open().fsck().empty());
  EXPECT_EQ(kind_of([&] { repo.open().read_blob(blob, 100); }), ErrorKind::kNotFound);
}

TEST(Care, FlippedBitInAnObjectIsFoundWhenItIsRead) {
  TestRepo repo;
  Oid commit = repo.commit("main", {{"a", std::string(500, 'x')}});
  Oid blob = repo.open().entry(commit, "a")->oid;
  fs::path file = repo.dir() / "objects" / blob.hex().substr(0, 2) / blob.hex().substr(2);
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::permissions(file, fs::perms::owner_all);
  write_durably(file, bytes);
  EXPECT_EQ(kind_of([&] { repo.open().read_blob(blob); }), ErrorKind::kCorrupt);
}

TEST(Care, ManyLooseObjectsArePacked) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"n", "1"}});
  repo.open().maintain();
  EXPECT_TRUE(fs::is_empty(repo.dir() / "objects/pack"));
  // maintain() looks at one of the 256 folders, as git does; these stand for thousands.
  fs::create_directories(repo.dir() / "objects/17");
  for (int i = 0; i < 30; ++i) {
    write_durably(repo.dir() / "objects/17" / ("rubbish" + std::to_string(i)), "");
  }
  Oid loose = *Oid::parse(git_output(repo.dir(), {"hash-object", "-w", "--stdin"}, "unreachable"));
  repo.open().maintain();
  EXPECT_FALSE(fs::is_empty(repo.dir() / "objects/pack"));
  EXPECT_EQ(repo.open().log(head).size(), 1u);
  EXPECT_TRUE(repo.open().has_object(loose));  // it may be part of a write that has no ref yet
}

TEST(Care, ManyPacksBecomeOne) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"n", "1"}});
  auto pack = [&](const std::string& objects) {
    return git_output(repo.dir(), {"pack-objects", "-q", "objects/pack/pack"}, objects);
  };
  std::string kept;
  std::vector<Oid> unreachable;
  for (int i = 0; i <= 50; ++i) {
    std::string content = "unreachable " + std::to_string(i);
    std::string blob = git_output(repo.dir(), {"hash-object", "-w", "--stdin"}, content);
    std::string name = pack(blob + "\n");
    if (i == 0) kept = name;
    unreachable.push_back(*Oid::parse(blob));
  }
  git_output(repo.dir(), {"prune-packed"});
  write_durably(repo.dir() / "objects/pack" / ("pack-" + kept + ".keep"), "");
  repo.open().maintain();
  std::vector<std::string> packs;
  for (const auto& file : fs::directory_iterator(repo.dir() / "objects/pack")) {
    if (file.path().extension() == ".pack") packs.push_back(file.path().stem());
  }
  EXPECT_EQ(packs.size(), 2u);
  EXPECT_THAT(packs, testing::Contains("pack-" + kept));
  for (const Oid& oid : unreachable) EXPECT_TRUE(repo.open().has_object(oid));
  EXPECT_EQ(repo.open().log(head).size(), 1u);
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(Care, ManyRefsArePacked) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"n", "1"}});
  for (int i = 1; i <= 501; ++i) {
    fs::path path = repo.dir() / "refs/pr" / std::to_string(i);
    make_dirs(path.parent_path());
    write_durably(path, head.hex() + "\n");
  }
  repo.open().maintain();
  EXPECT_FALSE(fs::exists(repo.dir() / "refs/pr/7"));
  GitRepo open = repo.open();
  EXPECT_EQ(open.refs().pull_requests.size(), 501u);
  open.delete_ref("refs/pr/7");
  EXPECT_EQ(open.refs().pull_requests.size(), 500u);
}

TEST(Care, DeletionAndPackingOfRefsMeetSafely) {
  // Packing in a loop beside creations and deletions: what was deleted stays deleted, and what was
  // made stays.
  TestRepo repo;
  Oid head = repo.commit("main", {{"n", "1"}});
  std::jthread packer([&](std::stop_token done) {
    while (!done.stop_requested()) repo.open().pack_refs();
  });
  for (int i = 0; i < 60; ++i) {
    GitRepo open = repo.open();
    std::string ref = "refs/heads/dir/x" + std::to_string(i % 3);
    open.create_ref(ref, head);
    EXPECT_EQ(open.read_ref(ref), head);
    open.delete_ref(ref);
    EXPECT_EQ(open.read_ref(ref), std::nullopt);
  }
  packer.request_stop();
  packer.join();
  EXPECT_EQ(git_output(repo.dir(), {"for-each-ref", "--format=%(refname)"}), "refs/heads/main");
}

}  // namespace
}  // namespace hearth::git
