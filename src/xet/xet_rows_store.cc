#include <algorithm>
#include <unordered_map>

#include "xet/little_endian.h"
#include "xet/xet_rows.h"

namespace hearth::xet::rows {
namespace {

// Terms as bytes: u32 count of xorbs, their hashes, then 12 bytes a term: u32 index of its xorb,
// u16 first chunk, u16 end chunk, u32 unpacked bytes. 8,192 chunks fit into 16 bits.
constexpr size_t kTermBytes = 12;

[[noreturn]] void throw_bad_terms() {
  throw Error(ErrorKind::kCorrupt, "The record of a stored file is damaged.");
}

MerkleHash hash_from(const Bytes& raw) {
  auto hash = MerkleHash::from_bytes(raw);
  if (!hash) throw Error(ErrorKind::kCorrupt, "The record of a stored file is damaged.");
  return *hash;
}

LargeObject object_from(const db::Row& row, size_t first_column) {
  LargeObject object{.sha256 = row.get_text(first_column),
                     .size_bytes = static_cast<uint64_t>(row.get_int(first_column + 1))};
  if (auto raw = row.get_optional_blob(first_column + 2)) object.file_hash = hash_from(*raw);
  return object;
}

std::optional<Recipe> recipe_from(const std::optional<db::Row>& row) {
  if (!row) return std::nullopt;
  return Recipe{.file_hash = hash_from(row->get_blob(0)),
                .sha256 = row->get_text(1),
                .size_bytes = static_cast<uint64_t>(row->get_int(2)),
                .terms = decode_terms(row->get_blob(3))};
}

std::vector<MerkleHash> hashes_from(const db::Rows& found) {
  std::vector<MerkleHash> hashes;
  for (const db::Row& row : found) hashes.push_back(hash_from(row.get_blob(0)));
  return hashes;
}

db::Value value_of(const MerkleHash& hash) {
  return hash.view();
}
db::Value value_of(const std::optional<MerkleHash>& hash) {
  // Nothing sorts before every hash.
  return hash ? db::Value(hash->view()) : db::Value(Bytes{});
}

std::set<MerkleHash> xorbs_of(const Recipe& recipe) {
  std::set<MerkleHash> xorbs;
  for (const Term& term : recipe.terms) xorbs.insert(term.xorb);
  return xorbs;
}

std::set<MerkleHash> noted_xorbs(db::Tx& tx, const MerkleHash& file_hash) {
  auto noted = hashes_from(
      tx.query("SELECT xorb_hash FROM xet_file_xorb WHERE file_hash = ?1", {value_of(file_hash)}));
  return {noted.begin(), noted.end()};
}

/// Writes what differs; returns how many rows that were.
size_t put_xorbs(db::Tx& tx, const Recipe& recipe) {
  auto wanted = xorbs_of(recipe);
  std::vector<db::Params> gone;
  for (const MerkleHash& xorb : noted_xorbs(tx, recipe.file_hash)) {
    if (wanted.erase(xorb) == 0) gone.push_back({value_of(xorb), value_of(recipe.file_hash)});
  }
  std::vector<db::Params> added;
  for (const MerkleHash& xorb : wanted) {
    added.push_back({value_of(xorb), value_of(recipe.file_hash)});
  }
  if (!gone.empty()) {
    tx.execute_many("DELETE FROM xet_file_xorb WHERE xorb_hash = ?1 AND file_hash = ?2", gone);
  }
  if (!added.empty()) {
    tx.execute_many(
        "INSERT INTO xet_file_xorb (xorb_hash, file_hash) VALUES (?1, ?2) "
        "ON CONFLICT (xorb_hash, file_hash) DO NOTHING",
        added);
  }
  return added.size() + gone.size();
}

}  // namespace

Bytes encode_terms(const std::vector<Term>& terms) {
  std::unordered_map<MerkleHash, uint32_t, MerkleHashHasher> index_of;
  std::vector<const MerkleHash*> xorbs;
  for (const Term& term : terms) {
    if (index_of.try_emplace(term.xorb, static_cast<uint32_t>(xorbs.size())).second) {
      xorbs.push_back(&term.xorb);
    }
  }
  Bytes out(4 + 32 * xorbs.size() + kTermBytes * terms.size());
  uint8_t* at = out.data();
  put_u32(at, static_cast<uint32_t>(xorbs.size()));
  at += 4;
  for (const MerkleHash* xorb : xorbs) at = std::copy(xorb->bytes.begin(), xorb->bytes.end(), at);
  for (const Term& term : terms) {
    put_u32(at, index_of.at(term.xorb));
    put_u32(at + 4, term.chunk_begin | term.chunk_end << 16);
    put_u32(at + 8, term.unpacked_bytes);
    at += kTermBytes;
  }
  return out;
}

std::vector<Term> decode_terms(ByteView bytes) {
  if (bytes.size() < 4) throw_bad_terms();
  uint64_t xorb_count = get_u32(bytes.data());
  if (xorb_count > (bytes.size() - 4) / 32) throw_bad_terms();
  ByteView hashes = bytes.subspan(4, 32 * xorb_count);
  ByteView left = bytes.subspan(4 + 32 * xorb_count);
  if (left.size() % kTermBytes != 0) throw_bad_terms();
  std::vector<Term> terms;
  terms.reserve(left.size() / kTermBytes);
  for (; !left.empty(); left = left.subspan(kTermBytes)) {
    uint32_t index = get_u32(left.data());
    if (index >= xorb_count) throw_bad_terms();
    uint32_t chunks = get_u32(left.data() + 4);
    terms.push_back({.xorb = *MerkleHash::from_bytes(hashes.subspan(32 * index, 32)),
                     .unpacked_bytes = get_u32(left.data() + 8),
                     .chunk_begin = chunks & 0xFFFF,
                     .chunk_end = chunks >> 16});
  }
  return terms;
}

std::optional<ChunkTable> find_table(db::Tx& tx, const MerkleHash& xorb) {
  auto row = tx.query_one("SELECT chunk_table FROM xorb WHERE hash = ?1", {value_of(xorb)});
  if (!row) return std::nullopt;
  return value_or_throw(ChunkTable::decode(row->get_blob(0)), "The record of a stored xorb",
                        ErrorKind::kCorrupt);
}

void insert_xorb(db::Tx& tx, const MerkleHash& xorb, const ChunkTable& table, int64_t now_ms) {
  tx.execute(
      "INSERT INTO xorb (hash, packed_bytes, unpacked_bytes, chunk_table, created_ms, last_ref_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?5) "
      "ON CONFLICT (hash) DO UPDATE SET last_ref_ms = excluded.last_ref_ms",
      {value_of(xorb), table.packed_bytes(), table.unpacked_bytes(), table.encode(), now_ms});
}

void put_xorb(db::Tx& tx, const MerkleHash& xorb, const ChunkTable& table, int64_t now_ms) {
  tx.execute(
      "INSERT INTO xorb (hash, packed_bytes, unpacked_bytes, chunk_table, created_ms, last_ref_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?5) "
      "ON CONFLICT (hash) DO UPDATE SET packed_bytes = excluded.packed_bytes, "
      "unpacked_bytes = excluded.unpacked_bytes, chunk_table = excluded.chunk_table",
      {value_of(xorb), table.packed_bytes(), table.unpacked_bytes(), table.encode(), now_ms});
}

bool touch_xorb(db::Tx& tx, const MerkleHash& xorb, int64_t now_ms) {
  return tx.execute("UPDATE xorb SET last_ref_ms = ?2 WHERE hash = ?1", {value_of(xorb), now_ms}) ==
         1;
}

std::vector<MerkleHash> xorbs_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                    int64_t limit) {
  return hashes_from(tx.query("SELECT hash FROM xorb WHERE hash > ?1 ORDER BY hash LIMIT ?2",
                              {value_of(after), limit}));
}

