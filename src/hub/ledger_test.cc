// What is stored, and what may be: the same numbers as a recount, and quotas to the byte.

#include "hub/ledger.h"

#include <atomic>
#include <thread>

#include "hub/hub_test_data.h"
#include "hub/lfs_files.h"

namespace hearth::hub {
namespace {

uint64_t used(TestHub& hub, const std::string& name) {
  return hub.parts.ledger.of_namespace(name).used_bytes;
}

std::string put_large(TestHub& hub, const Repo& repo, const std::string& path,
                      const std::string& content) {
  std::string sha256 = hub.upload(repo, content);
  hub.commit(repo, [&](CommitDraft& draft) { draft.put_large(path, sha256); });
  return sha256;
}

void set_quota(TestHub& hub, const std::string& name, uint64_t bytes) {
  hub.parts.ledger.set_quota(Actor::command_line(), name, {.bytes = bytes});
}

void expect_full(const Error& error, const std::string& name) {
  EXPECT_EQ(error.kind(), ErrorKind::kTooLarge) << error.what();
  EXPECT_EQ(error.code(), "QuotaExceeded");
  EXPECT_NE(error.message().find("The storage of " + name + " is full"), std::string::npos)
      << error.message();
}

TEST(Quota, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_quota("unlimited"), std::nullopt);
  EXPECT_EQ(parse_quota("0"), 0u);
  EXPECT_EQ(parse_quota("1000"), 1000u);
  EXPECT_EQ(parse_quota("500GB"), 500'000'000'000u);
  EXPECT_EQ(parse_quota(" 1.5 TiB "), 3ull << 39);
  EXPECT_EQ(parse_quota("2kb"), 2000u);
  for (const char* wrong : {"", "GB", "-1", "1XB", "1e3", "nan", "inf", "99999999999TB", "1 2"}) {
    EXPECT_EQ(error_of([&] { parse_quota(wrong); }).kind(), ErrorKind::kInvalid) << wrong;
  }
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1'500'000'000), "1.50 GB");
  EXPECT_EQ(bytes_text(999'999), "1.00 MB");
}

TEST(Ledger, CountsEachFileOnceAndFollowsWhatHappensToIt) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    uint64_t empty = used(hub, "alice");
    EXPECT_EQ(empty, hub.parts.ledger.used_bytes(repo));
    EXPECT_GT(empty, 0u);  // A README.md and .gitattributes.

    std::string sha256 = put_large(hub, repo, "a.bin", std::string(5000, 'a'));
    put_large(hub, repo, "again.bin", std::string(5000, 'a'));
    hub.run_tasks();
    uint64_t with_one = used(hub, "alice");
    EXPECT_GE(with_one, empty + 5000);
    EXPECT_LT(with_one, empty + 10'000);
    EXPECT_EQ(with_one, hub.parts.ledger.used_bytes(repo));

    Repo copy = hub.parts.repositories.duplicate(hub.by(hub.alice), repo,
                                                 {.repo_id = *RepoId::parse("acme/copy")});
    EXPECT_GE(used(hub, "acme"), 5000u);
    Repo moved = hub.parts.repositories.move(hub.by(hub.alice), copy, *RepoId::parse("alice/copy"));
    EXPECT_EQ(used(hub, "acme"), 0u);
    EXPECT_EQ(used(hub, "alice"), with_one + hub.parts.ledger.used_bytes(moved));
    // On the disk it is there once.
    NamespaceUse use = hub.parts.ledger.of_namespace("alice");
    EXPECT_LE(use.stored_bytes + 5000, use.used_bytes);

    hub.parts.repositories.remove(Actor::command_line(), moved);
    EXPECT_EQ(used(hub, "alice"), with_one);
    hub.parts.repositories.undelete(Actor::command_line(), moved, *RepoId::parse("acme/back"));
    EXPECT_GE(used(hub, "acme"), 5000u);
    hub.parts.repositories.remove_for_good(Actor::command_line(), moved);
    EXPECT_EQ(used(hub, "acme"), 0u);

    hub.parts.lfs_files.remove(hub.by(hub.alice), repo, {.sha256s = {sha256}});
    EXPECT_LT(used(hub, "alice"), 5000u + empty);
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Ledger, FreesWhatASquashLeftAtTheNextCollection) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    put_large(hub, repo, "a.bin", std::string(5000, 'a'));
    hub.commit(repo, [](CommitDraft& draft) { draft.delete_file("a.bin"); });
    hub.parts.commits.super_squash(hub.by(hub.alice), repo, "main", "");
    EXPECT_GE(used(hub, "alice"), 5000u);
    hub.collect();
    EXPECT_LT(used(hub, "alice"), 5000u);
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Ledger, IsFoundWrongAndMadeAgain) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    put_large(hub, repo, "a.bin", std::string(5000, 'a'));
    hub.run_tasks();
    uint64_t right = used(hub, "alice");
    hub.database.write([&](db::Tx& tx) {
      tx.execute("UPDATE repo SET large_bytes = 7 WHERE id = ?1", {repo.id});
      tx.execute("UPDATE namespace SET used_bytes = 8 WHERE id = ?1", {repo.namespace_id});
    });
    EXPECT_NE(hub.problems().find("its commits name 5000"), std::string::npos) << hub.problems();
    EXPECT_NE(hub.problems().find("the ledger has 8 bytes for alice"), std::string::npos);
    hub.parts.receive.rebuild_index(repo);
    hub.parts.ledger.rebuild_sums();
    EXPECT_EQ(hub.problems(), "");
    EXPECT_EQ(used(hub, "alice"), right);
  });
}

