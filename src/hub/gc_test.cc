#include "hub/gc.h"

#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

TEST(Gc, AnUploadThatNobodyCommitsGoesAfterItsDelayAndADryRunSaysSo) {
  for_each_hub([](TestHub& hub) {
    hub.clock.advance_ms(system_clock().now_ms() - hub.clock.now_ms());
    Repo repo = hub.create("alice/tiny");
    std::string named = hub.upload(repo, "named by a commit");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", named); });
    std::string unnamed = hub.upload(repo, "not named");
    EXPECT_EQ(hub.collect().waiting.count, 1u);
    hub.clock.advance_ms(xet::kDayMs);
    hub.large_files.promise(repo.id, {unnamed});
    hub.collect();
    hub.clock.advance_ms(xet::kDayMs + 1);
    EXPECT_EQ(hub.collect().objects.count, 0u) << "promised a day ago";
    hub.clock.advance_ms(xet::kDayMs);
    GcReport would = hub.collect({.dry_run = true});
    EXPECT_EQ(would.objects.count, 1u);
    EXPECT_EQ(would.stored.blobs.bytes, 9u);
    EXPECT_TRUE(hub.blobs.size_of(unnamed));
    GcReport did = hub.collect();
    EXPECT_EQ(did.objects.count, 1u);
    EXPECT_EQ(did.stored.blobs.bytes, 9u);
    EXPECT_FALSE(hub.blobs.size_of(unnamed));
    EXPECT_TRUE(hub.blobs.size_of(named));
    EXPECT_EQ(error_of([&] {
                hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("late", unnamed, 9); });
              }).kind(),
              ErrorKind::kInvalid);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Gc, AFileThatStandsThereThroughChangesBackAndForthIsSeen) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "large content");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    hub.put(repo, "x.txt", "one");
    hub.parts.commits.super_squash(hub.by(hub.alice), repo, "main", "");
    hub.put(repo, "x.txt", "two");
    hub.put(repo, "x.txt", "one");  // The tree of the first commit again
    EXPECT_EQ(hub.parts.repositories.open_git(repo).all_pointers().size(), 1u);
    hub.collect();
    hub.clock.advance_ms(30 * xet::kDayMs);
    hub.collect();
    EXPECT_TRUE(hub.large_files.find(repo.id, sha256));
    EXPECT_EQ(hub.problems(), "");
  });
}

}  // namespace
}  // namespace hearth::hub