void insert_upload(db::Tx& tx, const std::string& user_id, const MerkleHash& xorb, int64_t now_ms) {
  tx.execute(
      "INSERT INTO xorb_upload (user_id, xorb_hash, uploaded_ms) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (user_id, xorb_hash) DO UPDATE SET uploaded_ms = excluded.uploaded_ms",
      {user_id, value_of(xorb), now_ms});
}

bool uploaded_since(db::Tx& tx, const std::string& user_id, const MerkleHash& xorb,
                    int64_t since_ms) {
  return tx
      .query_one(
          "SELECT 1 FROM xorb_upload WHERE user_id = ?1 AND xorb_hash = ?2 AND uploaded_ms >= ?3",
          {user_id, value_of(xorb), since_ms})
      .has_value();
}

void insert_uses(db::Tx& tx, const std::string& repo_id, const std::set<MerkleHash>& xorbs) {
  std::vector<db::Params> rows;
  for (const MerkleHash& xorb : xorbs) rows.push_back({repo_id, value_of(xorb)});
  tx.execute_many(
      "INSERT INTO xorb_use (repo_id, xorb_hash) VALUES (?1, ?2) "
      "ON CONFLICT (repo_id, xorb_hash) DO NOTHING",
      rows);
}

bool repo_uses(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb) {
  return tx
      .query_one("SELECT 1 FROM xorb_use WHERE repo_id = ?1 AND xorb_hash = ?2",
                 {repo_id, value_of(xorb)})
      .has_value();
}

