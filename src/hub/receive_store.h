#pragma once
// Rows of hub/receive: moves of refs, where refs stood, pointers.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "db/db.h"
#include "hub/audit.h"

namespace hearth::hub {

/// One move of a ref, as the table remembers it.
struct RefUpdateRow {
  std::string id;
  std::string repo_id;
  std::string ref;
  std::string old_oid;  // '' when it was not there
  std::string new_oid;  // '' when it goes
  std::string kind;     // "push", "commit", …
  json::object payload;
  Actor actor;
  int64_t created_ms = 0;
};

struct PointerRow {
  std::string blob_oid;
  std::string sha256;
  uint64_t size_bytes = 0;
  uint64_t pointer_bytes = 0;
  bool operator==(const PointerRow&) const = default;
};

/// `kind` of a move that puts a history without some files in a ref's place (hub/lfs_files).
constexpr std::string_view kRewriteKind = "rewrite";

struct RefHead {
  std::string commit_oid;
  uint64_t commit_count = 0;
  bool operator==(const RefHead&) const = default;
};

void insert_pending(db::Tx& tx, const RefUpdateRow& row);
/// True: this call ended it. A row that was dropped by mistake (another process saw it before its
/// ref moved) can still be done; a done one stays done.
bool mark_done(db::Tx& tx, std::string_view id);
void mark_dropped(db::Tx& tx, std::string_view id);
std::vector<RefUpdateRow> pending_rows(db::Tx& tx, std::string_view repo_id);
std::vector<std::string> repos_with_pending_rows(db::Tx& tx);
/// A row that was never pending: the first commit, whose repository appears with it.
void insert_done(db::Tx& tx, const RefUpdateRow& row);

void insert_pointers(db::Tx& tx, std::string_view repo_id, const std::vector<PointerRow>& pointers);
/// As insert_pointers, and mends rows that say something else of the blob.
void put_pointers(db::Tx& tx, std::string_view repo_id, const std::vector<PointerRow>& pointers);
/// By blob. Rows of blobs that no commit names any more are among them.
std::map<std::string, PointerRow> all_pointer_rows(db::Tx& tx, std::string_view repo_id);
/// Of these blobs.
void delete_pointers(db::Tx& tx, std::string_view repo_id,
                     const std::vector<std::string>& blob_oids);

std::optional<RefHead> find_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref);
std::map<std::string, RefHead> ref_heads(db::Tx& tx, std::string_view repo_id);
void set_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref, const RefHead& head);
void delete_ref_head(db::Tx& tx, std::string_view repo_id, std::string_view ref);

/// Tags and their targets, unpeeled.
std::map<std::string, std::string> ref_tags(db::Tx& tx, std::string_view repo_id);
std::optional<std::string> find_ref_tag(db::Tx& tx, std::string_view repo_id, std::string_view ref);
void set_ref_tag(db::Tx& tx, std::string_view repo_id, std::string_view ref,
                 std::string_view target_oid);
void delete_ref_tag(db::Tx& tx, std::string_view repo_id, std::string_view ref);

}  // namespace hearth::hub
