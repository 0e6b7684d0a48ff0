#include "hub/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_of.h"
#include "hub/downloads.h"
#include "hub/hub_test_data.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::string_view kBertCard =
    "---\nlicense: mit\nlanguage: en\ntags: [tiny]\ndatasets: [squad]\nlibrary_name: transformers\n"
    "---\n# Bert\n";

/// A hub with a database at hand, and the lists of it.
struct ListingHub {
  explicit ListingHub(db::TestDatabase& test_database)
      : database(test_database), hub(test_database), listing(*test_database, hub.access) {}

  std::vector<std::string> ids(const std::string& query, const Identity* who = nullptr,
                               RepoType type = RepoType::kModel) {
    std::vector<std::string> found;
    for (const json::value& item : page(query, who, type).items) {
      found.push_back(get_string(item.as_object(), "id").value());
    }
    return found;
  }
  ListPage page(const std::string& query, const Identity* who = nullptr,
                RepoType type = RepoType::kModel) {
    return listing.list(ListRequest::parse(type, Query(query)), who);
  }
  json::object first(const std::string& query, RepoType type = RepoType::kModel) {
    return page(query, nullptr, type).items.at(0).as_object();
  }
  /// A row without a git folder: enough for lists.
  Repo row(const std::string& name, const std::function<void(Repo&)>& change = {}) {
    Repo repo;
    repo.id = new_object_id();
    repo.repo_id = *RepoId::parse(name);
    repo.namespace_id = hub.alice.user_id;
    repo.creator_id = hub.alice.user_id;
    repo.created_ms = repo.updated_ms = hub.clock.now_ms();
    hub.clock.advance_ms(1000);
    if (change) change(repo);
    database->write([&](db::Tx& tx) {
      EXPECT_TRUE(insert_repo_row(tx, repo));
      index_repo(tx, repo, {});
    });
    return repo;
  }
  void index(const Repo& repo, const std::string& card, const std::vector<std::string>& paths = {},
             uint64_t size_bytes = 0) {
    TalliedFiles files{cards::FileTally::of(kind_of(repo.type), paths), size_bytes};
    RepoFacts facts = derive_facts(repo.type, "c0ffee", files, {{"README.md", card}});
    database->write([&](db::Tx& tx) { index_repo(tx, repo, facts); });
  }

  db::TestDatabase& database;
  TestHub hub;
  Listing listing;
};

void with_listing(const std::function<void(ListingHub&)>& test) {
  db::for_each_engine([&](db::TestDatabase& database) {
    SCOPED_TRACE(database->engine() == db::Engine::kSqlite ? "SQLite" : "PostgreSQL");
    ListingHub hub(database);
    test(hub);
  });
}

TEST(Listing, ACommitMakesARepositoryFoundByItsCard) {
  with_listing([](ListingHub& t) {
    Repo bert = t.hub.create("alice/Tiny-Bert");
    t.hub.create("alice/other");
    t.hub.put(bert, "README.md", std::string(kBertCard));
    t.hub.put(bert, "config.json", R"({"architectures":["BertForMaskedLM"],"model_type":"bert"})");
    for (const char* query :
         {"filter=mit", "filter=license%3Aother", "author=bob", "pipeline_tag=summarization",
          "search=gpt", "filter=tiny&filter=big", "apps=ollama", "apps=nonsense", "inference=warm",
          "inference_provider=all", "gated=true"}) {
      EXPECT_THAT(t.ids(query), IsEmpty()) << query;
    }
    for (const char* query :
         {"filter=license%3Amit", "filter=fill-mask", "filter=en", "filter=dataset%3Asquad",
          "filter=tiny&filter=bert", "pipeline_tag=fill-mask", "search=BERT", "search=tiny%20bert",
          "author=Alice&search=bert", "filter=transformers"}) {
      EXPECT_THAT(t.ids(query), ElementsAre("alice/Tiny-Bert")) << query;
    }
    EXPECT_THAT(t.ids("author=alice&gated=false"),
                UnorderedElementsAre("alice/other", "alice/Tiny-Bert"));
  });
}

