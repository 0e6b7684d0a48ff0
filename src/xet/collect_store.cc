#include <algorithm>
#include <cstdlib>

#include "xet/collect_rows.h"

namespace hearth::xet::rows {
namespace {

MerkleHash hash_from(const Bytes& raw) {
  auto hash = MerkleHash::from_bytes(raw);
  if (!hash) throw Error(ErrorKind::kCorrupt, "The record of a stored file is damaged.");
  return *hash;
}

db::Value value_of(const std::optional<MerkleHash>& hash) {
  return hash ? db::Value(hash->view()) : db::Value(Bytes{});
}

constexpr int64_t kSlots = 64;

int64_t slot_of(const std::string& name) {
  return std::strtol(name.substr(0, 2).c_str(), nullptr, 16) % kSlots;
}

}  // namespace

void lock_names(db::Tx& tx, const std::vector<std::string>& names) {
  constexpr std::string_view kSql =
      "INSERT INTO removal_slot (slot, uses) VALUES (?1, 1)"
      " ON CONFLICT (slot) DO UPDATE SET uses = removal_slot.uses + 1";
  if (tx.engine() == db::Engine::kSqlite) return;
  std::set<int64_t> slots;  // In order: two that want the same ones do not wait for each other.
  for (const std::string& name : names) slots.insert(slot_of(name));
  for (int64_t slot : slots) tx.execute(kSql, {slot});
}

void lock_all_names(db::Tx& tx) {
  std::vector<std::string> names;
  for (int64_t slot = 0; slot < kSlots; ++slot) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    names.push_back(
        {kDigits[static_cast<size_t>(slot / 16)], kDigits[static_cast<size_t>(slot % 16)]});
  }
  lock_names(tx, names);
}

bool any_unused(db::Tx& tx, const std::string& repo_id, const std::vector<std::string>& sha256s) {
  constexpr std::string_view kSql =
      "SELECT 1 FROM repo_lfs WHERE repo_id = ?1 AND unused_ms IS NOT NULL"
      " AND sha256 IN {{list ?2}} LIMIT 1";
  return tx.query_one(kSql, {repo_id, db::in_list(sha256s)}).has_value();
}

void mark_used(db::Tx& tx, const std::string& repo_id, const std::vector<std::string>& sha256s) {
  constexpr std::string_view kSql =
      "UPDATE repo_lfs SET unused_ms = NULL WHERE repo_id = ?1 AND unused_ms IS NOT NULL"
      " AND sha256 IN {{list ?2}}";
  tx.execute(kSql, {repo_id, db::in_list(sha256s)});
}

std::set<std::string> sha256s_in_use(db::Tx& tx, const std::vector<std::string>& sha256s,
                                     int64_t unused_before_ms) {
  constexpr std::string_view kSql =
      "SELECT DISTINCT sha256 FROM repo_lfs WHERE sha256 IN {{list ?1}}"
      " AND (unused_ms IS NULL OR unused_ms >= ?2)";
  std::set<std::string> used;
  if (sha256s.empty()) return used;
  for (const db::Row& row : tx.query(kSql, {db::in_list(sha256s), unused_before_ms})) {
    used.insert(row.get_text(0));
  }
  return used;
}

std::vector<DeadFile> dead_files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                       int64_t unused_before_ms, int64_t limit) {
  constexpr std::string_view kSql =
      "SELECT f.file_hash, f.sha256, f.size_bytes FROM xet_file f WHERE f.file_hash > ?1"
      " AND NOT EXISTS (SELECT 1 FROM repo_lfs l WHERE l.sha256 = f.sha256"
      " AND (l.unused_ms IS NULL OR l.unused_ms >= ?2)) ORDER BY f.file_hash LIMIT ?3";
  std::vector<DeadFile> files;
  for (const db::Row& row : tx.query(kSql, {value_of(after), unused_before_ms, limit})) {
    files.push_back(
        {hash_from(row.get_blob(0)), row.get_text(1), static_cast<uint64_t>(row.get_int(2))});
  }
  return files;
}

bool delete_dead_file(db::Tx& tx, const DeadFile& file) {
  constexpr std::string_view kSql =
      "DELETE FROM xet_file WHERE file_hash = ?1"
      " AND NOT EXISTS (SELECT 1 FROM repo_lfs WHERE sha256 = ?2)";
  return tx.execute(kSql, {file.file_hash.view(), file.sha256}) > 0;
}

