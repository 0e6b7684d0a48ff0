#pragma once
// The statements behind lists; for hub/listing.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/db.h"
#include "hub/listing.h"
#include "hub/search.h"

namespace hearth::hub {

/// Where a page ended: the sort key and id of its last repository.
struct ListPosition {
  std::string id;
  int64_t number = 0;  // Of the sort key …
  std::string text;    // … or its text, for SortKey::kId
};

struct ListHit {
  ListPosition position;
};

/// Whose private repositories may come up. More is decided for each repository by hub/access.
struct ListScope {
  bool everything = false;                 // An administrator
  std::vector<std::string> namespace_ids;  // The caller and the caller's organisations
};

/// How the way to a page is chosen; see hub/listing_query_store.cc. No choice changes what is
/// found.
struct ListEffort {
  /// By numbers: hub/list_sets is asked first, where it knows. By statements: never.
  enum class Way { kNumbers, kStatements };
  Way way = Way::kNumbers;
  int64_t few_max = 4000;  // Repositories that one condition leaves, to be read at once …
  int64_t stretch_of_page =
      20;  // … and rows walked for each that the page wants, at least few_max.
  // By numbers: how many may be noted and looked at each time, …
  size_t noted_max = 1000;
  // … how many that are left are looked at and sorted without a walk, …
  size_t sorted_max = 300;
  // … how many ids are read for what a step costs of a walk that asks for numbers, …
  int64_t ids_of_a_step = 2;
  // … and steps of a walk of ids from one that is left to the next, on average.
  int64_t walk_of_one = 25;
};

/// Ids in the order of the list, after `after`, at most `limit`.
std::vector<ListHit> query_list(db::Tx& tx, const ListRequest& request, const ListScope& scope,
                                const std::optional<ListPosition>& after, size_t limit,
                                const RepoSearch& search, const ListEffort& effort = {});

/// How many bytes of paths (`siblings`) are wanted at most.
struct PathBytes {
  uint64_t max = UINT64_MAX;
  uint64_t found = 0;  // Beyond `max` counted on only for a single repository.
  bool too_many() const { return found > max; }
};

/// What repo_json needs for the fields, by repository, in their order; paths only as far as they
/// are not too many.
std::vector<RepoView> load_views(db::Tx& tx, const std::vector<Repo>& repos, const FieldSet& fields,
                                 const Access& access, const Identity* who, PathBytes& paths);

}  // namespace hearth::hub
