#include "hub/gc.h"

#include "hub/hub_test_data.h"
#include "hub/ledger_store.h"
#include "hub/receive_store.h"

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

TEST(Gc, WhatAChangeBroughtThatNeverHappenedIsNotChargedForEver) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "a");
    hub.collect();  // Refs are compared, and do not move from here on.
    std::string sha256 = hub.upload(repo, "weights");
    hub.database.write([&](db::Tx& tx) {  // As far as a crash before the ref comes.
      RefUpdateRow update;
      update.id = new_object_id();
      update.repo_id = repo.id;
      update.ref = "refs/heads/never";
      update.new_oid = std::string(40, 'a');
      update.kind = "commit";
      update.actor = Actor::of(hub.alice, "");
      update.created_ms = hub.clock.now_ms();
      StorageChange storage(tx, repo.id, {sha256});
      insert_pending(tx, update);
      insert_pointers(tx, repo.id, {{std::string(40, 'b'), sha256, 7, 120}});
      storage.record(1000, nullptr);
    });
    EXPECT_EQ(hub.large_bytes(repo), 7u);
    hub.parts.repositories.catch_up();
    hub.run_tasks();
    auto git = hub.parts.repositories.open_git(repo);
    EXPECT_EQ(hub.database.read([&](db::Tx& tx) { return repo_storage(tx, repo.id)->git_bytes; }),
              git.objects_bytes());
    hub.collect();
    EXPECT_EQ(hub.large_bytes(repo), 0u);
    EXPECT_EQ(hub.parts.ledger.why_wrong(repo, &git).value_or(""), "");
    hub.clock.advance_ms(30 * xet::kDayMs);
    hub.collect();
    EXPECT_FALSE(hub.large_files.find(repo.id, sha256));
  });
}

}  // namespace
}  // namespace hearth::hub