std::vector<std::string> repos_using(db::Tx& tx, const MerkleHash& xorb,
                                     const std::string& after_repo_id, int64_t limit) {
  std::vector<std::string> repos;
  for (const db::Row& row : tx.query("SELECT repo_id FROM xorb_use WHERE xorb_hash = ?1 "
                                     "AND repo_id > ?2 ORDER BY repo_id LIMIT ?3",
                                     {value_of(xorb), after_repo_id, limit})) {
    repos.push_back(row.get_text(0));
  }
  return repos;
}

std::vector<std::pair<std::string, MerkleHash>> uses_after(db::Tx& tx, const std::string& repo_id,
                                                           const std::optional<MerkleHash>& xorb,
                                                           int64_t limit) {
  std::vector<std::pair<std::string, MerkleHash>> uses;
  for (const db::Row& row :
       tx.query("SELECT repo_id, xorb_hash FROM xorb_use WHERE (repo_id, xorb_hash) > (?1, ?2) "
                "ORDER BY repo_id, xorb_hash LIMIT ?3",
                {repo_id, value_of(xorb), limit})) {
    uses.emplace_back(row.get_text(0), hash_from(row.get_blob(1)));
  }
  return uses;
}

void delete_use(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb) {
  tx.execute("DELETE FROM xorb_use WHERE repo_id = ?1 AND xorb_hash = ?2",
             {repo_id, value_of(xorb)});
}

std::vector<MerkleHash> chunks_of_xorb(db::Tx& tx, const MerkleHash& xorb) {
  return hashes_from(
      tx.query("SELECT chunk_hash FROM dedup_chunk WHERE xorb_hash = ?1", {value_of(xorb)}));
}

void delete_dedup(db::Tx& tx, const MerkleHash& chunk, const MerkleHash& xorb) {
  tx.execute("DELETE FROM dedup_chunk WHERE chunk_hash = ?1 AND xorb_hash = ?2",
             {value_of(chunk), value_of(xorb)});
}

void insert_dedup(db::Tx& tx, const std::vector<DedupRow>& dedup_rows) {
  std::vector<db::Params> rows;
  for (const DedupRow& row : dedup_rows) rows.push_back({value_of(row.chunk), value_of(row.xorb)});
  tx.execute_many(
      "INSERT INTO dedup_chunk (chunk_hash, xorb_hash) VALUES (?1, ?2) "
      "ON CONFLICT (chunk_hash, xorb_hash) DO NOTHING",
      rows);
}

std::vector<MerkleHash> xorbs_with_chunk(db::Tx& tx, const MerkleHash& chunk, int64_t limit) {
  return hashes_from(
      tx.query("SELECT xorb_hash FROM dedup_chunk WHERE chunk_hash = ?1 "
               "ORDER BY xorb_hash LIMIT ?2",
               {value_of(chunk), limit}));
}

std::optional<Recipe> find_file(db::Tx& tx, const MerkleHash& file_hash) {
  return recipe_from(
      tx.query_one("SELECT file_hash, sha256, size_bytes, terms FROM xet_file WHERE file_hash = ?1",
                   {value_of(file_hash)}));
}

std::optional<Recipe> find_file_by_sha256(db::Tx& tx, const std::string& sha256) {
  return recipe_from(
      tx.query_one("SELECT file_hash, sha256, size_bytes, terms FROM xet_file "
                   "WHERE sha256 = ?1 ORDER BY created_ms, file_hash LIMIT 1",
                   {sha256}));
}