TEST(Listing, ALaterCommitTakesTagsAway) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    t.index(repo, "---\ntags: [x, y]\n---\n");
    t.index(repo, "---\ntags: [y, z]\n---\n");
    EXPECT_THAT(t.ids("filter=x"), IsEmpty());
    EXPECT_THAT(t.ids("filter=y&filter=z"), ElementsAre("alice/a"));
  });
}

TEST(Listing, WildcardsOfLikeAreOrdinaryCharacters) {
  with_listing([](ListingHub& t) {
    t.row("alice/a_b");
    t.row("alice/axb");
    EXPECT_THAT(t.ids("search=a_b"), ElementsAre("alice/a_b"));
    EXPECT_THAT(t.ids("search=%25"), IsEmpty());
  });
}

TEST(Listing, PrivateRepositoriesShowToThoseWhoMaySeeThem) {
  with_listing([](ListingHub& t) {
    t.row("alice/open");
    t.row("alice/secret", [](Repo& repo) { repo.is_private = true; });
    t.row("acme/secret", [&](Repo& repo) {
      repo.is_private = true;
      repo.namespace_id = t.hub.alice.orgs[0].org_id;
    });
    EXPECT_THAT(t.ids("sort=id"), ElementsAre("alice/open"));
    EXPECT_THAT(t.ids("sort=id", &t.hub.bob), ElementsAre("alice/open"));
    EXPECT_THAT(t.ids("sort=id", &t.hub.alice),
                ElementsAre("acme/secret", "alice/open", "alice/secret"));
    Identity narrow = t.hub.alice;
    narrow.credential.kind = CredentialKind::kFineGrainedToken;
    EXPECT_THAT(t.ids("sort=id", &narrow), ElementsAre("alice/open"));
    Identity admin = t.hub.bob;
    admin.is_admin = true;
    EXPECT_EQ(t.ids("", &admin).size(), 3u);
  });
}

TEST(Listing, AHubThatIsClosedToStrangersShowsThemNothing) {
  with_listing([](ListingHub& t) {
    t.row("alice/open");
    Access closed(AccessPolicy{.anonymous_read = false, .has_grant = {}});
    Listing listing(*t.database, closed);
    auto request = ListRequest::parse(RepoType::kModel, Query(""));
    EXPECT_THAT(listing.list(request, nullptr).items, IsEmpty());
    EXPECT_EQ(listing.list(request, &t.hub.bob).items.size(), 1u);
  });
}

TEST(Listing, PagesGoOnFromTheLastKeyUnderEverySort) {
  with_listing([](ListingHub& t) {
    for (int i = 0; i < 7; ++i) {
      t.row("alice/r" + std::to_string(i), [i](Repo& repo) { repo.likes = i / 2; });
    }
    for (const char* sort : {"trendingScore", "lastModified", "createdAt", "downloads", "likes",
                             "likes30d", "num_parameters", "mainSize", "id"}) {
      for (const char* direction : {"", "&direction=-1", "&direction=1"}) {
        std::string query = std::string("limit=2&sort=") + sort + direction;
        std::vector<std::string> seen;
        std::string cursor;
        do {
          ListPage page = t.page(query + (cursor.empty() ? "" : "&cursor=" + cursor));
          EXPECT_LE(page.items.size(), 2u);
          for (const json::value& item : page.items) {
            seen.push_back(get_string(item.as_object(), "id").value());
          }
          cursor = page.next_cursor;
        } while (!cursor.empty() && seen.size() < 20);
        EXPECT_EQ(seen, t.ids(std::string("sort=") + sort + direction)) << query;
        EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 7u) << query;
      }
    }
    EXPECT_THAT(t.ids("sort=id&limit=1"), ElementsAre("alice/r0"));
    EXPECT_THAT(t.ids("sort=createdAt&limit=1"), ElementsAre("alice/r6"));
    EXPECT_TRUE(t.page("limit=7").next_cursor.empty());
    EXPECT_FALSE(t.page("limit=6").next_cursor.empty());
  });
}

