#include "hub/path_index_store.h"

#include <algorithm>

namespace hearth::hub {
namespace {

constexpr size_t kListMax = 500;  // Paths in one statement.

template <typename Fn>
void in_batches(const std::vector<std::string>& paths, Fn&& fn) {
  for (size_t begin = 0; begin < paths.size(); begin += kListMax) {
    size_t end = std::min(paths.size(), begin + kListMax);
    fn(std::vector<std::string>(paths.begin() + static_cast<std::ptrdiff_t>(begin),
                                paths.begin() + static_cast<std::ptrdiff_t>(end)));
  }
}

}  // namespace

LastCommits path_rows(db::Tx& tx, std::string_view repo_id, const std::vector<std::string>& paths) {
  constexpr std::string_view kSql =
      "SELECT path, commit_oid, title, time_ms FROM path_entry"
      " WHERE repo_id = ?1 AND path IN {{list ?2}}";
  LastCommits found;
  in_batches(paths, [&](const std::vector<std::string>& batch) {
    for (const db::Row& row : tx.query(kSql, {repo_id, db::in_list(batch)})) {
      found[row.get_text(0)] = {row.get_text(1), row.get_text(2), row.get_int(3)};
    }
  });
  return found;
}

int64_t count_path_rows(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = "SELECT COUNT(*) FROM path_entry WHERE repo_id = ?1";
  return tx.query_one(kSql, {repo_id})->get_int(0);
}

void upsert_path_rows(db::Tx& tx, std::string_view repo_id, const LastCommits& rows) {
  constexpr std::string_view kSql =
      "INSERT INTO path_entry (repo_id, path, commit_oid, title, time_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (repo_id, path) DO UPDATE SET"
      " commit_oid = excluded.commit_oid, title = excluded.title, time_ms = excluded.time_ms";
  std::vector<db::Params> params;
  params.reserve(rows.size());
  for (const auto& [path, last] : rows) {
    params.push_back({repo_id, path, last.oid, last.title, last.time_ms});
  }
  if (!params.empty()) tx.execute_many(kSql, params);
}

void delete_path_rows(db::Tx& tx, std::string_view repo_id, const std::vector<std::string>& paths) {
  constexpr std::string_view kSql =
      "DELETE FROM path_entry WHERE repo_id = ?1 AND path IN {{list ?2}}";
  in_batches(paths, [&](const std::vector<std::string>& batch) {
    tx.execute(kSql, {repo_id, db::in_list(batch)});
  });
}

void delete_path_rows(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = "DELETE FROM path_entry WHERE repo_id = ?1";
  tx.execute(kSql, {repo_id});
}

std::string indexed_commit_of(db::Tx& tx, std::string_view repo_id) {
  constexpr std::string_view kSql = "SELECT commit_oid FROM path_index WHERE repo_id = ?1";
  auto row = tx.query_one(kSql, {repo_id});
  return row ? row->get_text(0) : std::string();
}

void set_indexed_commit(db::Tx& tx, std::string_view repo_id, std::string_view commit_oid) {
  constexpr std::string_view kDelete = "DELETE FROM path_index WHERE repo_id = ?1";
  constexpr std::string_view kSet =
      "INSERT INTO path_index (repo_id, commit_oid) VALUES (?1, ?2)"
      " ON CONFLICT (repo_id) DO UPDATE SET commit_oid = excluded.commit_oid";
  if (commit_oid.empty()) {
    tx.execute(kDelete, {repo_id});
  } else {
    tx.execute(kSet, {repo_id, commit_oid});
  }
}

}  // namespace hearth::hub
