#pragma once
// The names of files that stand in folders by the first characters of their names.

#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"

namespace hearth::blob {

/// Of the files below `root` (root/ab/cd/abcd…, of any depth), sorted, those behind `after`, at
/// most `count`. Files may come and go meanwhile.
std::vector<std::string> stored_names_after(const fs::path& root, std::string_view after,
                                            size_t count);

}  // namespace hearth::blob