TEST(Quota, IsExactToTheByte) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, std::string(5000, 'a'));
    auto draft_for = [&](const Repo& target) {
      CommitDraft draft = hub.parts.commits.begin(hub.by(hub.alice), target, {"main"}, {"same"});
      draft.put_large("a.bin", sha256);
      return draft;
    };
    // The clock stands: repositories and commits are alike but for their names.
    uint64_t needed = used(hub, "alice");
    draft_for(repo).commit();
    needed = used(hub, "alice") - needed;
    EXPECT_GE(needed, 5000u);
    for (int64_t over : {-1, 0, 1}) {
      Repo next = hub.create("alice/nex" + std::to_string(over + 1));
      hub.upload(next, std::string(5000, 'a'));
      uint64_t now = used(hub, "alice");
      set_quota(hub, "alice", static_cast<uint64_t>(static_cast<int64_t>(now + needed) + over));
      CommitDraft draft = draft_for(next);
      if (over < 0) {
        Error error = error_of([&] { draft.commit(); });
        expect_full(error, "alice");
        EXPECT_EQ(used(hub, "alice"), now);
        EXPECT_EQ(hub.paths(next).size(), 1u);
      } else {
        draft.commit();
        EXPECT_EQ(used(hub, "alice"), now + needed);
      }
      set_quota(hub, "alice", UINT64_MAX >> 2);
    }
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Quota, HoldsWhenManyWriteAtOnce) {
  for_each_hub([](TestHub& hub) {
    constexpr int kWriters = 6;
    std::vector<Repo> repos;
    for (int i = 0; i < kWriters; ++i) {
      repos.push_back(hub.create("alice/r" + std::to_string(i)));
      hub.upload(repos.back(), std::string(100'000, 'a'));
    }
    std::string sha256 = sha256_hex(std::string(100'000, 'a'));
    uint64_t quota = used(hub, "alice") + 250'000;
    set_quota(hub, "alice", quota);
    std::atomic<int> taken = 0;
    std::vector<std::thread> writers;
    for (const Repo& repo : repos) {
      writers.emplace_back([&] {
        CommitDraft draft = hub.parts.commits.begin(hub.by(hub.alice), repo, {"main"}, {"big"});
        draft.put_large("a.bin", sha256);
        try {
          draft.commit();
          ++taken;
        } catch (const Error& error) {
          expect_full(error, "alice");
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(taken, 2);
    EXPECT_LE(used(hub, "alice"), quota);
  });
}

TEST(Quota, IsThatOfTheSettingsUnlessTheNamespaceHasItsOwn) {
  for_each_hub([](TestHub& hub) {
    HubContext context = hub.context();
    context.quotas = {.user_bytes = 1'000'000, .org_bytes = 10};
    RepositoryParts parts(context);
    Ledger& ledger = parts.ledger;
    EXPECT_EQ(ledger.of_namespace("alice").quota_bytes, 1'000'000u);
    EXPECT_FALSE(ledger.of_namespace("alice").has_own_quota);
    Error refused = error_of([&] {
      parts.repositories.create(hub.by(hub.alice), {.repo_id = *RepoId::parse("acme/none")});
    });
    expect_full(refused, "acme");
    EXPECT_FALSE(parts.repositories.find(RepoType::kModel, *RepoId::parse("acme/none")));
    ledger.set_quota(Actor::command_line(), "acme", {});
    EXPECT_EQ(ledger.of_namespace("acme").quota_bytes, std::nullopt);
    EXPECT_TRUE(ledger.of_namespace("acme").has_own_quota);
    parts.repositories.create(hub.by(hub.alice), {.repo_id = *RepoId::parse("acme/none")});
    ledger.set_quota(Actor::command_line(), "acme", {.as_settings_say = true});
    EXPECT_EQ(ledger.of_namespace("acme").quota_bytes, 10u);
    EXPECT_EQ(error_of([&] { ledger.set_quota(Actor::command_line(), "nobody", {}); }).kind(),
              ErrorKind::kNotFound);
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Quota, LetsAFullNamespaceDeleteButNotReceive) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = put_large(hub, repo, "a.bin", std::string(5000, 'a'));
    Repo other = hub.create("acme/other");
    put_large(hub, other, "b.bin", std::string(4000, 'b'));
    Repo gone = hub.create("alice/gone");
    hub.parts.repositories.remove(Actor::command_line(), gone);
    set_quota(hub, "alice", 10);

    expect_full(error_of([&] { hub.put(repo, "small.txt", "more"); }), "alice");
    expect_full(error_of([&] {
                  hub.parts.repositories.move(hub.by(hub.alice), other,
                                              *RepoId::parse("alice/other"));
                }),
                "alice");
    expect_full(error_of([&] {
                  hub.parts.repositories.duplicate(hub.by(hub.alice), other,
                                                   {.repo_id = *RepoId::parse("alice/copy")});
                }),
                "alice");
    expect_full(error_of([&] { hub.parts.repositories.undelete(Actor::command_line(), gone); }),
                "alice");
    EXPECT_EQ(used(hub, "acme"), hub.parts.ledger.used_bytes(other));

    // Within its namespace it moves, files go, histories are squashed.
    Repo moved = hub.parts.repositories.move(hub.by(hub.alice), repo, *RepoId::parse("alice/new"));
    hub.commit(moved, [](CommitDraft& draft) { draft.delete_file("a.bin"); });
    hub.parts.commits.super_squash(hub.by(hub.alice), moved, "main", "");
    hub.parts.lfs_files.remove(hub.by(hub.alice), moved, {.sha256s = {sha256}});
    EXPECT_LT(used(hub, "alice"), 5000u);
    hub.parts.ledger.set_quota(Actor::command_line(), "alice", {});
    hub.put(moved, "small.txt", "more");
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Quota, PromisesRoomInOrderAndOnlyForWhatIsNew) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string there = put_large(hub, repo, "a.bin", std::string(5000, 'a'));
    std::vector<Ledger::WantedFile> files = {{there, 5000},
                                             {std::string(64, '1'), 600},
                                             {std::string(64, '2'), 600},
                                             {std::string(64, '3'), 400}};
    EXPECT_TRUE(hub.parts.ledger.without_room(repo, files).empty());
    hub.parts.ledger.require_any_room(repo);
    set_quota(hub, "alice", used(hub, "alice") + 1000);
    EXPECT_EQ(hub.parts.ledger.without_room(repo, files),
              std::vector<std::string>{std::string(64, '2')});
    set_quota(hub, "alice", used(hub, "alice"));
    EXPECT_EQ(hub.parts.ledger.without_room(repo, files).size(), 3u);
    expect_full(error_of([&] { hub.parts.ledger.require_any_room(repo); }), "alice");

    // By sizes alone: what has the size of a file that is there may be that file.
    set_quota(hub, "alice", used(hub, "alice") + 1000);
    hub.parts.ledger.require_room_for_sizes(repo, {600, 400});
    hub.parts.ledger.require_room_for_sizes(repo, {600, 400, 5000});
    expect_full(error_of([&] { hub.parts.ledger.require_room_for_sizes(repo, {600, 401}); }),
                "alice");
  });
}

}  // namespace
}  // namespace hearth::hub
