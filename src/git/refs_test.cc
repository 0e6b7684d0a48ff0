#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error_of.h"
#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

TEST(GitRepo, NewRepositoryIsOneThatPlainGitReads) {
  TestRepo repo;
  EXPECT_EQ(git_output(repo.dir(), {"rev-parse", "--is-bare-repository"}), "true");
  EXPECT_EQ(git_output(repo.dir(), {"symbolic-ref", "HEAD"}), "refs/heads/main");
  EXPECT_EQ(git_output(repo.dir(), {"config", "hearth.name"}), "alice/tiny");
  EXPECT_EQ(repo.open().config(), TestRepo::kConfig);
  EXPECT_EQ(join(repo.open().fsck(), "; "), "");
  EXPECT_EQ(kind_of([&] { GitRepo::init(repo.dir(), TestRepo::kConfig); }), ErrorKind::kConflict);
  EXPECT_EQ(kind_of([&] { GitRepo::open(repo.folder() / "none.git"); }), ErrorKind::kNotFound);
}

TEST(GitRepo, ConfigurationChangesAndKeepsWhatTheOperatorAdded) {
  TestRepo repo;
  git_output(repo.dir(), {"config", "alice.note", "mine"});
  RepoConfig config = TestRepo::kConfig;
  config.name = "bob/other \"x\" \\ y";
  config.owner = "u2";
  GitRepo open = repo.open();
  open.update_config([&] { return config; });
  EXPECT_EQ(open.config(), config);
  EXPECT_EQ(repo.open().config(), config);
  EXPECT_EQ(git_output(repo.dir(), {"config", "alice.note"}), "mine");
  EXPECT_EQ(git_output(repo.dir(), {"config", "hearth.name"}), config.name);
}

TEST(Refs, AreListedByKindAndPeeled) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  GitRepo open = repo.open();
  Signature who{.name = "Alice", .email = "a@example", .time_ms = 1'700'000'000'000};
  Oid tag = open.write_tag_object("v1", first, who, "First\n\nbody");
  open.create_ref("refs/tags/v1", tag);
  open.create_ref("refs/tags/light", second);
  open.create_ref("refs/pr/3", second);
  open.create_ref("refs/convert/parquet", first);
  open.create_ref("refs/heads/feat/x", first);
  RefList refs = open.refs();
  ASSERT_EQ(refs.branches.size(), 2u);
  EXPECT_EQ(refs.branches[0].name, "feat/x");
  EXPECT_EQ(refs.branches[1].full_name, "refs/heads/main");
  EXPECT_EQ(refs.branches[1].commit, second);
  ASSERT_EQ(refs.tags.size(), 2u);
  EXPECT_EQ(refs.tags[1].name, "v1");
  EXPECT_EQ(refs.tags[1].target, tag);
  EXPECT_EQ(refs.tags[1].commit, first);
  ASSERT_EQ(refs.pull_requests.size(), 1u);
  EXPECT_EQ(refs.pull_requests[0].name, "3");
  ASSERT_EQ(refs.converts.size(), 1u);
  EXPECT_EQ(git_output(repo.dir(), {"for-each-ref", "--format=%(taggername) %(contents:subject)",
                                    "refs/tags/v1"}),
            "Alice First");
  EXPECT_TRUE(open.fsck().empty());
}

TEST(Refs, RevisionsAreFoundInTheOrderOfTheApi) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  Oid third = repo.commit("main", {{"a", "3"}});
  GitRepo open = repo.open();
  open.create_ref("refs/heads/both", first);
  open.create_ref("refs/tags/both", second);
  open.create_ref("refs/pr/1", second);
  // A branch that looks like an abbreviation of another commit wins over it.
  open.create_ref(std::string(kBranchPrefix) + third.hex().substr(0, 8), first);
  EXPECT_EQ(open.resolve_revision(first.hex())->commit, first);
  EXPECT_EQ(open.resolve_revision(first.hex())->ref, "");
  EXPECT_EQ(open.resolve_revision("main")->ref, "refs/heads/main");
  EXPECT_EQ(open.resolve_revision("both")->ref, "refs/heads/both");
  EXPECT_EQ(open.resolve_revision("refs/tags/both")->commit, second);
  EXPECT_EQ(open.resolve_revision("refs/pr/1")->commit, second);
  EXPECT_EQ(open.resolve_revision("HEAD")->ref, "refs/heads/main");
  EXPECT_EQ(open.resolve_revision(second.hex().substr(0, 7))->commit, second);
  EXPECT_EQ(open.resolve_revision(second.hex().substr(0, 39))->commit, second);
  EXPECT_EQ(open.resolve_revision(third.hex().substr(0, 8))->commit, first);
  for (std::string_view text : std::initializer_list<std::string_view>{
           "", "nope", "refs/heads/nope", "refs/pr/2", "0000000", "../main", "main^", "main~1",
           "main:a", "@", "HEAD~1", "refs/../HEAD", "heads/main", "a b", "\n", "-x"}) {
    EXPECT_FALSE(open.resolve_revision(text)) << text;
  }
  EXPECT_FALSE(open.resolve_revision(second.hex().substr(0, 6)));
  EXPECT_FALSE(open.resolve_revision(std::string(40, '0')));
  // The id of a tree or a blob is no revision.
  EXPECT_FALSE(open.resolve_revision(open.tree_of(first).hex()));
  try {
    open.require_revision("xyz");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "RevisionNotFound");
    EXPECT_EQ(error.message(), "Invalid rev id: xyz");
  }
}

