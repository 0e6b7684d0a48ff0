#include "hub/commit_facts.h"

#include <random>

#include "hub/hub_test_data.h"
#include "hub/listing.h"

namespace hearth::hub {
namespace {

/// Names that tell something, and some that do not.
std::string random_path(std::mt19937& random) {
  static const std::vector<std::string> kFolders = {"", "a/", "a/b/", ".eval_results/",
                                                    "x.mlpackage/"};
  static const std::vector<std::string> kNames = {"model.safetensors",
                                                  "x.gguf",
                                                  "adapter_config.json",
                                                  "README.md",
                                                  "train.csv",
                                                  "test.csv.gz",
                                                  "y.pkl",
                                                  "modules.json",
                                                  "z.nemo",
                                                  "cat.jpg",
                                                  "r.yaml",
                                                  "tfevents",
                                                  "scene.glb",
                                                  "w.bin",
                                                  "map.geojson"};
  return kFolders[random() % kFolders.size()] + kNames[random() % kNames.size()];
}

TEST(CommitFacts, WhatIsCountedOnIsWhatCountingAnewSays) {
  for_each_hub([](TestHub& hub) {
    const uint32_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (RepoType type : {RepoType::kModel, RepoType::kDataset, RepoType::kSpace}) {
      Repo repo = hub.create("alice/" + std::string(to_string(type)), type);
      std::string sha256 = hub.upload(repo, "content");
      for (int i = 0; i < 12; ++i) {
        std::string path;
        hub.commit(repo, [&](CommitDraft& draft) {
          for (int n = 0; n < 4; ++n) {
            path = random_path(random);
            if (random() % 4 == 0) {
              draft.put_large(path, sha256, 7);
            } else {
              draft.put(path, std::string(random() % 100, 'x'));
            }
          }
        });
        if (i % 3 == 0) hub.commit(repo, [&](CommitDraft& draft) { draft.delete_file(path); });
        // Never in a round that has just deleted the last of that folder.
        if (i % 7 == 1 && path.starts_with("a/")) {
          hub.commit(repo, [&](CommitDraft& draft) { draft.delete_folder("a"); });
        }
        Repo now = hub.fresh(repo);
        git::GitRepo git = hub.parts.repositories.open_git(now);
        auto head = git::Oid::parse(now.head_oid);
        auto tallied = hub.database.read([&](db::Tx& tx) { return load_tally(tx, repo.id); });
        ASSERT_TRUE(tallied);
        EXPECT_EQ(tallied->commit_oid, now.head_oid);
        RepoFacts anew = facts_of_commit(git, type, *head);
        EXPECT_EQ(tallied->files.tally.to_text(), anew.tally.to_text());
        EXPECT_EQ(tallied->files.size_bytes, anew.main_bytes);
        auto why = hub.database.read([&](db::Tx& tx) { return why_facts_wrong(tx, now, anew); });
        ASSERT_EQ(why, std::nullopt);
      }
    }
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(CommitFacts, ATallyThatCannotBeIsNotBuiltOn) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto first = hub.commit(repo, [](CommitDraft& draft) { draft.put("a.bin", "12345"); });
    hub.commit(repo, [](CommitDraft& draft) {
      draft.delete_file("a.bin");
      draft.put("b.gguf", "123");
    });
    Repo now = hub.fresh(repo);
    git::GitRepo git = hub.parts.repositories.open_git(now);
    auto head = git::Oid::parse(now.head_oid);
    RepoFacts anew = facts_of_commit(git, RepoType::kModel, *head);
    EXPECT_EQ(anew.card.tags, std::vector<std::string>{"gguf"});
    // A commit that is gone, files that were never counted, sizes that are too small.
    TalliedFiles counted{cards::FileTally::of(cards::RepoKind::kModel, {"a.bin"}), 5};
    for (const TalliedCommit& before :
         {TalliedCommit{std::string(40, 'a'), counted}, TalliedCommit{first.commit_oid, {{}, 5}},
          TalliedCommit{first.commit_oid, {counted.tally, 1}}}) {
      RepoFacts facts = facts_of_commit(git, RepoType::kModel, *head, before);
      EXPECT_EQ(facts.main_bytes, anew.main_bytes);
      EXPECT_EQ(facts.tally, anew.tally);
    }
  });
}

}  // namespace
}  // namespace hearth::hub
