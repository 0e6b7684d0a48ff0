// Kills a process at each durable step of uploads, and looks at what is left; and fails the disk.
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/process.h"
#include "xet/xet.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::hash_of;
using testing::text_of;
using testing::vector_file;
using testing::vector_input;

constexpr const char* kFolder = "HEARTH_XET_CRASH_FOLDER";
const Caller kAlice{.user_id = "alice", .repo_id = "repo-a"};

struct Parts {
  explicit Parts(const fs::path& folder)
      : database(db::Database::open("sqlite:" + (folder / "hearth.db").string())),
        blobs(folder),
        store(*database, blobs, system_clock(),
              {.data_dir = folder, .secret = std::string(32, 's')}) {}

  std::unique_ptr<db::Database> database;
  blob::BlobStore blobs;
  XetStore store;
};

std::string sha256_name(const std::string& name) {
  return text_of(expected().at(name).as_object().at("sha256"));
}

void upload_vector(XetStore& store, const std::string& name) {
  const json::object& xorb = expected().at(name).as_object().at("xorb").as_object();
  XorbUpload upload = store.begin_xorb(hash_of(xorb.at("hash")), kAlice);
  upload.write(vector_file(name + ".xorb"));
  upload.commit();
  ShardRegistration shard = store.begin_shard(vector_file(name + ".shard"), kAlice, {});
  while (!shard.step()) {
  }
}

/// What the victim does; each thing that a client would have been told is noted.
void work(const fs::path& folder) {
  Parts parts(folder);
  auto acknowledge = [&](const std::string& sha256) {
    Fd fd(::open((folder / "acknowledged").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644));
    write_all(fd, as_bytes(sha256 + "\n"));
  };
  upload_vector(parts.store, "v1");
  acknowledge(sha256_name("v1"));
  upload_vector(parts.store, "v2");
  acknowledge(sha256_name("v2"));
  Bytes whole = vector_input("v3");
  std::string sha256 = parts.blobs.put(as_text(whole));
  parts.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = whole.size()});
  acknowledge(sha256);
  parts.store.ingest("repo-a", sha256, {.drop_whole = true});
  upload_vector(parts.store, "v3");
}

TEST(XetCrash, DISABLED_VictimOfTheTestsBelow) {
  const char* folder = std::getenv(kFolder);
  ASSERT_NE(folder, nullptr) << "runs as a child only";
  work(folder);
}

int run_victim(const fs::path& folder, const std::string& failpoints) {
  ChildOptions options;
  options.argv = {fs::read_symlink("/proc/self/exe").string(),
                  "--gtest_filter=XetCrash.DISABLED_VictimOfTheTestsBelow",
                  "--gtest_also_run_disabled_tests"};
  options.environment = {{kFolder, folder.string()}, {"HEARTH_FAILPOINTS", failpoints}};
  return run_child(options).status;
}

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("hearth-xet-crash-" + random_alphanumeric(12))) {
    make_dirs(path);
    auto database = db::Database::open("sqlite:" + (path / "hearth.db").string());
    database->migrate();
  }
  ~Folder() { remove_tree(path); }
  fs::path path;
};

/// What was acknowledged is whole, nothing that is named is damaged, and the work can be repeated.
void expect_sound(const fs::path& folder) {
  std::string acknowledged =
      fs::exists(folder / "acknowledged") ? read_file(folder / "acknowledged") : "";
  {
    Parts parts(folder);
    for (const auto& report :
         {parts.store.verify_xorbs(), parts.store.verify_files(), parts.store.verify_shards(),
          parts.store.verify_objects(), parts.blobs.verify()}) {
      EXPECT_TRUE(report.problems.empty()) << report.problems.front();
    }
    for (const char* name : {"v1", "v2", "v3"}) {
      if (acknowledged.find(sha256_name(name)) == std::string::npos) continue;
      auto source = parts.store.open_large("repo-a", sha256_name(name));
      EXPECT_EQ(blob::read_all(*source), as_text(vector_input(name))) << name;
    }
  }
  work(folder);
  Parts parts(folder);
  EXPECT_EQ(parts.store.list("repo-a", {}).size(), 3u);
  EXPECT_TRUE(parts.store.verify_files().problems.empty());
}

TEST(XetCrash, KilledAtAnyStepNothingAcknowledgedIsLostAndNoHalfIsSeen) {
  bool finished = false;
  // Every fourth step, from another one each time, keeps this under ten seconds.
  for (int step = 1 + static_cast<int>(random_bytes(1)[0] % 4); !finished; step += 4) {
    SCOPED_TRACE("crash@" + std::to_string(step));
    Folder folder;
    int status = run_victim(folder.path, "crash@" + std::to_string(step));
    finished = status == 0;
    ASSERT_TRUE(finished || status == 128 + 9) << status;
    ASSERT_LT(step, 1000);
    expect_sound(folder.path);
  }
}

TEST(XetCrash, AFullDiskIsAnErrorAndNothingIsHalfThere) {
  for (const char* failpoints :
       {"write=enospc@1", "write=enospc@4", "create=enospc@2", "link=enospc@1", "link=enospc@2",
        "rename=enospc@1", "rename=enospc@3", "mkdir=enospc@6"}) {
    SCOPED_TRACE(failpoints);
    Folder folder;
    EXPECT_NE(run_victim(folder.path, failpoints), 0);
    expect_sound(folder.path);
  }
}

}  // namespace
}  // namespace hearth::xet
