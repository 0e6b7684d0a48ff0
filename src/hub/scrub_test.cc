#include "hub/scrub.h"

#include <fstream>

#include <sys/stat.h>

#include "base/hash.h"
#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;

/// Turns one bit of a stored file, which is read-only.
void flip(const fs::path& path) {
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  std::string bytes = read_file(path, 1u << 20);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Scrub, FindsDamageAsksForTheContentAgainAndForgetsWhatWasReplaced) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "weights");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    Scrubber scrubber(hub.context(), hub.parts.repositories, hub.blobs);
    ScrubReport report = scrubber.run();
    EXPECT_TRUE(report.damaged.empty());
    EXPECT_EQ(report.kinds[0].read_count, 1);
    EXPECT_EQ(report.kinds[0].read_bytes, 7);
    EXPECT_EQ(report.kinds[3].read_count, 1);  // git
    EXPECT_EQ(hub.large_files.promise(repo.id, {sha256}).size(), 1u);

    flip(hub.blobs.path_of(sha256));
    report = scrubber.run();
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_EQ(report.damaged[0].kind, "blob");
    EXPECT_EQ(report.damaged[0].name, sha256);
    EXPECT_EQ(hub.large_files.promise(repo.id, {sha256}).size(), 0u);
    auto read = [&] {
      auto revision = hub.parts.contents.resolve(repo, "main");
      return blob::read_all(*hub.parts.contents.find_file(repo, revision, "model.bin")->source);
    };
    EXPECT_EQ(error_of(read).kind(), ErrorKind::kCorrupt);

    hub.upload(repo, "weights");
    scrubber.look_again();
    EXPECT_TRUE(scrubber.damaged().empty());
    EXPECT_EQ(hub.large_files.promise(repo.id, {sha256}).size(), 1u);
    EXPECT_EQ(read(), "weights");
  });
}

TEST(Scrub, FindsWhatIsMissingAndAsksForIt) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "weights");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    Scrubber scrubber(hub.context(), hub.parts.repositories, hub.blobs);
    fs::remove(hub.blobs.path_of(sha256));
    ScrubReport report = scrubber.run();
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_EQ(report.damaged[0].name, sha256);
    EXPECT_EQ(hub.large_files.promise(repo.id, {sha256}).size(), 0u);
    scrubber.look_again();
    hub.clock.advance_ms(2 * 3600 * 1000);
    scrubber.look_again();
    EXPECT_EQ(scrubber.damaged().size(), 1u) << "what is gone is not whole again";
    hub.upload(repo, "weights");
    scrubber.look_again();
    EXPECT_TRUE(scrubber.damaged().empty());

    hub.large_files.ingest(repo.id, sha256, {.drop_whole = true});
    EXPECT_TRUE(scrubber.run().damaged.empty());
    std::vector<fs::path> xorbs;
    for (const auto& entry :
         fs::recursive_directory_iterator(hub.large_files.data_dir() / "xorbs")) {
      if (entry.is_regular_file()) xorbs.push_back(entry.path());
    }
    for (const fs::path& xorb : xorbs) fs::remove(xorb);
    report = scrubber.run();
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_EQ(report.damaged[0].kind, "xorb");
    hub.upload(repo, "weights");
    hub.large_files.ingest(repo.id, sha256, {.drop_whole = true});
    EXPECT_TRUE(scrubber.run().damaged.empty());
    EXPECT_EQ(blob::read_all(*hub.large_files.open_large(repo.id, sha256)), "weights");
  });
}

TEST(Scrub, FindsDamageInGit) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "what is read by nobody");
    for (const auto& entry :
         fs::recursive_directory_iterator(hub.parts.repositories.git_dir(repo) / "objects")) {
      if (!entry.is_regular_file() || entry.path().parent_path().filename() == "info") continue;
      flip(entry.path());
      break;
    }
    Scrubber scrubber(hub.context(), hub.parts.repositories, hub.blobs);
    ScrubReport report = scrubber.run();
    ASSERT_EQ(report.damaged.size(), 1u);
    EXPECT_EQ(report.damaged[0].kind, "git");
    EXPECT_EQ(report.damaged[0].name, repo.id);
  });
}

TEST(Scrub, APassIsDueAPeriodAfterTheLastAndGoesOnInSteps) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    for (int i = 0; i < 5; ++i) hub.upload(repo, "content " + std::to_string(i));
    Scrubber scrubber(hub.context(), hub.parts.repositories, hub.blobs,
                      {.period_ms = 30 * kDayMs, .bytes_per_s = 0});
    auto waiting = [&] {
      return hub.tasks.list({.state = TaskState::kQueued, .kind = "hub.scrub"});
    };
    hub.clock.advance_ms(system_clock().now_ms() - hub.clock.now_ms());  // Files have its time.
    int64_t begin_ms = hub.clock.now_ms();
    scrubber.enqueue_if_due();
    EXPECT_TRUE(waiting().empty());
    EXPECT_EQ(scrubber.oldest_ms(), begin_ms);
    hub.clock.advance_ms(31 * kDayMs);
    flip(hub.blobs.path_of(sha256_hex("content 3")));
    scrubber.enqueue_if_due();
    ASSERT_EQ(waiting().size(), 1u);

    TaskRunner runner(hub.tasks);
    scrubber.register_tasks(runner);
    while (runner.run_one()) {
    }
    EXPECT_EQ(scrubber.oldest_ms(), begin_ms + 31 * kDayMs);
    ASSERT_EQ(scrubber.damaged().size(), 1u);
    EXPECT_EQ(scrubber.damaged()[0].name, sha256_hex("content 3"));
    scrubber.enqueue_if_due();
    EXPECT_TRUE(waiting().empty());
  });
}

}  // namespace
}  // namespace hearth::hub