TEST(Refs, HeadOfAnEmptyRepositoryIsNoRevision) {
  TestRepo repo;
  EXPECT_FALSE(repo.open().resolve_revision("HEAD"));
  EXPECT_FALSE(repo.open().resolve_revision("main"));
}

TEST(Refs, ChangeOnlyFromTheExpectedValue) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  GitRepo open = repo.open();
  const std::string ref = "refs/heads/x";
  EXPECT_EQ(open.update_ref_cas({ref, first, second}), RefUpdateResult::kChangedMeanwhile);
  EXPECT_EQ(open.update_ref_cas({ref, std::nullopt, first}), RefUpdateResult::kDone);
  EXPECT_EQ(open.update_ref_cas({ref, std::nullopt, second}), RefUpdateResult::kChangedMeanwhile);
  EXPECT_EQ(open.update_ref_cas({ref, second, first}), RefUpdateResult::kChangedMeanwhile);
  EXPECT_EQ(open.update_ref_cas({ref, first, second}), RefUpdateResult::kDone);
  EXPECT_EQ(open.update_ref_cas({ref, first, std::nullopt}), RefUpdateResult::kChangedMeanwhile);
  EXPECT_EQ(open.read_ref(ref), second);
  EXPECT_EQ(open.update_ref_cas({ref, second, std::nullopt}), RefUpdateResult::kDone);
  EXPECT_EQ(open.read_ref(ref), std::nullopt);
  EXPECT_EQ(kind_of([&] { open.delete_ref(ref); }), ErrorKind::kNotFound);
  open.create_ref(ref, first);
  EXPECT_EQ(kind_of([&] { open.create_ref(ref, first); }), ErrorKind::kConflict);
}

TEST(Refs, PackedRefsAreChangedAndDeletedToo) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  GitRepo open = repo.open();
  Signature who{.name = "A", .email = "a@x"};
  open.create_ref("refs/tags/annotated", open.write_tag_object("annotated", first, who, "m"));
  open.create_ref("refs/tags/z", first);
  open.create_ref("refs/heads/dir/x", first);
  git_output(repo.dir(), {"pack-refs", "--all", "--prune"});
  EXPECT_EQ(open.update_ref_cas({"refs/heads/dir/x", first, second}), RefUpdateResult::kDone);
  EXPECT_EQ(open.read_ref("refs/heads/dir/x"), second);
  open.delete_ref("refs/heads/dir/x");
  EXPECT_EQ(open.read_ref("refs/heads/dir/x"), std::nullopt);
  open.delete_ref("refs/tags/annotated");
  EXPECT_EQ(git_output(repo.dir(), {"for-each-ref", "--format=%(refname)"}),
            "refs/heads/main\nrefs/tags/z");
  EXPECT_FALSE(fs::exists(repo.dir() / "refs/heads/dir"));
  EXPECT_TRUE(open.fsck().empty());
}

TEST(Refs, NamesThatClashAreRefused) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  GitRepo open = repo.open();
  open.create_ref("refs/heads/a/b", first);
  EXPECT_EQ(kind_of([&] { open.create_ref("refs/heads/a", first); }), ErrorKind::kConflict);
  EXPECT_EQ(kind_of([&] { open.create_ref("refs/heads/a/b/c", first); }), ErrorKind::kConflict);
  git_output(repo.dir(), {"pack-refs", "--all", "--prune"});
  EXPECT_EQ(kind_of([&] { open.create_ref("refs/heads/a", first); }), ErrorKind::kConflict);
  EXPECT_EQ(kind_of([&] { open.create_ref("refs/heads/a/b/c", first); }), ErrorKind::kConflict);
  open.delete_ref("refs/heads/a/b");
  fs::create_directories(repo.dir() / "refs/heads/a/empty/below");
  open.create_ref("refs/heads/a", first);
  EXPECT_EQ(open.read_ref("refs/heads/a"), first);
  for (std::string_view name : {"refs/heads/x..y", "HEAD", "refs/notes/x", "refs/heads/../../x"}) {
    EXPECT_EQ(kind_of([&] { open.create_ref(std::string(name), first); }), ErrorKind::kInvalid);
  }
}