std::vector<LiveFile> live_files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                       int64_t unused_before_ms, int64_t limit) {
  constexpr std::string_view kSql =
      "SELECT f.file_hash, f.terms FROM xet_file f WHERE f.file_hash > ?1 AND EXISTS"
      " (SELECT 1 FROM repo_lfs l WHERE l.sha256 = f.sha256"
      " AND (l.unused_ms IS NULL OR l.unused_ms >= ?2)) ORDER BY f.file_hash LIMIT ?3";
  std::vector<LiveFile> files;
  for (const db::Row& row : tx.query(kSql, {value_of(after), unused_before_ms, limit})) {
    files.push_back({hash_from(row.get_blob(0)), row.get_blob(1)});
  }
  return files;
}

bool any_file(db::Tx& tx, const std::vector<MerkleHash>& files, int64_t unused_before_ms) {
  constexpr std::string_view kSql =
      "SELECT 1 FROM xet_file f WHERE f.file_hash = ?1 AND EXISTS (SELECT 1 FROM repo_lfs l"
      " WHERE l.sha256 = f.sha256 AND (l.unused_ms IS NULL OR l.unused_ms >= ?2))";
  return std::ranges::any_of(files, [&](const MerkleHash& file) {
    return tx.query_one(kSql, {file.view(), unused_before_ms}).has_value();
  });
}

std::vector<OldXorb> old_xorbs_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                     int64_t before_ms, int64_t limit) {
  constexpr std::string_view kSql =
      "SELECT x.hash, x.packed_bytes FROM xorb x WHERE x.hash > ?1 AND x.last_ref_ms < ?2"
      " AND NOT EXISTS (SELECT 1 FROM xorb_use u WHERE u.xorb_hash = x.hash)"
      " ORDER BY x.hash LIMIT ?3";
  std::vector<OldXorb> xorbs;
  for (const db::Row& row : tx.query(kSql, {value_of(after), before_ms, limit})) {
    xorbs.push_back({hash_from(row.get_blob(0)), static_cast<uint64_t>(row.get_int(1))});
  }
  return xorbs;
}

bool delete_old_xorb(db::Tx& tx, const MerkleHash& xorb, int64_t before_ms) {
  constexpr std::string_view kXorb =
      "DELETE FROM xorb WHERE hash = ?1 AND last_ref_ms < ?2"
      " AND NOT EXISTS (SELECT 1 FROM xorb_use WHERE xorb_hash = ?1)";
  if (tx.execute(kXorb, {xorb.view(), before_ms}) == 0) return false;
  tx.execute("DELETE FROM dedup_chunk WHERE xorb_hash = ?1", {xorb.view()});
  tx.execute("DELETE FROM xorb_upload WHERE xorb_hash = ?1", {xorb.view()});
  return true;
}

std::optional<int64_t> last_ref_of(db::Tx& tx, const MerkleHash& xorb) {
  auto row = tx.query_one("SELECT last_ref_ms FROM xorb WHERE hash = ?1", {xorb.view()});
  if (!row) return std::nullopt;
  return row->get_int(0);
}

std::optional<int64_t> lock_xorb(db::Tx& tx, const MerkleHash& xorb) {
  auto row =
      tx.query_one("SELECT last_ref_ms FROM xorb WHERE hash = ?1 {{for_update}}", {xorb.view()});
  if (!row) return std::nullopt;
  return row->get_int(0);
}

int64_t delete_old_uploads(db::Tx& tx, int64_t before_ms) {
  return tx.execute("DELETE FROM xorb_upload WHERE uploaded_ms < ?1", {before_ms});
}

bool are_rights_due(db::Tx& tx, const std::string& repo_id) {
  constexpr std::string_view kSql = "SELECT 1 FROM gc_repo WHERE repo_id = ?1 AND rights_due = 1";
  return tx.query_one(kSql, {repo_id}).has_value();
}

void set_shards_due(db::Tx& tx, bool due) {
  tx.execute(
      due ? "INSERT INTO gc_shards_due (only_one) VALUES (1) ON CONFLICT (only_one) DO NOTHING"
          : "DELETE FROM gc_shards_due WHERE only_one = 1");
}

bool shards_due(db::Tx& tx) {
  return tx.query_one("SELECT 1 FROM gc_shards_due WHERE only_one = 1").has_value();
}

}  // namespace hearth::xet::rows
