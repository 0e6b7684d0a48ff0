#include "hub/repository_store.h"

#include "hub/ledger_store.h"
#include "hub/list_sets.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

std::string_view gated_text(Gated gated) {
  switch (gated) {
    case Gated::kNo:
      return "";
    case Gated::kAuto:
      return "auto";
    case Gated::kManual:
      return "manual";
  }
  return "";
}

Gated gated_of(std::string_view text) {
  if (text == "auto") return Gated::kAuto;
  return text == "manual" ? Gated::kManual : Gated::kNo;
}

#define REPO_COLUMNS                                                                              \
  "r.id, r.type, r.namespace_name, r.name, r.namespace_id, r.creator_id, r.is_private, r.gated, " \
  "r.disabled, r.discussions_disabled, r.created_ms, r.updated_ms, r.head_oid, r.sdk, r.likes"

/// A deleted repository is there for repo_deletion.cc only.
#define NOT_DELETED " AND r.deleted_ms IS NULL"

Repo repo_of(const db::Row& row) {
  Repo repo;
  repo.id = row.get_text(0);
  auto type = parse_repo_type(row.get_text(1));
  if (!type) throw Error(ErrorKind::kCorrupt, "A repository has an unknown type.");
  repo.type = *type;
  repo.repo_id = {.namespace_name = row.get_text(2), .name = row.get_text(3)};
  repo.namespace_id = row.get_text(4);
  repo.creator_id = row.get_text(5);
  repo.is_private = row.get_bool(6);
  repo.gated = gated_of(row.get_text(7));
  repo.disabled = row.get_bool(8);
  repo.discussions_disabled = row.get_bool(9);
  repo.created_ms = row.get_int(10);
  repo.updated_ms = row.get_int(11);
  repo.head_oid = row.get_text(12);
  repo.sdk = row.get_text(13);
  repo.likes = row.get_int(14);
  return repo;
}

std::optional<Repo> one(const std::optional<db::Row>& row) {
  if (!row) return std::nullopt;
  return repo_of(*row);
}

std::vector<Repo> all(const db::Rows& rows) {
  std::vector<Repo> repos;
  repos.reserve(rows.size());
  for (const db::Row& row : rows) repos.push_back(repo_of(row));
  return repos;
}

/// Of a repository that goes, as it was: a deleted one counts no more.
void take_off(db::Tx& tx, const std::optional<RepoStorage>& storage) {
  if (!storage || storage->deleted) return;
  add_namespace_storage(tx, storage->namespace_id, -static_cast<int64_t>(storage->bytes()));
}

constexpr std::string_view kDropAlias = "DELETE FROM repo_alias WHERE type = ?1 AND name_key = ?2";

}  // namespace

std::optional<Repo> find_repo_row(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql =
      "SELECT " REPO_COLUMNS " FROM repo r WHERE r.id = ?1" NOT_DELETED;
  return one(tx.query_one(kSql, {id}));
}

std::optional<Repo> find_repo_row(db::Tx& tx, RepoType type, const RepoId& repo_id) {
  constexpr std::string_view kSql =
      "SELECT " REPO_COLUMNS " FROM repo r WHERE r.type = ?1 AND r.name_key = ?2" NOT_DELETED;
  return one(tx.query_one(kSql, {to_string(type), repo_id.key()}));
}

std::optional<Repo> find_moved_repo_row(db::Tx& tx, RepoType type, const RepoId& repo_id) {
  constexpr std::string_view kSql = "SELECT " REPO_COLUMNS
                                    " FROM repo_alias a JOIN repo r ON r.id = a.repo_id"
                                    " WHERE a.type = ?1 AND a.name_key = ?2" NOT_DELETED;
  return one(tx.query_one(kSql, {to_string(type), repo_id.key()}));
}

std::vector<Repo> find_repo_rows(db::Tx& tx, const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  constexpr std::string_view kSql =
      "SELECT " REPO_COLUMNS " FROM repo r WHERE r.id IN {{list ?1}}" NOT_DELETED;
  return all(tx.query(kSql, {db::in_list(ids)}));
}

std::vector<Repo> list_repo_rows(db::Tx& tx, std::string_view after_id, int64_t limit) {
  constexpr std::string_view kSql =
      "SELECT " REPO_COLUMNS " FROM repo r WHERE r.id > ?1" NOT_DELETED " ORDER BY r.id LIMIT ?2";
  return all(tx.query(kSql, {after_id, limit}));
}

