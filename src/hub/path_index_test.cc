#include <random>

#include "git/test_repo.h"
#include "hub/git_dir.h"
#include "hub/hub_test_data.h"
#include "hub/path_index_store.h"

namespace hearth::hub {
namespace {

/// What plain git says.
LastCommits by_git(const fs::path& dir, const std::vector<std::string>& paths) {
  LastCommits found;
  for (const std::string& path : paths) {
    found[path].oid =
        git::git_output(dir, {"log", "-1", "--format=%H", "refs/heads/main", "--", path});
  }
  return found;
}

std::string told(const LastCommits& commits) {
  std::string text;
  for (const auto& [path, last] : commits) text += path + " " + last.oid + "\n";
  return text;
}

/// A merge request's worth of random work: commits on main, and on a pull request that is merged.
class History {
 public:
  History(TestHub& hub, const Repo& repo, unsigned seed) : hub_(hub), repo_(repo), random_(seed) {}

  void step() {
    if (next(4) != 0) {
      commit({"main"});
      return;
    }
    auto opened = commit({"main", true});
    std::string ref = "refs/pr/" + std::to_string(*opened.pull_request);
    for (unsigned i = next(3); i > 0; --i) commit({"main"});
    for (unsigned i = next(3); i > 0; --i) commit({ref});
    try {
      hub_.parts.community.merge(hub_.by(hub_.alice), repo_, *opened.pull_request, "");
      ++merged_count;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kConflict) throw;
    }
  }

  int merged_count = 0;

 private:
  unsigned next(unsigned below) { return static_cast<unsigned>(random_() % below); }

  CommitResult commit(const Commits::Target& target) {
    auto files = hub_.paths(repo_, target.revision);
    std::string path = (next(2) == 0 ? "d" + std::to_string(next(3)) + "/" : "") +
                       std::string(next(3) == 0 ? "s/" : "") + "f" + std::to_string(next(4));
    bool there = std::find(files.begin(), files.end(), path) != files.end();
    return hub_.commit(
        repo_,
        [&](CommitDraft& draft) {
          if (there && next(3) == 0) {
            draft.delete_file(path);
          } else {
            draft.put(path, std::to_string(next(3)));
          }
          draft.put("n" + std::to_string(count_++), "");  // Never the same tree twice.
        },
        {"work"}, target);
  }

  TestHub& hub_;
  Repo repo_;
  std::mt19937 random_;
  int count_ = 0;
};

TEST(PathIndex, SaysWhatGitLogSays) {
  unsigned seed = static_cast<unsigned>(random_bytes(1)[0]);
  SCOPED_TRACE("seed " + std::to_string(seed));
  db::TestDatabase database(db::Engine::kSqlite);
  TestHub hub(database);
  Repo repo = hub.create("alice/tiny");
  fs::path dir = hub.parts.repositories.git_dir(repo);
  History history(hub, repo, seed);
  for (int i = 0; i < 500 && history.merged_count == 0; ++i) history.step();
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 5; ++i) history.step();
    std::vector<std::string> paths;
    TreeRequest request{.recursive = true};
    auto main = hub.parts.contents.resolve(repo, "main");
    for (const TreeEntry& entry : hub.parts.contents.tree(repo, main, request, "main").entries) {
      paths.push_back(entry.path + (entry.type == EntryType::kDirectory ? "/" : ""));
    }
    git::GitRepo git = git::GitRepo::open(dir);
    std::string expected = told(by_git(dir, paths));
    auto indexed = hub.parts.path_index.last_commits(repo, git, main.commit_oid, paths);
    EXPECT_EQ(told(indexed), expected) << "round " << round;
    auto anew = hub.parts.path_index.work_out(git, "", main.commit_oid);
    EXPECT_EQ(told(anew.changed), expected) << "round " << round;
  }
  EXPECT_GT(history.merged_count, 0);
  EXPECT_EQ(hub.problems(), "");
}

}  // namespace
}  // namespace hearth::hub