TEST(Refs, LockOfADeadProcessDoesNotStayForEver) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  // What a process leaves that is killed between locking and unlocking.
  fs::create_hard_link(repo.dir() / "hearth-refs.lock", repo.dir() / "refs/heads/main.lock");
  GitRepo open = repo.open();
  EXPECT_EQ(open.update_ref_cas({"refs/heads/main", second, first}), RefUpdateResult::kDone);
  EXPECT_FALSE(fs::exists(repo.dir() / "refs/heads/main.lock"));
}

TEST(Refs, LockOfPlainGitIsWaitedFor) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  Oid second = repo.commit("main", {{"a", "2"}});
  fs::path lock = repo.dir() / "refs/heads/main.lock";
  write_durably(lock, "");
  RefUpdateResult result = RefUpdateResult::kChangedMeanwhile;
  std::thread writer(
      [&] { result = repo.open().update_ref_cas({"refs/heads/main", second, first}); });
  EXPECT_EQ(repo.open().read_ref("refs/heads/main"), second);
  fs::remove(lock);
  writer.join();
  EXPECT_EQ(result, RefUpdateResult::kDone);
}

TEST(Refs, TwoProcessesNeverLoseAnUpdate) {
  // Each child moves the ref from commit to commit along a chain of its own making: it reads, and
  // swaps what it read for the next of 40 commits. Every success must be seen in order.
  TestRepo repo;
  std::vector<Oid> chain;
  for (int i = 0; i < 41; ++i) chain.push_back(repo.commit("chain", {{"n", std::to_string(i)}}));
  repo.open().create_ref("refs/heads/x", chain[0]);
  auto run = [&](const fs::path& record) {
    GitRepo open = repo.open();
    std::string wins;
    while (true) {
      Oid now = *open.read_ref("refs/heads/x");
      size_t at = static_cast<size_t>(std::find(chain.begin(), chain.end(), now) - chain.begin());
      if (at + 1 == chain.size()) break;
      RefUpdate update{"refs/heads/x", now, chain[at + 1]};
      if (open.update_ref_cas(update) == RefUpdateResult::kDone) wins += std::to_string(at) + "\n";
    }
    write_durably(record, wins);
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      run(repo.folder() / ("record" + std::to_string(i)));
      ::_exit(0);
    }
    children.push_back(pid);
  }
  std::vector<int> wins;
  for (size_t i = 0; i < children.size(); ++i) {
    int status = 0;
    ASSERT_EQ(::waitpid(children[i], &status, 0), children[i]);
    ASSERT_EQ(status, 0);
    std::string text = read_file(repo.folder() / ("record" + std::to_string(i)));
    for (std::string_view line : split(text, '\n')) {
      if (!line.empty()) wins.push_back(std::stoi(std::string(line)));
    }
  }
  std::sort(wins.begin(), wins.end());
  ASSERT_EQ(wins.size(), 40u);  // each step taken once, by one of them
  for (int i = 0; i < 40; ++i) EXPECT_EQ(wins[static_cast<size_t>(i)], i);
}

TEST(Refs, TwoProcessesCannotBothCreateOne) {
  TestRepo repo;
  Oid first = repo.commit("main", {{"a", "1"}});
  for (int round = 0; round < 10; ++round) {
    std::string ref = "refs/heads/new" + std::to_string(round);
    std::vector<pid_t> children;
    for (int i = 0; i < 3; ++i) {
      pid_t pid = ::fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) {
        RefUpdateResult result = repo.open().update_ref_cas({ref, std::nullopt, first});
        ::_exit(result == RefUpdateResult::kDone ? 7 : 0);
      }
      children.push_back(pid);
    }
    int winners = 0;
    for (pid_t pid : children) {
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      ASSERT_TRUE(WIFEXITED(status));
      if (WEXITSTATUS(status) == 7) ++winners;
    }
    EXPECT_EQ(winners, 1);
  }
}

}  // namespace
}  // namespace hearth::git