std::vector<Repo> list_namespace_rows(db::Tx& tx, std::string_view namespace_id) {
  constexpr std::string_view kSql =
      "SELECT " REPO_COLUMNS " FROM repo r WHERE r.namespace_id = ?1" NOT_DELETED
      " ORDER BY r.type, r.name_key";
  return all(tx.query(kSql, {namespace_id}));
}

bool insert_repo_row(db::Tx& tx, const Repo& repo) {
  constexpr std::string_view kSql =
      "INSERT INTO repo (id, type, name_key, namespace_id, namespace_name, name, creator_id,"
      " is_private, gated, disabled, discussions_disabled, created_ms, updated_ms, head_oid, sdk,"
      " likes, git_bytes, last_discussion)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 0, 0)"
      " ON CONFLICT (type, name_key) DO NOTHING";
  int64_t inserted = tx.execute(
      kSql, {repo.id, to_string(repo.type), repo.repo_id.key(), repo.namespace_id,
             repo.repo_id.namespace_name, repo.repo_id.name, repo.creator_id, repo.is_private,
             gated_text(repo.gated), repo.disabled, repo.discussions_disabled, repo.created_ms,
             repo.updated_ms, repo.head_oid, repo.sdk, repo.likes});
  if (inserted == 0) return false;
  tx.execute(kDropAlias, {to_string(repo.type), repo.repo_id.key()});
  index_name(tx, repo.id, repo.repo_id.key());
  note_list_change(tx, repo.id);
  return true;
}

void update_repo_settings(db::Tx& tx, const Repo& repo) {
  constexpr std::string_view kSql =
      "UPDATE repo SET is_private = ?2, gated = ?3, discussions_disabled = ?4 WHERE id = ?1";
  tx.execute(kSql, {repo.id, repo.is_private, gated_text(repo.gated), repo.discussions_disabled});
  if (repo.gated != Gated::kNo) note_list_change(tx, repo.id);
}

void rename_repo_row(db::Tx& tx, const Repo& repo, const RepoId& old_id, int64_t now_ms) {
  constexpr std::string_view kRename =
      "UPDATE repo SET name_key = ?2, namespace_id = ?3, namespace_name = ?4, name = ?5"
      " WHERE id = ?1";
  constexpr std::string_view kAlias =
      "INSERT INTO repo_alias (type, name_key, repo_id, created_ms) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (type, name_key) DO UPDATE SET repo_id = excluded.repo_id,"
      " created_ms = excluded.created_ms";
  auto storage = repo_storage(tx, repo.id);
  if (storage && storage->namespace_id != repo.namespace_id) {
    auto bytes = static_cast<int64_t>(storage->bytes());
    add_namespace_storage(tx, storage->namespace_id, -bytes);
    add_namespace_storage(tx, repo.namespace_id, bytes);
  }
  tx.execute(kRename, {repo.id, repo.repo_id.key(), repo.namespace_id, repo.repo_id.namespace_name,
                       repo.repo_id.name});
  tx.execute(kDropAlias, {to_string(repo.type), repo.repo_id.key()});
  // Only a change of case is no other name.
  if (old_id.key() != repo.repo_id.key()) {
    forget_name(tx, repo.id, old_id.key());
    index_name(tx, repo.id, repo.repo_id.key());
    note_list_change(tx, repo.id);
    tx.execute(kAlias, {to_string(repo.type), old_id.key(), repo.id, now_ms});
  }
}

bool mark_repo_deleted(db::Tx& tx, std::string_view id, int64_t now_ms, int64_t kept_until_ms) {
  constexpr std::string_view kName =
      "SELECT name_key FROM repo WHERE id = ?1 AND deleted_ms IS NULL {{for_update}}";
  constexpr std::string_view kSql =
      "UPDATE repo SET deleted_ms = ?2, kept_until_ms = ?3, name_key = id"
      " WHERE id = ?1 AND deleted_ms IS NULL";
  auto row = tx.query_one(kName, {id});
  if (!row) return false;
  forget_name(tx, id, row->get_text(0));
  take_off(tx, repo_storage(tx, id));
  return tx.execute(kSql, {id, now_ms, kept_until_ms}) > 0;
}

