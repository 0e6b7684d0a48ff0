// Kills a process at each durable step of what changes repositories, and looks at what is left.

#include <cstdlib>

#include <fcntl.h>

#include "base/process.h"
#include "git/test_repo.h"
#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

constexpr const char* kFolder = "HEARTH_CRASH_TEST_FOLDER";

std::unique_ptr<db::Database> open_database(const fs::path& folder) {
  return db::Database::open("sqlite:" + (folder / "hearth.db").string());
}

Identity identity_of(TestHub& hub, const std::string& name) {
  auto user = hub.accounts.find_user(name);
  Identity identity;
  identity.user_id = user->id;
  identity.name = user->name;
  identity.credential.kind = CredentialKind::kWriteToken;
  return identity;
}

/// What the victim does. Each step is acknowledged by a line in a file beside the database.
void work(TestHub& hub, const fs::path& folder) {
  auto acknowledge = [&](const std::string& what) {
    Fd fd(::open((folder / "acknowledged").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644));
    write_all(fd, as_bytes(what + "\n"));
  };
  Identity alice = identity_of(hub, "alice");
  Repo repo = *hub.parts.repositories.list().begin();
  auto commit = [&](Commits::Target target, const std::string& path) {
    auto draft = hub.parts.commits.begin(hub.by(alice), repo, target, {"Add " + path});
    draft.put(path, path);
    draft.commit();
    acknowledge(path);
  };
  commit({"main"}, "a.txt");
  commit({"main", true}, "pr.txt");
  hub.parts.community.merge(hub.by(alice), repo, 1, "");
  acknowledge("merged");
  hub.parts.repositories.create(hub.by(alice), {.repo_id = *RepoId::parse("alice/second")});
  acknowledge("created");
  hub.parts.repositories.duplicate(hub.by(alice), repo, {.repo_id = *RepoId::parse("alice/copy")});
  acknowledge("copied");
  hub.parts.repositories.move(hub.by(alice), repo, *RepoId::parse("alice/moved"));
  acknowledge("moved");
}

TEST(Crash, DISABLED_VictimOfTheTestBelow) {
  const char* folder = std::getenv(kFolder);
  ASSERT_NE(folder, nullptr) << "runs as a child only";
  auto database = open_database(folder);
  TestHub hub(*database, folder);
  work(hub, folder);
}

int run_victim(const fs::path& folder, const std::string& failpoints) {
  ChildOptions options;
  options.argv = {fs::read_symlink("/proc/self/exe").string(),
                  "--gtest_filter=Crash.DISABLED_VictimOfTheTestBelow",
                  "--gtest_also_run_disabled_tests"};
  options.environment = {{kFolder, folder.string()}, {"HEARTH_FAILPOINTS", failpoints}};
  return run_child(options).status;
}

TEST(Crash, KilledAtAnyStepNothingAcknowledgedIsLostAndNoHalfIsSeen) {
  git::TestFolder base;
  {
    auto database = open_database(base.path());
    database->migrate();
    TestHub hub(*database, base.path());
    hub.add_people();
    hub.create("alice/tiny");
  }
  bool finished = false;
  // Every third step, from another one each time, keeps this under ten seconds.
  for (int step = 1 + static_cast<int>(random_bytes(1)[0] % 3); !finished; step += 3) {
    SCOPED_TRACE("crash@" + std::to_string(step));
    git::TestFolder copy;
    fs::path folder = copy.path() / "data";
    fs::copy(base.path(), folder, fs::copy_options::recursive);
    int status = run_victim(folder, "crash@" + std::to_string(step));
    finished = status == 0;
    ASSERT_TRUE(finished || status == 128 + 9) << status;
    ASSERT_LT(step, 1000);

    std::string acknowledged =
        fs::exists(folder / "acknowledged") ? read_file(folder / "acknowledged") : "";
    auto was = [&](const std::string& what) {
      return acknowledged.find(what + "\n") != std::string::npos;
    };
    auto database = open_database(folder);
    TestHub hub(*database, folder);
    hub.parts.repositories.catch_up();
    hub.run_tasks();
    for (const std::string& problem : hub.parts.repositories.verify().problems) {
      ADD_FAILURE() << problem;
    }
    for (const auto& shelf : fs::directory_iterator(folder / "git")) {
      for (const auto& entry : fs::directory_iterator(shelf.path())) {
        EXPECT_EQ(entry.path().extension(), ".git") << "left over: " << entry.path();
      }
    }
    auto found = hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("alice/tiny"));
    ASSERT_TRUE(found);
    if (was("moved")) EXPECT_TRUE(found->moved);
    if (was("a.txt")) EXPECT_EQ(hub.text(found->repo, "a.txt"), "a.txt");
    auto pull_requests = hub.parts.contents.refs(found->repo).pull_requests;
    auto list = hub.parts.community.list(found->repo, {});
    EXPECT_EQ(list["count"].as_int64(), static_cast<int64_t>(pull_requests.size()));
    if (was("pr.txt")) EXPECT_EQ(hub.text(found->repo, "pr.txt", "refs/pr/1"), "pr.txt");
    bool merged = hub.text(found->repo, "pr.txt").has_value();
    if (was("merged")) EXPECT_TRUE(merged);
    if (!pull_requests.empty()) {
      EXPECT_EQ(hub.parts.community.details(found->repo, 1, {})["status"],
                merged ? "merged" : "open");
    }
    if (was("created")) {
      EXPECT_TRUE(hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("alice/second")));
    }
    if (was("copied")) {
      auto copy = hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("alice/copy"));
      ASSERT_TRUE(copy);
      EXPECT_EQ(hub.text(copy->repo, "pr.txt"), "pr.txt");
    }
    // Life goes on.
    Identity alice = identity_of(hub, "alice");
    auto draft = hub.parts.commits.begin(hub.by(alice), found->repo, {"main"}, {"after"});
    draft.put("after.txt", "x");
    draft.commit();
    EXPECT_EQ(hub.text(found->repo, "after.txt"), "x");
  }
}

}  // namespace
}  // namespace hearth::hub