void insert_file(db::Tx& tx, const Recipe& recipe, int64_t now_ms) {
  int64_t inserted = tx.execute(
      "INSERT INTO xet_file (file_hash, sha256, size_bytes, terms, created_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (file_hash) DO NOTHING",
      {value_of(recipe.file_hash), recipe.sha256, recipe.size_bytes, encode_terms(recipe.terms),
       now_ms});
  if (inserted > 0) put_xorbs(tx, recipe);
}

void set_terms(db::Tx& tx, const Recipe& recipe) {
  tx.execute("UPDATE xet_file SET terms = ?2 WHERE file_hash = ?1",
             {value_of(recipe.file_hash), encode_terms(recipe.terms)});
  put_xorbs(tx, recipe);
}

std::vector<Recipe> files_with_xorb(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb,
                                    int64_t limit) {
  constexpr int64_t kLookedAtMax = 1000;
  auto found = hashes_from(
      tx.query("SELECT d.file_hash FROM (SELECT file_hash FROM xet_file_xorb WHERE xorb_hash = ?1 "
               "LIMIT ?2) d CROSS JOIN repo_lfs l WHERE l.repo_id = ?3 AND l.file_hash = "
               "d.file_hash LIMIT ?4",
               {value_of(xorb), kLookedAtMax, repo_id, limit}));
  std::vector<Recipe> recipes;
  for (const MerkleHash& file : found) {
    try {
      if (auto recipe = find_file(tx, file)) recipes.push_back(std::move(*recipe));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kCorrupt) throw;
    }
  }
  return recipes;
}

size_t note_xorbs(db::Tx& tx, const MerkleHash& file_hash) {
  auto recipe = find_file(tx, file_hash);
  return recipe ? put_xorbs(tx, *recipe) : 0;
}

bool are_noted_xorbs_right(db::Tx& tx, const Recipe& recipe) {
  auto noted = noted_xorbs(tx, recipe.file_hash);
  return noted.empty() || noted == xorbs_of(recipe);
}

int64_t count_files(db::Tx& tx, const std::string& sha256) {
  return tx.query_one("SELECT COUNT(*) FROM xet_file WHERE sha256 = ?1", {sha256})->get_int(0);
}

bool names_any(const Recipe& recipe, const std::set<std::string>& xorbs) {
  return !xorbs.empty() && std::ranges::any_of(recipe.terms, [&](const Term& term) {
    return xorbs.contains(term.xorb.text());
  });
}

std::vector<MerkleHash> files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                    int64_t limit) {
  return hashes_from(
      tx.query("SELECT file_hash FROM xet_file WHERE file_hash > ?1 ORDER BY file_hash LIMIT ?2",
               {value_of(after), limit}));
}

std::optional<LargeObject> find_object(db::Tx& tx, const std::string& repo_id,
                                       const std::string& sha256) {
  auto row = tx.query_one(
      "SELECT sha256, size_bytes, file_hash FROM repo_lfs WHERE repo_id = ?1 AND sha256 = ?2",
      {repo_id, sha256});
  if (!row) return std::nullopt;
  return object_from(*row, 0);
}

std::map<std::string, LargeObject> find_objects(db::Tx& tx, const std::string& repo_id,
                                                const std::vector<std::string>& sha256s) {
  std::map<std::string, LargeObject> objects;
  if (sha256s.empty()) return objects;
  for (const db::Row& row : tx.query("SELECT sha256, size_bytes, file_hash FROM repo_lfs "
                                     "WHERE repo_id = ?1 AND sha256 IN {{list ?2}}",
                                     {repo_id, db::in_list(sha256s)})) {
    LargeObject object = object_from(row, 0);
    objects.emplace(object.sha256, object);
  }
  return objects;
}

std::vector<LargeObject> list_objects(db::Tx& tx, const std::string& repo_id,
                                      const std::string& after_sha256, int64_t limit) {
  std::vector<LargeObject> objects;
  for (const db::Row& row : tx.query("SELECT sha256, size_bytes, file_hash, created_ms "
                                     "FROM repo_lfs WHERE repo_id = ?1 AND sha256 > ?2 "
                                     "ORDER BY sha256 LIMIT ?3",
                                     {repo_id, after_sha256, limit})) {
    objects.push_back(object_from(row, 0));
    objects.back().created_ms = row.get_int(3);
  }
  return objects;
}

