#pragma once
// What lists ask for, as sets of repositories: two conditions that are common each and rare
// together are two bitmaps held against each other.
//
// The sets follow after a while. Whoever changes what lists ask for notes the repository in the
// same transaction; a task writes the noted ones into the sets, and until then a list looks at each
// of them. So a set lacks no repository that is not noted. It may have one too many, which has lost
// the tag since: a list looks at what it shows.
//
// Commits write no sets, so that two commits never wait for each other about one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/number_set.h"
#include "hub/repo.h"

namespace hearth::db {
class Database;
class Tx;
}  // namespace hearth::db

namespace hearth::hub {

/// The names of sets. Any text may be asked for.
namespace list_condition {
std::string tag(RepoType type, std::string_view tag);
/// As hub/search takes a name apart: in lower case.
std::string name_part(RepoType type, std::string_view part);
std::string author(RepoType type, std::string_view name);
/// `kind`: as in repo_link. Spaces alone link to what lists ask for.
std::string link(std::string_view kind, std::string_view target);
std::string gated(RepoType type);
std::string any(RepoType type);
}  // namespace list_condition

/// For whoever changes a name, a tag, a link, the gate, or brings a repository back.
void note_list_change(db::Tx& tx, std::string_view repo_id);

/// The repositories that the sets do not tell of yet, each once; nothing when there are more.
std::optional<std::vector<std::string>> noted_repos(db::Tx& tx, size_t count_max);

/// Which of those that the sets tell of hold all conditions; of very many conditions not all are
/// looked at. Nothing when a set is damaged, which is logged once for each.
std::optional<NumberSet> repos_with_all(db::Tx& tx, std::vector<std::string> conditions);

/// Calls `on_id` for each of these numbers, as far as they are repositories still.
void for_each_repo_id(db::Tx& tx, const NumberSet& numbers,
                      const std::function<void(std::string_view)>& on_id);

/// What is wrong with the sets about this repository, in words for `hearth verify`; nothing when
/// all is well, or the task has still to look at it.
std::optional<std::string> why_sets_wrong(db::Tx& tx, const Repo& repo);

/// Brings the sets up to date. One at a time does, of all threads and processes.
class ListSets {
 public:
  explicit ListSets(db::Database& database) : database_(database) {}

  enum class Step { kDone, kMore, kBusy };
  /// Writes some of those that are noted. kBusy: another one does just now.
  Step write_some();
  /// Until nothing is noted, or `stopping` says so. Takes half of the time at most: others write,
  /// too.
  void write_all(const std::function<bool()>& stopping = [] { return false; });
  /// Drops every set and makes them again.
  void rebuild();

 private:
  db::Database& database_;
};

}  // namespace hearth::hub
