#pragma once
// Rows of hub/gc. It joins what repositories have (repo_lfs, of xet) with what their commits name
// (pointer, of hub/receive).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "xet/collect.h"

namespace hearth::hub {

/// How far the collection has come with a repository.
struct GcRepoRow {
  std::string marked_refs;  // A hash of where its refs stood when pointers were last compared
  bool rights_due = false;  // Objects went since rights to xorbs were last compared
  std::string git_refs;     // As marked_refs, when git's objects were last collected
  int64_t git_done_ms = 0;
};

GcRepoRow find_gc_row(db::Tx& tx, std::string_view repo_id);
void put_gc_row(db::Tx& tx, std::string_view repo_id, const GcRepoRow& row);
/// Pointers were recorded that no ref leads to: the next collection compares them.
void forget_marked_refs(db::Tx& tx, std::string_view repo_id);
/// The repository has objects no more: the next collection compares its rights to xorbs.
void set_rights_due(db::Tx& tx, std::string_view repo_id);

/// Whether the repository has an object that no pointer names, or one that is marked as unused.
bool any_to_mark(db::Tx& tx, std::string_view repo_id);
/// Notes since when objects are unused, and forgets it of those that are used again.
void mark_unused(db::Tx& tx, std::string_view repo_id, int64_t now_ms);
/// Objects that are unused since before that time, or since then.
struct UnusedObjects {
  xet::Collected over;
  xet::Collected waiting;
};
UnusedObjects count_unused(db::Tx& tx, std::string_view repo_id, int64_t before_ms);
void delete_unused(db::Tx& tx, std::string_view repo_id, int64_t before_ms);

/// When a task of the kind was last added; 0: never, or it is forgotten.
int64_t last_task_ms(db::Tx& tx, std::string_view kind);

}  // namespace hearth::hub
