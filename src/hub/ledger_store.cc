#include "hub/ledger_store.h"

#include <algorithm>

namespace hearth::hub {
namespace {

constexpr size_t kListMax = 500;  // Hashes in one statement.

uint64_t unsigned_of(const db::Row& row, size_t column) {
  return static_cast<uint64_t>(row.get_int(column));
}

NamespaceStorage storage_of(const db::Row& row) {
  NamespaceStorage found{.id = row.get_text(0),
                         .name = row.get_text(1),
                         .is_org = row.get_text(2) == "org",
                         .used_bytes = unsigned_of(row, 3)};
  if (!row.is_null(4)) found.quota_bytes = row.get_int(4);
  return found;
}

#define NAMESPACE_COLUMNS "n.id, n.name, n.kind, n.used_bytes, n.quota_bytes"

// Pointers that differ in their spelling, or stand in several commits, are one file.
#define COUNTED_FILES                                                                         \
  "SELECT MAX(p.size_bytes) AS size_bytes FROM pointer p WHERE p.repo_id = ?1 AND NOT EXISTS" \
  " (SELECT 1 FROM lfs_deletion d WHERE d.repo_id = p.repo_id AND d.sha256 = p.sha256)"

}  // namespace

std::optional<RepoStorage> repo_storage(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql =
      "SELECT namespace_id, deleted_ms, large_bytes, git_bytes FROM repo WHERE id = ?1";
  auto row = tx.query_one(kSql, {repo_id});
  if (!row) return std::nullopt;
  return RepoStorage{.namespace_id = row->get_text(0),
                     .deleted = !row->is_null(1),
                     .large_bytes = unsigned_of(*row, 2),
                     .git_bytes = unsigned_of(*row, 3)};
}

std::map<std::string, uint64_t> namespace_repo_bytes(db::Tx& tx, std::string_view namespace_id) {
  constexpr std::string_view kSql =
      "SELECT id, large_bytes + git_bytes FROM repo WHERE namespace_id = ?1 AND deleted_ms IS NULL";
  std::map<std::string, uint64_t> bytes;
  tx.for_each(kSql, {namespace_id}, [&](const db::Row& row) {
    bytes[row.get_text(0)] = unsigned_of(row, 1);
    return true;
  });
  return bytes;
}

std::optional<NamespaceStorage> namespace_storage(db::Tx& tx, std::string_view namespace_id) {
  constexpr std::string_view kSql = "SELECT " NAMESPACE_COLUMNS " FROM namespace n WHERE n.id = ?1";
  auto row = tx.query_one(kSql, {namespace_id});
  if (!row) return std::nullopt;
  return storage_of(*row);
}

std::vector<NamespaceStorage> namespace_storages(db::Tx& tx, std::string_view after_key,
                                                 int64_t limit) {
  constexpr std::string_view kSql = "SELECT " NAMESPACE_COLUMNS
                                    " FROM namespace n WHERE n.name_key > ?1"
                                    " ORDER BY n.name_key LIMIT ?2";
  std::vector<NamespaceStorage> found;
  for (const db::Row& row : tx.query(kSql, {after_key, limit})) found.push_back(storage_of(row));
  return found;
}

void set_namespace_quota(db::Tx& tx, std::string_view namespace_id,
                         std::optional<int64_t> quota_bytes) {
  constexpr std::string_view kSql = "UPDATE namespace SET quota_bytes = ?2 WHERE id = ?1";
  tx.execute(kSql, {namespace_id, quota_bytes});
}

void add_repo_storage(db::Tx& tx, std::string_view repo_id, int64_t large_bytes,
                      int64_t git_bytes) {
  if (large_bytes == 0 && git_bytes == 0) return;
  constexpr std::string_view kSql =
      "UPDATE repo SET large_bytes = large_bytes + ?2, git_bytes = git_bytes + ?3 WHERE id = ?1"
      " RETURNING namespace_id, deleted_ms";
  auto row = tx.query_one(kSql, {repo_id, large_bytes, git_bytes});
  if (row && row->is_null(1)) {
    add_namespace_storage(tx, row->get_text(0), large_bytes + git_bytes);
  }
}

void add_namespace_storage(db::Tx& tx, std::string_view namespace_id, int64_t bytes) {
  constexpr std::string_view kSql =
      "UPDATE namespace SET used_bytes = used_bytes + ?2 WHERE id = ?1";
  if (bytes != 0) tx.execute(kSql, {namespace_id, bytes});
}

uint64_t counted_bytes(db::Tx& tx, std::string_view repo_id,
                       const std::vector<std::string>& sha256s) {
  constexpr std::string_view kSql = COUNTED_FILES " AND p.sha256 IN {{list ?2}} GROUP BY p.sha256";
  // A list that names a file twice must not count it in two statements.
  std::vector<std::string> wanted = sha256s;
  std::ranges::sort(wanted);
  wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
  uint64_t sum = 0;
  for (size_t begin = 0; begin < wanted.size(); begin += kListMax) {
    auto first = wanted.begin() + static_cast<std::ptrdiff_t>(begin);
    auto last = first + static_cast<std::ptrdiff_t>(std::min(kListMax, wanted.size() - begin));
    tx.for_each(kSql, {repo_id, db::in_list(std::vector<std::string>(first, last))},
                [&](const db::Row& row) {
                  sum += unsigned_of(row, 0);
                  return true;
                });
  }
  return sum;
}

uint64_t counted_bytes(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = COUNTED_FILES " GROUP BY p.sha256";
  uint64_t sum = 0;
  tx.for_each(kSql, {repo_id}, [&](const db::Row& row) {
    sum += unsigned_of(row, 0);
    return true;
  });
  return sum;
}

bool is_counted(db::Tx& tx, std::string_view repo_id, std::string_view sha256) {
  constexpr std::string_view kSql = COUNTED_FILES " AND p.sha256 = ?2 GROUP BY p.sha256";
  return tx.query_one(kSql, {repo_id, sha256}).has_value();
}

bool is_any_of_size(db::Tx& tx, std::string_view repo_id, uint64_t size_bytes) {
  constexpr std::string_view kSql =
      "SELECT 1 FROM pointer WHERE repo_id = ?1 AND size_bytes = ?2 LIMIT 1";
  return tx.query_one(kSql, {repo_id, size_bytes}).has_value();
}

uint64_t git_bytes_in(db::Tx& tx, std::string_view namespace_id) {
  constexpr std::string_view kSql =
      "SELECT CAST(COALESCE(SUM(git_bytes), 0) AS BIGINT) FROM repo"
      " WHERE namespace_id = ?1 AND deleted_ms IS NULL";
  return unsigned_of(*tx.query_one(kSql, {namespace_id}), 0);
}

uint64_t stored_once_bytes(db::Tx& tx, std::string_view namespace_id) {
  constexpr std::string_view kXorbs =
      "SELECT CAST(COALESCE(SUM(x.packed_bytes), 0) AS BIGINT) FROM xorb x WHERE x.hash IN"
      " (SELECT u.xorb_hash FROM repo r JOIN xorb_use u ON u.repo_id = r.id"
      " WHERE r.namespace_id = ?1 AND r.deleted_ms IS NULL)";
  constexpr std::string_view kWhole =
      "SELECT DISTINCT l.sha256, l.size_bytes FROM repo r JOIN repo_lfs l ON l.repo_id = r.id"
      " WHERE r.namespace_id = ?1 AND r.deleted_ms IS NULL AND l.file_hash IS NULL";
  uint64_t sum = unsigned_of(*tx.query_one(kXorbs, {namespace_id}), 0);
  tx.for_each(kWhole, {namespace_id}, [&](const db::Row& row) {
    sum += unsigned_of(row, 1);
    return true;
  });
  return sum;
}

std::vector<std::string> repos_with_lfs_deletions(db::Tx& tx) {
  constexpr std::string_view kSql = "SELECT DISTINCT repo_id FROM lfs_deletion";
  std::vector<std::string> ids;
  for (const db::Row& row : tx.query(kSql)) ids.push_back(row.get_text(0));
  return ids;
}

std::vector<WrongSum> wrong_namespace_sums(db::Tx& tx) {
  constexpr std::string_view kSql =
      "SELECT every_one.name, every_one.used_bytes,"
      " (SELECT CAST(COALESCE(SUM(r.large_bytes + r.git_bytes), 0) AS BIGINT) FROM repo r"
      " WHERE r.namespace_id = every_one.id AND r.deleted_ms IS NULL)"
      " FROM namespace every_one ORDER BY every_one.name_key";
  std::vector<WrongSum> wrong;
  tx.for_each(kSql, {}, [&](const db::Row& row) {
    WrongSum sum{row.get_text(0), unsigned_of(row, 1), unsigned_of(row, 2)};
    if (sum.noted_bytes != sum.counted_bytes) wrong.push_back(std::move(sum));
    return true;
  });
  return wrong;
}

void rebuild_namespace_sums(db::Tx& tx) {
  constexpr std::string_view kSql =
      "UPDATE namespace AS every_one SET used_bytes ="
      " (SELECT COALESCE(SUM(r.large_bytes + r.git_bytes), 0) FROM repo r"
      " WHERE r.namespace_id = every_one.id AND r.deleted_ms IS NULL)";
  tx.execute(kSql);
}

}  // namespace hearth::hub
