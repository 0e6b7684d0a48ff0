#pragma once
// How repositories are found by words: the one place to change when another index takes over.
//
// Today that is NameSearch, parts of the name, as list_models(search=…) is documented. An index of
// card text (FTS5, tsvector) would be a second class here, written to where hub/index_work records
// what a commit changed.

#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"

namespace hearth::hub {

/// A condition on the table `repo`, under the name `r`, for a list's statement.
struct SearchCondition {
  std::string sql;
  db::Params values;
};

class RepoSearch {
 public:
  virtual ~RepoSearch() = default;
  /// What holds for the repositories that the word finds. A list has one for each word, and all
  /// must hold. The word is the caller's own text, of any length and content.
  virtual SearchCondition matching(std::string_view word) const = 0;
};

/// Finds by parts of `namespace/name`, without regard to case; reads all names of a type.
const RepoSearch& name_search();

}  // namespace hearth::hub