TEST(Listing, APageIsFilledPastWhatANarrowTokenMayNotSee) {
  with_listing([](ListingHub& t) {
    for (int i = 0; i < 6; ++i) {
      t.row("alice/p" + std::to_string(i), [i](Repo& repo) { repo.is_private = i % 2 == 0; });
    }
    Identity narrow = t.hub.alice;
    narrow.credential.kind = CredentialKind::kFineGrainedToken;
    EXPECT_THAT(t.ids("sort=id&limit=2", &narrow), ElementsAre("alice/p1", "alice/p3"));
    ListPage page = t.page("sort=id&limit=2", &narrow);
    EXPECT_THAT(t.ids("sort=id&limit=2&cursor=" + page.next_cursor, &narrow),
                ElementsAre("alice/p5"));
  });
}

TEST(Listing, CursorsAndFiltersOfStrangersAreRefusedKindly) {
  with_listing([](ListingHub& t) {
    for (const char* query :
         {"cursor=x", "cursor=W10", "sort=foo", "num_parameters=min:x", "num_parameters=6B",
          "filter=%00", "search=%ff", "author=%00", "sort=id&cursor=WzAsMSwiYSJd"}) {
      EXPECT_EQ(error_of([&] { t.page(query); }).kind(), ErrorKind::kInvalid) << query;
    }
    std::string many;
    for (int i = 0; i < 51; ++i) many += "filter=x&";
    EXPECT_EQ(error_of([&] { t.page(many); }).kind(), ErrorKind::kInvalid);
  });
}

TEST(Listing, AnUnknownExpandNamesTheKnownOnes) {
  with_listing([](ListingHub& t) {
    Error error = error_of([&] { t.page("expand=does_not_exist"); });
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid);
    EXPECT_THAT(error.message(), HasSubstr("expected one of \"author\"|\"baseModels\"|"));
    EXPECT_THAT(error.message(), HasSubstr("at expand[0]"));
  });
}

TEST(Listing, AnItemHoldsWhatWasAskedFor) {
  with_listing([](ListingHub& t) {
    Repo repo = t.hub.create("alice/bert");
    t.hub.put(repo, "README.md", std::string(kBertCard));
    t.hub.put(repo, "config.json", R"({"architectures":["BertForMaskedLM"],"model_type":"bert"})");
    json::object plain = t.first("");
    for (const char* key : {"_id", "id", "modelId", "private", "likes", "downloads", "tags",
                            "pipeline_tag", "library_name", "createdAt", "trendingScore"}) {
      EXPECT_TRUE(plain.contains(key)) << key;
    }
    for (const char* key : {"cardData", "config", "siblings", "sha", "author", "gated"}) {
      EXPECT_FALSE(plain.contains(key)) << key;
    }
    json::object full = t.first("full=true&cardData=true&config=true");
    EXPECT_EQ(
        json::serialize(full.at("siblings")),
        R"([{"rfilename":".gitattributes"},{"rfilename":"README.md"},{"rfilename":"config.json"}])");
    EXPECT_EQ(get_string(full.at("cardData").as_object(), "license"), "mit");
    EXPECT_EQ(get_string(full.at("config").as_object(), "model_type"), "bert");
    EXPECT_EQ(get_string(full, "sha"), t.hub.fresh(repo).head_oid);
    json::object expanded = t.first("expand=author&expand[]=likes");
    EXPECT_EQ(expanded.size(), 4u);
    EXPECT_EQ(get_string(expanded, "author"), "alice");
    EXPECT_TRUE(expanded.contains("likes"));
    EXPECT_FALSE(expanded.contains("downloads"));
  });
}

