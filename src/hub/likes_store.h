#pragma once
// The table of likes; for hub/likes.

#include <string_view>
#include <utility>
#include <vector>

#include "db/db.h"
#include "hub/likes.h"

namespace hearth::hub {

void insert_like(db::Tx& tx, std::string_view repo_id, std::string_view user_id, int64_t now_ms);
void delete_like(db::Tx& tx, std::string_view repo_id, std::string_view user_id);
std::vector<Liker> read_likers(db::Tx& tx, std::string_view repo_id, std::string_view after,
                               size_t limit);
/// Ids of repositories, and since when.
std::vector<std::pair<std::string, int64_t>> read_liked(db::Tx& tx, std::string_view user_id,
                                                        std::string_view after, size_t limit);

}  // namespace hearth::hub
