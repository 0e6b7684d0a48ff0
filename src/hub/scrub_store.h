#pragma once
// The rows of hub/scrub.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/scrub.h"

namespace hearth::hub {

/// How far the reading of a kind has come. Made now when there is none: whatever is there was
/// written until now, so that its first pass is due a period later.
ScrubState scrub_state(db::Database& database, std::string_view kind, int64_t now_ms);
void put_scrub_state(db::Tx& tx, std::string_view kind, const ScrubState& state);
/// Nothing for a kind that has no row yet.
std::optional<ScrubState> find_scrub_state(db::Tx& tx, std::string_view kind);

std::vector<DamagedFile> damaged_files(db::Tx& tx);
bool is_damaged(db::Tx& tx, std::string_view kind, std::string_view name);
/// True: nobody knew of it.
bool insert_damaged(db::Tx& tx, const DamagedFile& file);
bool delete_damaged(db::Tx& tx, std::string_view kind, std::string_view name);

}  // namespace hearth::hub