TEST(Listing, DatasetsAndSpacesHaveTheirOwnFilters) {
  with_listing([](ListingHub& t) {
    Repo data = t.row("alice/data", [](Repo& repo) { repo.type = RepoType::kDataset; });
    t.index(data,
            "---\nlanguage: en\nsize_categories: 100K<n<1M\ntags: ['benchmark:official']\n---\nHi.",
            {{"a.csv", 3}});
    for (const char* query : {"filter=language%3Aen&filter=size_categories%3A100K%3Cn%3C1M",
                              "search=da&search=ta", "filter=benchmark%3Aofficial"}) {
      EXPECT_THAT(t.ids(query, nullptr, RepoType::kDataset), ElementsAre("alice/data")) << query;
    }
    json::object item = t.first("full=true", RepoType::kDataset);
    EXPECT_EQ(get_string(item, "description"), "Hi.");
    EXPECT_TRUE(item.contains("cardData"));

    Repo space = t.row("alice/space", [](Repo& repo) {
      repo.type = RepoType::kSpace;
      repo.sdk = "gradio";
    });
    t.index(space, "---\nsdk: gradio\nmodels: [Alice/Bert]\ndatasets: [alice/data]\n---\n");
    t.row("alice/bert");
    EXPECT_THAT(t.ids("models=alice/bert&datasets=alice/data", nullptr, RepoType::kSpace),
                ElementsAre("alice/space"));
    EXPECT_THAT(t.ids("models=alice/gpt", nullptr, RepoType::kSpace), IsEmpty());
    EXPECT_FALSE(t.first("", RepoType::kSpace).contains("models"));
    EXPECT_EQ(json::serialize(t.first("linked=true", RepoType::kSpace).at("models")),
              R"(["Alice/Bert"])");
    EXPECT_EQ(json::serialize(t.first("expand=spaces&search=bert").at("spaces")),
              R"(["alice/space"])");
  });
}

TEST(Listing, ChildrenOfAModelAreCounted) {
  with_listing([](ListingHub& t) {
    t.row("alice/base");
    Repo child = t.row("alice/child");
    t.index(child, "---\nbase_model: alice/base\n---\n");
    EXPECT_EQ(get_int(t.first("expand=childrenModelCount&search=base"), "childrenModelCount"), 1);
    EXPECT_EQ(json::serialize(t.first("expand=baseModels&search=child").at("baseModels")),
              R"(["alice/base"])");
    EXPECT_THAT(t.ids("filter=base_model%3Afinetune%3Aalice%2Fbase"), ElementsAre("alice/child"));
  });
}

TEST(Listing, HeadersOfWeightsCountParameters) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/big");
    t.index(repo, "", {"model.safetensors"}, 100);
    ModelHeaders headers;
    headers.safetensors = json::object{{"parameters", json::object{{"F32", 7'000'000'000}}},
                                       {"total", 7'000'000'000}};
    t.database->write([&](db::Tx& tx) { store_model_headers(tx, repo.id, "stale", headers); });
    EXPECT_THAT(t.ids("num_parameters=min:6B"), IsEmpty());
    t.database->write([&](db::Tx& tx) { store_model_headers(tx, repo.id, "c0ffee", headers); });
    EXPECT_THAT(t.ids("num_parameters=min:6B,max:7B"), ElementsAre("alice/big"));
    EXPECT_THAT(t.ids("num_parameters=max:6.5B"), IsEmpty());
    EXPECT_EQ(json::serialize(t.first("expand=safetensors").at("safetensors")),
              R"({"parameters":{"F32":7000000000},"total":7000000000})");
    // A commit of text keeps them; without weights they go.
    t.index(repo, "---\nlicense: mit\n---\n", {"model.safetensors"}, 100);
    EXPECT_THAT(t.ids("num_parameters=min:6B"), ElementsAre("alice/big"));
    t.index(repo, "");
    EXPECT_THAT(t.ids("num_parameters=min:1"), IsEmpty());
  });
}

TEST(Listing, FactsComeBackAsTheyWereStored) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    RepoFacts facts = derive_facts(
        RepoType::kModel, "c0ffee",
        {cards::FileTally::of(cards::RepoKind::kModel, {".eval_results/a.yaml", "README.md"}), 2},
        {{"README.md",
          "---\nlicense: mit\nmodel-index: []\nwidget: [{text: a}]\nbase_model: a/b\nx: "
          "\"\\0\"\n---\nText."},
         {"config.json", R"({"architectures":["BertForMaskedLM"],"model_type":"bert"})"},
         {".eval_results/a.yaml", "- {dataset: {id: d/e, task_id: t}, value: 1}\n- {value: 2}\n"}});
    t.database->write([&](db::Tx& tx) { index_repo(tx, repo, facts); });
    RepoFacts stored = t.database->read([&](db::Tx& tx) { return load_facts(tx, repo.id); });
    EXPECT_EQ(stored.card.card, facts.card.card);
    EXPECT_EQ(stored.card.tags, facts.card.tags);
    EXPECT_EQ(stored.card.description, "Text.");
    EXPECT_EQ(stored.card.pipeline_tag, "fill-mask");
    EXPECT_EQ(stored.card.model_index, json::value(json::array()));
    EXPECT_EQ(stored.card.widget_data, facts.card.widget_data);
    EXPECT_EQ(stored.card.base_models.at(0).relation, "finetune");
    EXPECT_EQ(stored.config, facts.config);
    EXPECT_EQ(stored.transformers_info, facts.transformers_info);
    EXPECT_EQ(stored.mask_token, "[MASK]");
    EXPECT_EQ(
        json::serialize(stored.eval_results),
        R"([{"filename":".eval_results/a.yaml","data":{"dataset":{"id":"d/e","task_id":"t"},"value":1}},)"
        R"({"filename":".eval_results/a.yaml","error":"\"dataset\" is required"}])");
    EXPECT_EQ(stored.main_bytes, 2u);
  });
}

