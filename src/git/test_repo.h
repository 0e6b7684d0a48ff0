#pragma once
// A folder for one test, and plain git to compare with. Tests only.

#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "base/process.h"
#include "base/text.h"
#include "git/git.h"

namespace hearth::git {

/// Removed with the object.
class TestFolder {
 public:
  TestFolder() : path_(base() / ("hearth-git-test-" + random_alphanumeric(10))) {
    fs::create_directories(path_);
  }
  ~TestFolder() { remove_tree(path_); }
  const fs::path& path() const { return path_; }

 private:
  /// In memory where that is possible: thousands of flushes of a disk are most of these tests'
  /// time.
  static fs::path base() {
    std::error_code error;
    fs::path memory = "/dev/shm";
    bool usable = fs::space(memory, error).available > (uint64_t{1} << 30) && !error;
    return usable ? memory : fs::temp_directory_path();
  }
  fs::path path_;
};

/// Plain git as a person's machine has it: no settings of the machine, an identity.
inline ChildResult plain_git(const fs::path& dir, std::vector<std::string> arguments,
                             std::string_view input = {}) {
  ChildOptions options;
  options.argv = {"git",
                  "-c",
                  "user.name=Tester",
                  "-c",
                  "user.email=t@example",
                  "-c",
                  "init.defaultBranch=main",
                  "-c",
                  "protocol.file.allow=always"};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = {{"GIT_CONFIG_NOSYSTEM", "1"},
                         {"GIT_CONFIG_GLOBAL", "/dev/null"},
                         {"HOME", dir.string()},
                         {"GIT_CONFIG_COUNT", "1"},
                         {"GIT_CONFIG_KEY_0", "safe.directory"},
                         {"GIT_CONFIG_VALUE_0", "*"}};
  options.working_dir = dir.string();
  return run_child(options, input);
}

/// Its output without the last line feed; the test fails when git does.
inline std::string git_output(const fs::path& dir, std::vector<std::string> arguments,
                              std::string_view input = {}) {
  ChildResult result = plain_git(dir, arguments, input);
  EXPECT_EQ(result.status, 0) << join(arguments, " ") << ": " << result.err;
  while (result.out.ends_with('\n')) result.out.pop_back();
  return result.out;
}

/// An empty bare repository.
class TestRepo {
 public:
  TestRepo() : dir_(folder_.path() / "repo.git") { GitRepo::init(dir_, kConfig); }

  const fs::path& dir() const { return dir_; }
  const fs::path& folder() const { return folder_.path(); }
  GitRepo open() const { return GitRepo::open(dir_); }

  static CommitBuilder::Commit commit_of(std::string message, std::vector<Oid> parents) {
    Signature who{.name = "Alice", .email = "alice@example", .time_ms = 1'700'000'000'000};
    return {.author = who,
            .committer = who,
            .message = std::move(message),
            .parents = std::move(parents),
            .allow_empty = false};
  }

  /// Commits files onto a branch, as the hub does.
  Oid commit(const std::string& branch,
             const std::vector<std::pair<std::string, std::string>>& files,
             const std::string& message = "Change") {
    std::string ref = std::string(kBranchPrefix) + branch;
    std::optional<Oid> head = open().read_ref(ref);
    CommitBuilder builder(dir_, head);
    for (const auto& [path, content] : files) {
      builder.put_blob(RepoPath::require(path), as_bytes(content));
    }
    std::vector<Oid> parents;
    if (head) parents.push_back(*head);
    Built built = builder.build(commit_of(message, parents));
    EXPECT_TRUE(built.commit.has_value());
    builder.quarantine().migrate();
    GitRepo repo = open();
    EXPECT_EQ(repo.update_ref_cas({ref, head, built.commit}), RefUpdateResult::kDone);
    return *built.commit;
  }

  static inline const RepoConfig kConfig = {
      .repo_id = "0123456789abcdef01234567", .type = "model", .name = "alice/tiny", .owner = "u1"};

 private:
  TestFolder folder_;
  fs::path dir_;
};

}  // namespace hearth::git
