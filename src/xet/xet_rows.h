#pragma once
// The rows of the module's tables (private to the module). SQL stands in xet_rows_store.cc.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/db.h"
#include "xet/xet.h"

namespace hearth::xet::rows {

Bytes encode_terms(const std::vector<Term>& terms);
/// Throws Error{kCorrupt}.
std::vector<Term> decode_terms(ByteView bytes);

// xorb
std::optional<ChunkTable> find_table(db::Tx& tx, const MerkleHash& xorb);
void insert_xorb(db::Tx& tx, const MerkleHash& xorb, const ChunkTable& table, int64_t now_ms);
/// Replaces the table of a xorb, for rebuild().
void put_xorb(db::Tx& tx, const MerkleHash& xorb, const ChunkTable& table, int64_t now_ms);
/// False: there is no such xorb (any more). Locks the row until the transaction ends.
bool touch_xorb(db::Tx& tx, const MerkleHash& xorb, int64_t now_ms);
/// All hashes, in pages by order.
std::vector<MerkleHash> xorbs_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                    int64_t limit);

// xorb_upload
void insert_upload(db::Tx& tx, const std::string& user_id, const MerkleHash& xorb, int64_t now_ms);
bool uploaded_since(db::Tx& tx, const std::string& user_id, const MerkleHash& xorb,
                    int64_t since_ms);

// xorb_use
void insert_uses(db::Tx& tx, const std::string& repo_id, const std::set<MerkleHash>& xorbs);
bool repo_uses(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb);
/// Repositories that use the xorb, in pages by id.
std::vector<std::string> repos_using(db::Tx& tx, const MerkleHash& xorb,
                                     const std::string& after_repo_id, int64_t limit);

/// Every row, in pages by (repo, xorb).
std::vector<std::pair<std::string, MerkleHash>> uses_after(db::Tx& tx, const std::string& repo_id,
                                                           const std::optional<MerkleHash>& xorb,
                                                           int64_t limit);
void delete_use(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb);

// dedup_chunk
struct DedupRow {
  MerkleHash chunk;
  MerkleHash xorb;
};
void insert_dedup(db::Tx& tx, const std::vector<DedupRow>& rows);
std::vector<MerkleHash> chunks_of_xorb(db::Tx& tx, const MerkleHash& xorb);
void delete_dedup(db::Tx& tx, const MerkleHash& chunk, const MerkleHash& xorb);
std::vector<MerkleHash> xorbs_with_chunk(db::Tx& tx, const MerkleHash& chunk, int64_t limit);

// damaged (hub/scrub writes it)
struct DamagedNames {
  std::set<std::string> blobs;  // SHA-256
  std::set<std::string> xorbs;
  bool empty() const { return blobs.empty() && xorbs.empty(); }
};
DamagedNames damaged_names(db::Tx& tx);

// xet_file
std::optional<Recipe> find_file(db::Tx& tx, const MerkleHash& file_hash);
std::optional<Recipe> find_file_by_sha256(db::Tx& tx, const std::string& sha256);
/// A recipe that is there already stays.
void insert_file(db::Tx& tx, const Recipe& recipe, int64_t now_ms);
/// Replaces it by one that was read through just now.
void set_terms(db::Tx& tx, const Recipe& recipe);
/// Files of the repository that the xorb is a part of, as far as insert_file and note_xorbs have
/// noted it. Of a xorb of very many files some are looked at. Leaves damaged rows out.
std::vector<Recipe> files_with_xorb(db::Tx& tx, const std::string& repo_id, const MerkleHash& xorb,
                                    int64_t limit);
/// Notes which xorbs a stored file is made of; returns how many rows it wrote: none when all is
/// noted, or the file is gone. Throws Error{kCorrupt}.
size_t note_xorbs(db::Tx& tx, const MerkleHash& file_hash);
/// False: some are noted, and others than those that it is made of. A file of which none is noted
/// is older than the rows; that costs bytes of uploads and nothing else.
bool are_noted_xorbs_right(db::Tx& tx, const Recipe& recipe);
/// Ways in which clients have cut the same content.
int64_t count_files(db::Tx& tx, const std::string& sha256);
bool names_any(const Recipe& recipe, const std::set<std::string>& xorbs);
std::vector<MerkleHash> files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                    int64_t limit);

// repo_lfs
std::optional<LargeObject> find_object(db::Tx& tx, const std::string& repo_id,
                                       const std::string& sha256);
std::map<std::string, LargeObject> find_objects(db::Tx& tx, const std::string& repo_id,
                                                const std::vector<std::string>& sha256s);
std::vector<LargeObject> list_objects(db::Tx& tx, const std::string& repo_id,
                                      const std::string& after_sha256, int64_t limit);
/// Keeps an object's file hash when it has one, sets it when it has none.
void insert_object(db::Tx& tx, const std::string& repo_id, const LargeObject& object,
                   int64_t now_ms);
bool repo_has_file(db::Tx& tx, const std::string& repo_id, const MerkleHash& file_hash);
/// Repositories that have the object only as a whole file.
bool any_whole_only(db::Tx& tx, const std::string& sha256);
/// SHA-256 of files with content that some repository has only whole, sorted.
std::vector<std::string> whole_only_after(db::Tx& tx, const std::string& after, int64_t limit);
void copy_objects(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id,
                  int64_t now_ms);
void copy_uses(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id);
void delete_objects(db::Tx& tx, const std::string& repo_id,
                    const std::vector<std::string>& sha256s);
void delete_repo(db::Tx& tx, const std::string& repo_id);

struct OwnedObject {
  std::string repo_id;
  LargeObject object;
};
/// Every object of every repository, in pages by (repo, sha256).
std::vector<OwnedObject> objects_after(db::Tx& tx, const std::string& repo_id,
                                       const std::string& sha256, int64_t limit);

}  // namespace hearth::xet::rows