TEST(Downloads, AClientCountsOnceInFiveMinutes) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    Downloads downloads(*t.database, t.hub.clock);
    auto counts = [&] {
      downloads.flush();
      return t.database->read([&](db::Tx& tx) { return Downloads::read(tx, repo.id); });
    };
    downloads.count(repo, "1.2.3.4");
    downloads.count(repo, "1.2.3.4");
    downloads.count(repo, "5.6.7.8");
    EXPECT_EQ(counts().month, 2);
    t.hub.clock.advance_ms(5 * 60'000 - 1);
    downloads.count(repo, "1.2.3.4");
    EXPECT_EQ(counts().month, 2);
    t.hub.clock.advance_ms(1);
    downloads.count(repo, "1.2.3.4");
    EXPECT_EQ(counts().month, 3);
    EXPECT_EQ(counts().all_time, 3);
  });
}

TEST(Downloads, DaysFallOutOfTheMonthButNotOfAllTime) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    Downloads downloads(*t.database, t.hub.clock);
    downloads.count(repo, "a");
    downloads.flush();
    t.hub.clock.advance_ms(29ll * 86'400'000);
    downloads.count(repo, "a");
    downloads.flush();
    downloads.refresh_ranks();
    auto read = [&] {
      return t.database->read([&](db::Tx& tx) { return Downloads::read(tx, repo.id); });
    };
    EXPECT_EQ(read().month, 2);
    EXPECT_EQ(get_int(t.first("expand=trendingScore"), "trendingScore"), 1);
    t.hub.clock.advance_ms(86'400'000);
    downloads.refresh_ranks();
    EXPECT_EQ(read().month, 1);
    EXPECT_EQ(read().all_time, 2);
    EXPECT_EQ(downloads.daily(repo.id, 60).size(), 2u);
    EXPECT_EQ(downloads.daily(repo.id, 1).size(), 0u);
    json::object item = t.first("expand=downloads&expand=downloadsAllTime");
    EXPECT_EQ(get_int(item, "downloads"), 1);
    EXPECT_EQ(get_int(item, "downloadsAllTime"), 2);
  });
}

TEST(Downloads, ARepositoryThatIsGoneDoesNotStopTheOthers) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    Repo gone = repo;
    gone.id = new_object_id();
    {
      Downloads downloads(*t.database, t.hub.clock);
      downloads.count(gone, "a");
      downloads.count(repo, "a");
    }  // The destructor writes.
    EXPECT_EQ(t.database->read([&](db::Tx& tx) { return Downloads::read(tx, repo.id); }).month, 1);
  });
}

TEST(Downloads, AFileCountsByTheLibraryOfItsRepository) {
  with_listing([](ListingHub& t) {
    Repo repo = t.row("alice/a");
    t.index(repo, "---\nlibrary_name: diffusers\n---\n");
    Downloads downloads(*t.database, t.hub.clock);
    auto count = [&](std::string_view path, std::string_view client) {
      downloads.count_file(repo, path, client);
      downloads.flush();
      return t.database->read([&](db::Tx& tx) { return Downloads::read(tx, repo.id); }).month;
    };
    EXPECT_EQ(count("README.md", "a"), 0);
    EXPECT_EQ(count("config.json", "a"), 0);
    EXPECT_EQ(count("model_index.json", "a"), 1);
    EXPECT_EQ(count("model.safetensors", "a"), 1);
    EXPECT_EQ(count("x.gguf", "b"), 2);
  });
}

