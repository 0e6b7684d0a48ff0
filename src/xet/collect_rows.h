#pragma once
// Rows that the garbage collection asks for (private to the module). SQL stands in
// collect_store.cc.
//
// `unused_before_ms` of the questions below: an object that no commit has named since before that
// time counts as gone already. A real run gives INT64_MIN, since it has removed such rows before; a
// dry run gives the time up to which it would.

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/db.h"
#include "xet/merkle_hash.h"

namespace hearth::xet::rows {

/// Waits for everyone who is about to bring a stored file of one of these names (hashes, in hex)
/// into use, or to remove it; they wait for this transaction. The first statement of a transaction.
void lock_names(db::Tx& tx, const std::vector<std::string>& names);
void lock_all_names(db::Tx& tx);

// repo_lfs
bool any_unused(db::Tx& tx, const std::string& repo_id, const std::vector<std::string>& sha256s);
void mark_used(db::Tx& tx, const std::string& repo_id, const std::vector<std::string>& sha256s);
/// Those of `sha256s` that any repository has.
std::set<std::string> sha256s_in_use(db::Tx& tx, const std::vector<std::string>& sha256s,
                                     int64_t unused_before_ms);

// xet_file
struct DeadFile {
  MerkleHash file_hash;
  std::string sha256;
  uint64_t size_bytes = 0;
};
/// Files that no repository has.
std::vector<DeadFile> dead_files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                       int64_t unused_before_ms, int64_t limit);
/// False: a repository has it by now.
bool delete_dead_file(db::Tx& tx, const DeadFile& file);
struct LiveFile {
  MerkleHash file_hash;
  Bytes terms;
};
/// Files that a repository has.
std::vector<LiveFile> live_files_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                       int64_t unused_before_ms, int64_t limit);
bool any_file(db::Tx& tx, const std::vector<MerkleHash>& files, int64_t unused_before_ms);

// xorb, xorb_upload
struct OldXorb {
  MerkleHash hash;
  uint64_t packed_bytes = 0;
};
/// Xorbs that nobody uploaded, referred to or was told of since, and that no repository may refer
/// to.
std::vector<OldXorb> old_xorbs_after(db::Tx& tx, const std::optional<MerkleHash>& after,
                                     int64_t before_ms, int64_t limit);
/// With what is known about its chunks. False: it has come into use meanwhile.
bool delete_old_xorb(db::Tx& tx, const MerkleHash& xorb, int64_t before_ms);
/// When it was last uploaded, referred to or promised; nothing when there is no such xorb.
std::optional<int64_t> last_ref_of(db::Tx& tx, const MerkleHash& xorb);
/// The same, and locks its row.
std::optional<int64_t> lock_xorb(db::Tx& tx, const MerkleHash& xorb);
/// Rights of uploaders that have run out.
int64_t delete_old_uploads(db::Tx& tx, int64_t before_ms);

// gc_repo
/// Whether the repository may have rights to xorbs that none of its files is made of any more: kept
/// for clients that were told of them, and taken by a later collection.
bool are_rights_due(db::Tx& tx, const std::string& repo_id);

// gc_shards_due
void set_shards_due(db::Tx& tx, bool due);
bool shards_due(db::Tx& tx);

}  // namespace hearth::xet::rows
