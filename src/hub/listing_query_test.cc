// Whichever way a page is looked for, it is the same page; and names are found by each of their
// parts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/hub_test_data.h"
#include "hub/listing_store.h"
#include "hub/repository_store.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ListEffort kReadsSources = {.few_max = 1000, .stretch_of_page = 20};
constexpr ListEffort kWalksToTheEnd = {.few_max = 1, .stretch_of_page = 1000};
constexpr ListEffort kWalksAndGivesUp = {.few_max = 1, .stretch_of_page = 1};

Repo add_row(TestHub& hub, const std::string& name, const std::function<void(Repo&)>& change = {}) {
  Repo repo;
  repo.id = new_object_id();
  repo.repo_id = *RepoId::parse(name);
  repo.namespace_id = repo.creator_id = hub.alice.user_id;
  repo.created_ms = repo.updated_ms = hub.clock.now_ms();
  if (change) change(repo);
  hub.database.write([&](db::Tx& tx) { EXPECT_TRUE(insert_repo_row(tx, repo)); });
  return repo;
}

std::vector<std::string> found(TestHub& hub, const std::string& query, const ListEffort& effort,
                               size_t page_size = 5) {
  std::vector<std::string> ids;
  ListRequest request = ListRequest::parse(RepoType::kModel, Query(query));
  hub.database.read([&](db::Tx& tx) {
    std::optional<ListPosition> after;
    while (true) {
      auto hits = query_list(tx, request, {}, after, page_size, name_search(), effort);
      for (const ListHit& hit : hits) ids.push_back(hit.position.id);
      if (hits.size() < page_size) return;
      after = hits.back().position;
    }
  });
  return ids;
}

TEST(ListingQuery, EachWayFindsTheSamePages) {
  for_each_hub([](TestHub& hub) {
    for (int i = 0; i < 60; ++i) {
      Repo repo = add_row(hub, (i % 2 == 0 ? "alice/bert-" : "acme/llama-") + std::to_string(i),
                          [&](Repo& row) {
                            row.likes = i % 7;
                            row.updated_ms += i % 5;
                            row.is_private = i % 11 == 0;
                            if (i % 9 == 0) row.gated = Gated::kAuto;
                          });
      std::string card = std::string("---\ntags: [all") + (i % 3 == 0 ? ", third" : "") +
                         (i % 20 == 0 ? ", rare" : "") + "]\n---\n";
      RepoFacts facts = derive_facts(repo.type, "c0ffee", {}, {{"README.md", card}});
      facts.main_bytes = static_cast<uint64_t>(i % 4);
      hub.database.write([&](db::Tx& tx) { index_repo(tx, repo, facts); });
    }
    for (const char* conditions :
         {"search=bert", "search=er", "search=llama-1", "search=lama&search=5", "search=nothing",
          "filter=all", "filter=all&filter=third", "filter=third&filter=rare", "author=alice",
          "author=alice&search=4&filter=third", "gated=true", "gated=true&author=acme",
          "gated=false&filter=third", "num_parameters=min:1"}) {
      for (const char* sort : {"trendingScore", "lastModified", "createdAt", "likes", "mainSize",
                               "id", "likes&direction=1"}) {
        std::string query = std::string(conditions) + "&sort=" + sort;
        auto wanted = found(hub, query, kReadsSources);
        EXPECT_EQ(found(hub, query, kWalksToTheEnd), wanted) << query;
        EXPECT_EQ(found(hub, query, kWalksAndGivesUp), wanted) << query;
      }
    }
    EXPECT_EQ(found(hub, "filter=third", kWalksAndGivesUp).size(), 18);
    EXPECT_EQ(found(hub, "author=alice&search=ert", kWalksAndGivesUp).size(), 27);
  });
}

TEST(ListingQuery, ANameIsFoundByEachOfItsParts) {
  for_each_hub([](TestHub& hub) {
    Repo repo = add_row(hub, "alice/Tiny_Bert.v2");
    hub.database.write([&](db::Tx& tx) { index_repo(tx, repo, {}); });
    std::string name = "alice/tiny_bert.v2";
    for (size_t begin = 0; begin < name.size(); ++begin) {
      for (size_t length = 1; begin + length <= name.size(); ++length) {
        std::string part = name.substr(begin, length);
        EXPECT_THAT(found(hub, "search=" + part, {}), ElementsAre(repo.id)) << part;
      }
    }
    EXPECT_THAT(found(hub, "search=tiny_bert.v3", {}), IsEmpty());
    EXPECT_THAT(found(hub, "search=%C3%A9", {}), IsEmpty());
  });
}

TEST(ListingQuery, AnotherNameIsFoundAndTheFormerOneIsNot) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/before");
    hub.parts.repositories.move(hub.by(hub.alice), repo, *RepoId::parse("alice/afterwards"));
    EXPECT_THAT(found(hub, "search=before", {}), IsEmpty());
    EXPECT_THAT(found(hub, "search=afterw", {}), ElementsAre(repo.id));
    hub.database.read([&](db::Tx& tx) {
      EXPECT_FALSE(is_name_indexed(tx, repo.id, "alice/before"));
      EXPECT_TRUE(is_name_indexed(tx, repo.id, "alice/afterwards"));
    });
    hub.parts.repositories.remove(hub.by(hub.alice).actor(), hub.fresh(repo));
    hub.database.read(
        [&](db::Tx& tx) { EXPECT_FALSE(is_name_indexed(tx, repo.id, "alice/afterwards")); });
  });
}

}  // namespace
}  // namespace hearth::hub
