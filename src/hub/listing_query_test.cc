// Whichever way a page is looked for, it is the same page; and names are found by each of their
// parts.

#include <algorithm>
#include <future>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/downloads_store.h"
#include "hub/hub_test_data.h"
#include "hub/list_sets.h"
#include "hub/listing_store.h"
#include "hub/repository_store.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Way = ListEffort::Way;
constexpr ListEffort kReadsSources = {
    .way = Way::kStatements, .few_max = 1000, .stretch_of_page = 20};
constexpr ListEffort kWalksToTheEnd = {
    .way = Way::kStatements, .few_max = 1, .stretch_of_page = 1000};
constexpr ListEffort kWalksAndGivesUp = {
    .way = Way::kStatements, .few_max = 1, .stretch_of_page = 1};
// By numbers: all that is left is sorted; is walked to; is walked to for a few rows, then sorted; is
// walked to with numbers, for as many rows, then as before.
constexpr ListEffort kSorts = {.noted_max = 1000, .sorted_max = 1000};
constexpr ListEffort kWalksToEach = {
    .noted_max = 1000, .sorted_max = 0, .ids_of_a_step = 1'000'000, .walk_of_one = 1000};
constexpr ListEffort kWalksToEachAndGivesUp = {
    .noted_max = 1000, .sorted_max = 0, .ids_of_a_step = 1'000'000, .walk_of_one = 1};
constexpr ListEffort kWalksFirst = {
    .noted_max = 1000, .sorted_max = 0, .ids_of_a_step = 0, .walk_of_one = 2};
