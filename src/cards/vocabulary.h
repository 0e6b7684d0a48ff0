#pragma once
// Words with a fixed meaning in cards: licences, tasks, colours.

#include <span>
#include <string_view>

namespace hearth::cards {

/// Licence identifiers of the hosted hub, in its order (its documentation, "Licenses").
std::span<const std::string_view> license_ids();
/// Task identifiers, for `pipeline_tag` and `task_categories`.
std::span<const std::string_view> task_ids();

bool is_license_id(std::string_view text);
bool is_task_id(std::string_view text);

}  // namespace hearth::cards