void insert_object(db::Tx& tx, const std::string& repo_id, const LargeObject& object,
                   int64_t now_ms) {
  db::Value file_hash = object.file_hash ? value_of(*object.file_hash) : db::Value();
  tx.execute(
      "INSERT INTO repo_lfs (repo_id, sha256, size_bytes, file_hash, created_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (repo_id, sha256) "
      "DO UPDATE SET file_hash = COALESCE(repo_lfs.file_hash, excluded.file_hash),"
      " unused_ms = NULL",
      {repo_id, object.sha256, object.size_bytes, file_hash, now_ms});
}

bool repo_has_file(db::Tx& tx, const std::string& repo_id, const MerkleHash& file_hash) {
  return tx
      .query_one("SELECT 1 FROM repo_lfs WHERE repo_id = ?1 AND file_hash = ?2",
                 {repo_id, value_of(file_hash)})
      .has_value();
}

bool any_whole_only(db::Tx& tx, const std::string& sha256) {
  return tx
      .query_one("SELECT 1 FROM repo_lfs WHERE sha256 = ?1 AND file_hash IS NULL LIMIT 1", {sha256})
      .has_value();
}

std::vector<std::string> whole_only_after(db::Tx& tx, const std::string& after, int64_t limit) {
  std::vector<std::string> sha256s;
  for (const db::Row& row : tx.query("SELECT DISTINCT sha256 FROM repo_lfs WHERE sha256 > ?1"
                                     " AND file_hash IS NULL AND size_bytes > 0"
                                     " ORDER BY sha256 LIMIT ?2",
                                     {after, limit})) {
    sha256s.push_back(row.get_text(0));
  }
  return sha256s;
}

void copy_objects(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id,
                  int64_t now_ms) {
  tx.execute(
      "INSERT INTO repo_lfs (repo_id, sha256, size_bytes, file_hash, created_ms) "
      "SELECT ?2, sha256, size_bytes, file_hash, ?3 FROM repo_lfs WHERE repo_id = ?1 "
      "ON CONFLICT (repo_id, sha256) "
      "DO UPDATE SET file_hash = COALESCE(repo_lfs.file_hash, excluded.file_hash),"
      " unused_ms = NULL",
      {from_repo_id, to_repo_id, now_ms});
}

void copy_uses(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id) {
  tx.execute(
      "INSERT INTO xorb_use (repo_id, xorb_hash) "
      "SELECT ?2, xorb_hash FROM xorb_use WHERE repo_id = ?1 "
      "ON CONFLICT (repo_id, xorb_hash) DO NOTHING",
      {from_repo_id, to_repo_id});
}

void delete_objects(db::Tx& tx, const std::string& repo_id,
                    const std::vector<std::string>& sha256s) {
  if (sha256s.empty()) return;
  tx.execute("DELETE FROM repo_lfs WHERE repo_id = ?1 AND sha256 IN {{list ?2}}",
             {repo_id, db::in_list(sha256s)});
}

void delete_repo(db::Tx& tx, const std::string& repo_id) {
  tx.execute("DELETE FROM repo_lfs WHERE repo_id = ?1", {repo_id});
  tx.execute("DELETE FROM xorb_use WHERE repo_id = ?1", {repo_id});
}

std::vector<OwnedObject> objects_after(db::Tx& tx, const std::string& repo_id,
                                       const std::string& sha256, int64_t limit) {
  std::vector<OwnedObject> objects;
  for (const db::Row& row :
       tx.query("SELECT repo_id, sha256, size_bytes, file_hash FROM repo_lfs "
                "WHERE (repo_id, sha256) > (?1, ?2) ORDER BY repo_id, sha256 LIMIT ?3",
                {repo_id, sha256, limit})) {
    objects.push_back({.repo_id = row.get_text(0), .object = object_from(row, 1)});
  }
  return objects;
}

DamagedNames damaged_names(db::Tx& tx) {
  DamagedNames names;
  for (const db::Row& row :
       tx.query("SELECT kind, name FROM damaged WHERE kind IN ('blob', 'xorb')")) {
    (row.get_text(0) == "blob" ? names.blobs : names.xorbs).insert(row.get_text(1));
  }
  return names;
}

}  // namespace hearth::xet::rows
