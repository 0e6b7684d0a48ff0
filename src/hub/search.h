#pragma once
// How repositories are found by words: the one place to change when another index takes over.
//
// Today that is NameSearch, parts of the name, as list_models(search=…) is documented, over the
// table name_gram. An index of card text (FTS5, tsvector) would be a second class here, written to
// where hub/index_work records what a commit changed.

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

/// A statement that selects a column repo_id: every repository that the word finds, and others.
struct SearchSource {
  std::string sql;  // Each id once
  db::Params values;
  std::string counted;  // The same with ids that come twice, when that is cheaper; or empty
};

class RepoSearch {
 public:
  virtual ~RepoSearch() = default;
  /// What holds for the repositories that the word finds. A list has one for each word, and all
  /// must hold. The word is the caller's own text, of any length and content.
  virtual SearchCondition matching(std::string_view word) const = 0;
  /// Where to look for them, instead of at all repositories; a list takes the smallest.
  virtual std::vector<SearchSource> sources(std::string_view word) const = 0;
  /// Parts that every name has which the word finds, as name_parts makes them; empty for a word
  /// that is shorter than any.
  virtual std::vector<std::string> parts(std::string_view word) const = 0;
};

/// Keeps name_gram in step with repo.name_key; for hub/repository_store
/// and hub/facts_store.
void index_name(db::Tx& tx, std::string_view repo_id, std::string_view name_key);
void forget_name(db::Tx& tx, std::string_view repo_id, std::string_view name_key);
bool is_name_indexed(db::Tx& tx, std::string_view repo_id, std::string_view name_key);

/// What hub/list_sets has sets of: every run of two to four letters, each once.
std::vector<std::string> name_parts(std::string_view name_key);

/// Finds by parts of `namespace/name`, without regard to case.
const RepoSearch& name_search();

}  // namespace hearth::hub