TEST(Downloads, QueryFilesDependOnTypeAndLibrary) {
  EXPECT_TRUE(is_query_file(RepoType::kModel, "", "config.json"));
  EXPECT_TRUE(is_query_file(RepoType::kModel, "transformers", "sub/x.gguf"));
  EXPECT_FALSE(is_query_file(RepoType::kModel, "transformers", "model.safetensors"));
  EXPECT_TRUE(is_query_file(RepoType::kModel, "diffusers", "model_index.json"));
  EXPECT_FALSE(is_query_file(RepoType::kModel, "diffusers", "unet/a.safetensors"));
  EXPECT_TRUE(is_query_file(RepoType::kDataset, "", "anything"));
  EXPECT_FALSE(is_query_file(RepoType::kSpace, "", "config.json"));
}

Bytes safetensors_of(const std::string& header, size_t data_bytes) {
  Bytes file(8);
  file[0] = static_cast<uint8_t>(header.size());
  file.insert(file.end(), header.begin(), header.end());
  file.resize(file.size() + data_bytes);
  return file;
}

TEST(ModelHeaders, ShardsOfAnIndexAreSummed) {
  std::map<std::string, Bytes> content;
  content["m-1.safetensors"] =
      safetensors_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  content["m-2.safetensors"] =
      safetensors_of(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2);
  std::string index = R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})";
  content["model.safetensors.index.json"] = Bytes(index.begin(), index.end());
  std::vector<std::string> files;
  for (const auto& [path, bytes] : content) files.push_back(path);
  auto open = [&](const std::string& path) -> std::optional<models::ByteSource> {
    return models::memory_source(content.at(path));
  };
  EXPECT_EQ(json::serialize(read_model_headers(files, open).safetensors),
            R"({"parameters":{"U8":6},"total":6})");
  // A sum that lacks a shard is no sum.
  content["m-2.safetensors"].pop_back();
  EXPECT_TRUE(read_model_headers(files, open).safetensors.is_null());
}

TEST(ModelHeaders, SeveralSingleFilesAreNotOneModel) {
  Bytes one = safetensors_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  auto open = [&](const std::string&) -> std::optional<models::ByteSource> {
    return models::memory_source(one);
  };
  auto total = [&](const std::vector<std::string>& files) {
    return json::serialize(read_model_headers(files, open).safetensors);
  };
  EXPECT_EQ(total({"adapter_model.safetensors"}), R"({"parameters":{"U8":4},"total":4})");
  EXPECT_EQ(total({"a.safetensors", "b.safetensors"}), "null");
  EXPECT_EQ(total({"a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"}),
            R"({"parameters":{"U8":8},"total":8})");
  EXPECT_EQ(total({"unet/a.safetensors"}), "null");
}

TEST(RepoJson, AnInfoAnswerFollowsTheOrderOfTheReference) {
  RepoView view;
  view.repo.id = "65f0c0ffee65f0c0ffee0101";
  view.repo.repo_id = *RepoId::parse("alice/pub");
  view.repo.created_ms = 1'767'323'045'000;
  view.sha = "ca53";
  view.last_modified_ms = 1'767'323'045'000;
  view.facts.paths = {".gitattributes"};
  EXPECT_EQ(json::serialize(repo_json(view, info_fields(RepoType::kModel))),
            R"({"_id":"65f0c0ffee65f0c0ffee0101","id":"alice/pub","modelId":"alice/pub",)"
            R"("author":"alice","sha":"ca53","lastModified":"2026-01-02T03:04:05.000Z",)"
            R"("createdAt":"2026-01-02T03:04:05.000Z","private":false,"gated":false,)"
            R"("disabled":false,"downloads":0,"likes":0,"tags":[],"model-index":null,"spaces":[],)"
            R"("cardData":{},"siblings":[{"rfilename":".gitattributes"}]})");
  view.repo.gated = Gated::kManual;
  EXPECT_EQ(json::serialize(repo_json(view, expand_fields(RepoType::kModel, {"gated"}))),
            R"({"_id":"65f0c0ffee65f0c0ffee0101","id":"alice/pub","gated":"manual"})");
}

}  // namespace
}  // namespace hearth::hub
