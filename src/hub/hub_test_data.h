#pragma once
// A hub with two people and an organisation, for the tests of this folder.

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "base/hash.h"
#include "base/text.h"
#include "db/test_database.h"
#include "git/git.h"
#include "hub/access.h"
#include "hub/accounts.h"
#include "hub/audit.h"
#include "hub/gc.h"
#include "hub/ledger_store.h"
#include "hub/parts.h"
#include "hub/tasks.h"
#include "xet/xet.h"

namespace hearth::hub {

class TestHub {
 public:
  explicit TestHub(db::TestDatabase& database) : TestHub(*database, database.folder()) {
    add_people();
  }
  /// The parts alone, on a database that may have people already.
  TestHub(db::Database& its_database, const fs::path& data_dir)
      : database(its_database),
        blobs(data_dir),
        accounts(database, clock),
        tasks(database, clock),
        audit(database, clock),
        large_files(database, blobs, clock, {.data_dir = data_dir, .secret = std::string(32, 's')}),
        parts(context()) {}

  HubContext context() {
    return {.data_dir = large_files.data_dir(),
            .database = &database,
            .clock = &clock,
            .access = &access,
            .audit = &audit,
            .tasks = &tasks,
            .large_files = &large_files};
  }

  void add_people() {
    alice = person("alice");
    bob = person("bob");
    accounts.create_organisation(Actor::command_line(), {.name = "acme", .owner = "alice"});
    auto acme = accounts.find_organisation("acme");
    alice.orgs.push_back({acme->id, "acme", "acme", OrgRole::kAdmin});
  }

  /// What verify says about repositories; empty when all is well.
  std::string problems() { return join(parts.repositories.verify().problems, "\n"); }

  GcReport collect(const GcOptions& options = {}) {
    return GarbageCollector(context(), parts.repositories, parts.receive, blobs).run(options);
  }

  /// Of its large files, as the ledger has it.
  uint64_t large_bytes(const Repo& repo) {
    return database.read([&](db::Tx& tx) { return repo_storage(tx, repo.id)->large_bytes; });
  }

  /// Runs every task that is due.
  void run_tasks() {
    TaskRunner runner(tasks);
    parts.repositories.register_tasks(runner);
    while (runner.run_one()) {
    }
  }

  Identity person(const std::string& name) {
    User user = accounts.create_user(Actor::command_line(), {.name = name});
    Identity identity;
    identity.user_id = user.id;
    identity.name = user.name;
    identity.fullname = user.fullname;
    identity.credential.kind = CredentialKind::kWriteToken;
    return identity;
  }

  Caller by(const Identity& identity) { return {identity, "127.0.0.1"}; }

  Repo create(const std::string& name, RepoType type = RepoType::kModel) {
    return parts.repositories.create(by(alice), {.type = type, .repo_id = *RepoId::parse(name)});
  }

  /// The row as it is now.
  Repo fresh(const Repo& repo) { return *parts.repositories.find_by_id(repo.id); }

  using Fill = std::function<void(CommitDraft&)>;
  CommitResult commit(const Repo& repo, const Fill& fill, CommitHeader header = {"change"},
                      Commits::Target target = {"main"}) {
    return commit_by(alice, repo, fill, std::move(header), std::move(target));
  }
  CommitResult commit_by(const Identity& who, const Repo& repo, const Fill& fill,
                         CommitHeader header = {"change"}, Commits::Target target = {"main"}) {
    clock.advance_ms(1000);
    CommitDraft draft = parts.commits.begin(by(who), repo, target, std::move(header));
    fill(draft);
    return draft.commit();
  }
  CommitResult put(const Repo& repo, const std::string& path, const std::string& content,
                   const std::string& summary = "change") {
    return commit(repo, [&](CommitDraft& draft) { draft.put(path, content); }, {summary});
  }

  /// Stores a large file and gives it to the repository, as an upload does. Returns its SHA-256.
  std::string upload(const Repo& repo, const std::string& content) {
    std::string sha256 = blobs.put(content);
    large_files.link_whole(repo.id, {sha256, content.size()});
    return sha256;
  }

  std::optional<std::string> text(const Repo& repo, const std::string& path,
                                  const std::string& revision = "main") {
    return parts.contents.text(repo, parts.contents.resolve(repo, revision), path);
  }

  std::vector<std::string> paths(const Repo& repo, const std::string& revision = "main") {
    std::vector<std::string> names;
    for (const auto& entry : parts.contents.files(repo, parts.contents.resolve(repo, revision))) {
      names.push_back(entry.path);
    }
    return names;
  }

  db::Database& database;
  FakeClock clock;
  Access access;
  blob::BlobStore blobs;
  Accounts accounts;
  Tasks tasks;
  Audit audit;
  xet::XetStore large_files;
  RepositoryParts parts;
  Identity alice;
  Identity bob;
};

inline void for_each_hub(const std::function<void(TestHub&)>& test) {
  db::for_each_engine([&](db::TestDatabase& database) {
    TestHub hub(database);
    test(hub);
  });
}

}  // namespace hearth::hub