void undelete_repo_row(db::Tx& tx, const Repo& repo) {
  constexpr std::string_view kSql =
      "UPDATE repo SET deleted_ms = NULL, kept_until_ms = NULL, name_key = ?2, namespace_id = ?3, "
      "namespace_name = ?4,"
      " name = ?5 WHERE id = ?1";
  tx.execute(kSql, {repo.id, repo.repo_id.key(), repo.namespace_id, repo.repo_id.namespace_name,
                    repo.repo_id.name});
  auto storage = repo_storage(tx, repo.id);
  if (storage) {
    add_namespace_storage(tx, repo.namespace_id, static_cast<int64_t>(storage->bytes()));
  }
  index_name(tx, repo.id, repo.repo_id.key());
  note_list_change(tx, repo.id);
  tx.execute(kDropAlias, {to_string(repo.type), repo.repo_id.key()});
}

std::vector<DeletedRepo> list_deleted_repo_rows(db::Tx& tx, int64_t kept_until_before_ms) {
  constexpr std::string_view kSql = "SELECT " REPO_COLUMNS
                                    ", r.deleted_ms, COALESCE(r.kept_until_ms, r.deleted_ms)"
                                    " FROM repo r"
                                    " WHERE r.deleted_ms IS NOT NULL"
                                    " AND (r.kept_until_ms < ?1 OR ?1 = ?2)"
                                    " ORDER BY r.deleted_ms DESC, r.id DESC";
  std::vector<DeletedRepo> repos;
  tx.for_each(kSql, {kept_until_before_ms, INT64_MAX}, [&](const db::Row& row) {
    repos.push_back({repo_of(row), row.get_int(15), row.get_int(16)});
    return true;
  });
  return repos;
}

void set_missing_kept_until(db::Tx& tx, int64_t undelete_ms) {
  constexpr std::string_view kSql =
      "UPDATE repo SET kept_until_ms = deleted_ms + ?1"
      " WHERE deleted_ms IS NOT NULL AND kept_until_ms IS NULL";
  tx.execute(kSql, {undelete_ms});
}

std::optional<DeletedRepo> find_deleted_repo_row(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql = "SELECT " REPO_COLUMNS
                                    ", r.deleted_ms, COALESCE(r.kept_until_ms, r.deleted_ms)"
                                    " FROM repo r"
                                    " WHERE r.id = ?1 AND r.deleted_ms IS NOT NULL";
  auto row = tx.query_one(kSql, {id});
  if (!row) return std::nullopt;
  return DeletedRepo{repo_of(*row), row->get_int(15), row->get_int(16)};
}

bool delete_repo_row(db::Tx& tx, std::string_view id, std::optional<int64_t> kept_until_before_ms) {
  constexpr std::string_view kAny = "DELETE FROM repo WHERE id = ?1 RETURNING name_key";
  constexpr std::string_view kDeleted =
      "DELETE FROM repo WHERE id = ?1 AND deleted_ms IS NOT NULL AND kept_until_ms < ?2"
      " RETURNING name_key";
  auto storage = repo_storage(tx, id);
  auto row = kept_until_before_ms ? tx.query_one(kDeleted, {id, *kept_until_before_ms})
                                  : tx.query_one(kAny, {id});
  if (!row) return false;
  forget_name(tx, id, row->get_text(0));
  take_off(tx, storage);
  return true;
}

void set_repo_head(db::Tx& tx, std::string_view id, std::string_view head_oid, int64_t updated_ms) {
  constexpr std::string_view kSql = "UPDATE repo SET head_oid = ?2, updated_ms = ?3 WHERE id = ?1";
  tx.execute(kSql, {id, head_oid, updated_ms});
}

bool lock_repo_row(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql =
      "SELECT id FROM repo WHERE id = ?1 AND deleted_ms IS NULL {{for_update}}";
  return tx.query_one(kSql, {id}).has_value();
}

int64_t next_discussion_number(db::Tx& tx, std::string_view id) {
  constexpr std::string_view kSql =
      "UPDATE repo SET last_discussion = last_discussion + 1 WHERE id = ?1 AND deleted_ms IS NULL"
      " RETURNING last_discussion";
  auto row = tx.query_one(kSql, {id});
  if (!row) throw Error(ErrorKind::kNotFound, "Repository not found", {.code = "RepoNotFound"});
  return row->get_int(0);
}

}  // namespace hearth::hub