// Where the sets know nothing yet.
constexpr ListEffort kNotNoted = {.noted_max = 0};
constexpr ListEffort kEfforts[] = {kReadsSources, kWalksToTheEnd, kWalksAndGivesUp,
                                   kSorts,        kWalksToEach,   kWalksToEachAndGivesUp,
                                   kWalksFirst,   kNotNoted,      {}};

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
                               size_t page_size = 5, const ListScope& scope = {}) {
  std::vector<std::string> ids;
  ListRequest request = ListRequest::parse(RepoType::kModel, Query(query));
  hub.database.read([&](db::Tx& tx) {
    std::optional<ListPosition> after;
    while (true) {
      auto hits = query_list(tx, request, scope, after, page_size, name_search(), effort);
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
    ListSets(hub.database).write_some();
    for (const char* conditions :
         {"search=bert", "search=er", "search=llama-1", "search=lama&search=5", "search=nothing",
          "filter=all", "filter=all&filter=third", "filter=third&filter=rare", "author=alice",
          "author=alice&search=4&filter=third", "gated=true", "gated=true&author=acme",
          "gated=false&filter=third", "num_parameters=min:1"}) {
      for (const char* sort : {"trendingScore", "lastModified", "createdAt", "likes", "mainSize",
                               "id", "likes&direction=1"}) {
        std::string query = std::string(conditions) + "&sort=" + sort;
        auto wanted = found(hub, query, kReadsSources);
        for (const ListEffort& effort : kEfforts) {
          EXPECT_EQ(found(hub, query, effort), wanted) << query;
        }
      }
    }
    EXPECT_EQ(found(hub, "filter=third", kWalksAndGivesUp).size(), 18);
    EXPECT_EQ(found(hub, "author=alice&search=ert", kWalksAndGivesUp).size(), 27);
  });
}

/// A repository as this test made it, and what a list must say of it by looking at it alone.
struct Made {
  Repo repo;
  std::set<std::string> tags;
  std::string pipeline_tag;
  int64_t parameter_count = -1;
  int64_t main_bytes = 0;
  int64_t downloads = 0;
  bool listed = true;  // Neither deleted nor without facts

  bool fits(const ListRequest& request, const ListScope& scope) const {
    std::string key = repo.repo_id.key();
    auto in_name = [&](const std::string& word) { return key.find(to_lower(word)) != key.npos; };
    auto has_tag = [&](const std::string& tag) { return tags.contains(tag); };
    return listed && repo.type == request.type &&
           (!repo.is_private || scope.everything ||
            std::ranges::find(scope.namespace_ids, repo.namespace_id) !=
                scope.namespace_ids.end()) &&
           std::ranges::all_of(request.searches, in_name) &&
           std::ranges::all_of(request.tags, has_tag) &&
           (!request.author || key.starts_with(to_lower(*request.author) + "/")) &&
           (!request.pipeline_tag || pipeline_tag == *request.pipeline_tag) &&
           (!request.gated || (repo.gated != Gated::kNo) == *request.gated) &&
           (!request.parameters_min || parameter_count >= *request.parameters_min) &&
           (!request.parameters_max ||
            (parameter_count >= 0 && parameter_count <= *request.parameters_max));
  }
  std::tuple<int64_t, std::string, std::string> place(SortKey key) const {
    switch (key) {
      case SortKey::kTrending:
      case SortKey::kDownloads:
        return {downloads, "", repo.id};
      case SortKey::kLastModified:
        return {repo.updated_ms, "", repo.id};
      case SortKey::kCreatedAt:
        return {repo.created_ms, "", repo.id};
      case SortKey::kLikes:
      case SortKey::kLikesMonth:
        return {repo.likes, "", repo.id};
      case SortKey::kParameters:
        return {parameter_count, "", repo.id};
      case SortKey::kMainSize:
        return {main_bytes, "", repo.id};
      case SortKey::kId:
        return {0, repo.repo_id.key(), repo.id};
    }
    return {};
  }
};

class RandomLists {
 public:
  /// Some stand in the sets of lists, some are only noted, and of both some have changed since.
  RandomLists(TestHub& hub, uint32_t seed) : hub_(hub), random_(seed) {
    for (int i = 0; i < 60; ++i) make(i);
    // The first number is near the end of a block, so that the others stand in two.
    hub_.database.write([&](db::Tx& tx) {
      tx.execute("INSERT INTO list_number (number, repo_id) VALUES (65450, ?1)",
                 {all_.front().repo.id});
    });
    for (int made = 60; made < 240; made += 60) {
      ListSets(hub_.database).write_all();
      change_some();
      for (int i = made; i < made + 60; ++i) make(i);
    }
    change_some();
  }

  /// Conditions of several kinds, of which some leave nothing and some nearly all.
  std::string query() {
    std::string text = "sort=" +
                       any({"trendingScore", "lastModified", "createdAt", "downloads", "likes",
                            "num_parameters", "mainSize", "id"}) +
                       "&direction=" + any({"1", "-1"});
    if (one_of(2)) text += "&search=" + any(kWords);
    if (one_of(5)) text += "&search=" + any({"er", "lama-", "t-1", "ac", "zzzz", "alice/b", "%"});
    if (one_of(2)) text += "&filter=" + any(kTags);
    if (one_of(3)) text += "&filter=" + any(kTags);
    if (one_of(4)) text += "&author=" + any({"alice", "Acme", "bob", "nobody", "al_ce"});
    if (one_of(5)) text += "&pipeline_tag=" + any({"text-generation", "fill-mask", "other"});
    if (one_of(5)) text += "&gated=" + any({"true", "false"});
    if (one_of(5)) text += "&num_parameters=" + any({"min:2", "max:4", "min:1,max:3", "min:9"});
    return text;
  }

  std::vector<std::string> expected(const ListRequest& request, const ListScope& scope) const {
    std::vector<const Made*> fitting;
    for (const Made& made : all_) {
      if (made.fits(request, scope)) fitting.push_back(&made);
    }
    std::ranges::sort(fitting, [&](const Made* a, const Made* b) {
      return request.ascending ? a->place(request.sort) < b->place(request.sort)
                               : b->place(request.sort) < a->place(request.sort);
    });
    std::vector<std::string> ids;
    for (const Made* made : fitting) ids.push_back(made->repo.id);
    return ids;
  }

  bool one_of(size_t count) { return random_() % count == 0; }
  ListScope scope() {
    switch (random_() % 3) {
      case 0:
        return {};
      case 1:
        return {.namespace_ids = {hub_.bob.user_id}};
      default:
        return {.everything = true};
    }
  }

 private:
  inline static const std::vector<std::string> kWords = {"bert", "llama", "tiny", "t5"};
  inline static const std::vector<std::string> kTags = {"all", "half", "third", "rare", "none"};

  std::string any(const std::vector<std::string>& texts) { return texts[random_() % texts.size()]; }

  void make(int number) {
    Made made;
    std::string name = any({"alice", "alice", "acme", "bob"}) + "/" + any(kWords) + "-" +
                       any(kWords) + "-" + std::to_string(number);
    made.repo = add_row(hub_, name, [&](Repo& row) {
      if (one_of(4)) row.type = RepoType::kDataset;
      row.likes = static_cast<int64_t>(random_() % 5);
      row.created_ms += static_cast<int64_t>(random_() % 100);
      row.updated_ms += static_cast<int64_t>(random_() % 10);
      row.is_private = one_of(5);
      if (name.starts_with("bob/")) row.namespace_id = hub_.bob.user_id;
      if (one_of(6)) row.gated = Gated::kManual;
    });
    RepoFacts facts = facts_for(made);
    made.downloads = one_of(2) ? 0 : static_cast<int64_t>(random_() % 30);
    if (one_of(2)) made.parameter_count = static_cast<int64_t>(random_() % 6);
    bool has_facts = !one_of(15);
    bool deleted = one_of(15);
    made.listed = has_facts && !deleted;
    hub_.database.write([&](db::Tx& tx) {
      if (!has_facts) return;
      index_repo(tx, made.repo, facts);
      if (made.parameter_count >= 0) {
        ModelHeaders headers;
        headers.safetensors = {{"total", made.parameter_count}};
        store_model_headers(tx, made.repo.id, "c0ffee", headers);
      }
      if (made.downloads > 0) {
        add_downloads(tx, {{made.repo.id, "2026-01-02", made.downloads}});
      }
    });
    if (deleted) {
      hub_.database.write(
          [&](db::Tx& tx) { EXPECT_TRUE(mark_repo_deleted(tx, made.repo.id, 1, 2)); });
    }
    all_.push_back(std::move(made));
  }

  RepoFacts facts_for(Made& made) {
    std::string card = "---\ntags: [all";
    if (one_of(2)) card += ", half";
    if (one_of(3)) card += ", third";
    if (one_of(40)) card += ", rare";
    card += "]\n";
    if (one_of(2)) card += "pipeline_tag: " + any({"text-generation", "fill-mask"}) + "\n";
    RepoFacts facts = derive_facts(made.repo.type, "c0ffee", {}, {{"README.md", card + "---\n"}});
    facts.main_bytes = random_() % 4;
    made.tags = {facts.card.tags.begin(), facts.card.tags.end()};
    made.pipeline_tag = facts.card.pipeline_tag;
    made.main_bytes = static_cast<int64_t>(facts.main_bytes);
    return facts;
  }

  void change_some() {
    for (Made& made : all_) {
      if (made.listed && one_of(4)) {
        hub_.database.write([&](db::Tx& tx) { change(tx, made); });
      }
    }
  }

  void change(db::Tx& tx, Made& made) {
    Repo& repo = made.repo;
    RepoId former = repo.repo_id;
    switch (random_() % 5) {
      case 0:
        repo.repo_id.name = any(kWords) + "-" + former.name;
        return rename_repo_row(tx, repo, former, 1);
      case 1:
        repo.gated = repo.gated == Gated::kNo ? Gated::kAuto : Gated::kNo;
        return update_repo_settings(tx, repo);
      case 2:
        made.listed = false;
        EXPECT_TRUE(mark_repo_deleted(tx, repo.id, 1, 2));
        return;
      case 3:
        EXPECT_TRUE(mark_repo_deleted(tx, repo.id, 1, 2));
        repo.repo_id.name = any(kWords) + "-" + former.name;
        return undelete_repo_row(tx, repo);
      default:
        made.parameter_count = -1;  // No weights: none is known any more.
        return index_repo(tx, repo, facts_for(made));
    }
  }

  TestHub& hub_;
  std::mt19937 random_;
  std::vector<Made> all_;
};

TEST(ListingQuery, EachWayFindsWhatLookingAtEachRepositoryFinds) {
  for_each_hub([](TestHub& hub) {
    uint32_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomLists lists(hub, seed);
    size_t found_count = 0;
    for (int i = 0; i < 80; ++i) {
      std::string query = lists.query();
      ListScope scope = lists.scope();
      auto wanted = lists.expected(ListRequest::parse(RepoType::kModel, Query(query)), scope);
      found_count += wanted.size();
      for (const ListEffort& effort : kEfforts) {
        size_t page_size = i % 2 == 0 ? 7 : 50;
        EXPECT_EQ(found(hub, query, effort, page_size, scope), wanted)
            << query << ", way " << &effort - kEfforts;
      }
    }
    EXPECT_GT(found_count, 100);
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

/// What verify says of the sets about one repository.
std::string sets_problem(TestHub& hub, const Repo& repo) {
  return hub.database.read([&](db::Tx& tx) { return why_sets_wrong(tx, repo); }).value_or("");
}

TEST(ListSets, AreWrittenOnceForWhatIsNoted) {
  for_each_hub([](TestHub& hub) {
    ListSets sets(hub.database);
    Repo bert = add_row(hub, "alice/bert");
    Repo llama = add_row(hub, "alice/llama");
    hub.database.write([&](db::Tx& tx) { index_repo(tx, bert, {}); });
    auto noted = [&] {
      return hub.database.read([](db::Tx& tx) { return noted_repos(tx, 5)->size(); });
    };
    EXPECT_EQ(noted(), 2u);
    hub.database.read([](db::Tx& tx) { EXPECT_FALSE(noted_repos(tx, 1)); });
    EXPECT_EQ(sets.write_some(), ListSets::Step::kMore);
    EXPECT_EQ(sets.write_some(), ListSets::Step::kDone);
    EXPECT_EQ(noted(), 0u);
    hub.database.read([&](db::Tx& tx) {
      auto of = [&](const std::vector<std::string>& conditions) {
        std::vector<std::string> ids;
        for_each_repo_id(tx, *repos_with_all(tx, conditions),
                         [&](std::string_view id) { ids.emplace_back(id); });
        return ids;
      };
      std::string alice = list_condition::author(RepoType::kModel, "Alice");
      EXPECT_THAT(of({alice}), testing::UnorderedElementsAre(bert.id, llama.id));
      EXPECT_THAT(of({alice, list_condition::name_part(RepoType::kModel, "ber")}),
                  ElementsAre(bert.id));
      EXPECT_THAT(of({list_condition::author(RepoType::kDataset, "alice")}), IsEmpty());
      EXPECT_THAT(of({alice, list_condition::tag(RepoType::kModel, "none")}), IsEmpty());
    });
    // A note about what is gone is no harm, and its number is free again.
    hub.database.write([&](db::Tx& tx) {
      note_list_change(tx, llama.id);
      EXPECT_TRUE(delete_repo_row(tx, llama.id, std::nullopt));
    });
    sets.write_all();
    EXPECT_EQ(sets_problem(hub, bert), "");
    EXPECT_THAT(found(hub, "author=alice", {}), ElementsAre(bert.id));
  });
}

TEST(ListSets, KnowTheModelsAndDatasetsOfASpace) {
  for_each_hub([](TestHub& hub) {
    Repo space = add_row(hub, "alice/demo", [](Repo& row) {
      row.type = RepoType::kSpace;
      row.sdk = "gradio";
    });
    RepoFacts facts =
        derive_facts(space.type, "c0ffee", {},
                     {{"README.md", "---\nmodels: [Acme/Bert]\ndatasets: [acme/data]\n---\n"}});
    hub.database.write([&](db::Tx& tx) { index_repo(tx, space, facts); });
    ListSets(hub.database).write_all();
    auto count = [&](const std::string& query) {
      return hub.database.read([&](db::Tx& tx) {
        ListRequest request = ListRequest::parse(RepoType::kSpace, Query(query));
        return query_list(tx, request, {}, {}, 5, name_search()).size();
      });
    };
    EXPECT_EQ(count("models=acme/bert"), 1u);
    EXPECT_EQ(count("models=acme/bert&datasets=acme/Data"), 1u);
    EXPECT_EQ(count("models=acme/data"), 0u);
    EXPECT_EQ(count("datasets=acme/bert"), 0u);
  });
}

TEST(ListSets, AreWrittenByOneAtATime) {
  for_each_hub([](TestHub& hub) {
    ListSets sets(hub.database);
    Repo repo = add_row(hub, "alice/bert");
    // On SQLite the second one waits instead.
    if (hub.database.engine() == db::Engine::kPostgres) {
      sets.write_all();
      add_row(hub, "alice/llama");
      std::promise<void> held;
      std::promise<void> seen;
      std::thread other([&] {
        hub.database.write([&](db::Tx& tx) {
          tx.query_one("SELECT only_one FROM list_writer WHERE only_one = 1 FOR UPDATE");
          held.set_value();
          seen.get_future().wait();
        });
      });
      held.get_future().wait();
      EXPECT_EQ(sets.write_some(), ListSets::Step::kBusy);
      seen.set_value();
      other.join();
    }
    int turns = 0;
    sets.write_all([&] { return ++turns > 0; });
    EXPECT_EQ(turns, 1);
    EXPECT_EQ(sets.write_some(), ListSets::Step::kMore) << "it was told to stop";
    sets.write_all();
    EXPECT_EQ(sets_problem(hub, repo), "");
  });
}

TEST(ListSets, DamageIsSeenAndListsGoOnWithoutThem) {
  for_each_hub([](TestHub& hub) {
    ListSets sets(hub.database);
    Repo repo = add_row(hub, "alice/bert");
    hub.database.write([&](db::Tx& tx) { index_repo(tx, repo, {}); });
    sets.write_all();
    EXPECT_EQ(sets_problem(hub, repo), "");
    auto execute = [&](std::string_view sql, const db::Params& params = {}) {
      hub.database.write([&](db::Tx& tx) { EXPECT_GT(tx.execute(sql, params), 0) << sql; });
    };
    execute("DELETE FROM list_set WHERE condition = 'model name ert'");
    EXPECT_THAT(sets_problem(hub, repo), testing::HasSubstr("model name ert"));
    execute("UPDATE list_set SET numbers = ?1 WHERE condition = 'model name bert'",
            {Bytes{1, 2, 3}});
    EXPECT_THAT(sets_problem(hub, repo), testing::HasSubstr("damaged"));
    EXPECT_THAT(found(hub, "search=bert", {}), ElementsAre(repo.id));
    sets.rebuild();
    EXPECT_EQ(sets_problem(hub, repo), "");
    EXPECT_THAT(found(hub, "search=bert", {}), ElementsAre(repo.id));
    // Who writes into a damaged set makes it again for all that it held.
    execute("UPDATE list_set SET numbers = ?1 WHERE condition = 'model name bert'",
            {Bytes{1, 2, 3}});
    Repo other = add_row(hub, "alice/other-bert");
    EXPECT_THAT(sets_problem(hub, repo), testing::HasSubstr("damaged"));
    sets.write_all();
    EXPECT_EQ(sets_problem(hub, repo), "");
    EXPECT_EQ(sets_problem(hub, other), "");
    execute("DELETE FROM list_number WHERE number >= 0");
    EXPECT_THAT(sets_problem(hub, repo), testing::HasSubstr("do not know it"));
  });
}

}  // namespace
}  // namespace hearth::hub
