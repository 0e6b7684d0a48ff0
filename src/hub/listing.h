#pragma once
// Lists of repositories with every filter of hub-api 5.2, over an index that commits keep.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/url.h"
#include "hub/access.h"
#include "hub/commit_facts.h"
#include "hub/facts.h"
#include "hub/identity.h"
#include "hub/repo.h"
#include "hub/repo_json.h"
#include "hub/search.h"

namespace hearth::db {
class Database;
class Tx;
}  // namespace hearth::db

namespace hearth::hub {

/// Stores what a commit of main says, in the transaction that records the commit; replaces what was
/// there. Facts of weight headers stay as they are until store_model_headers.
void index_repo(db::Tx& tx, const Repo& repo, const RepoFacts& facts);

/// Whether the rows say what index_repo would write: a sentence if not. Headers of weights are
/// compared by the caller (headers_text).
std::optional<std::string> why_facts_wrong(db::Tx& tx, const Repo& repo, const RepoFacts& facts);
/// How store_model_headers writes them, and how they are written now ("" when there is no row).
std::string headers_text(const ModelHeaders& headers);
std::string stored_headers_text(db::Tx& tx, const std::string& repo_id);

/// Stores what a task read from weight files, unless main has moved on from `commit_oid` (then the
/// task of the later commit will).
void store_model_headers(db::Tx& tx, const std::string& repo_id, const std::string& commit_oid,
                         const ModelHeaders& headers);

/// What the stored facts were counted from; nothing when there are none, or uncounted ones.
std::optional<TalliedCommit> load_tally(db::Tx& tx, const std::string& repo_id);

/// The stored facts, or empty ones. Reads paths only when `with_paths`.
struct LoadFacts {
  bool with_paths = false;
};
RepoFacts load_facts(db::Tx& tx, const std::string& repo_id, LoadFacts options = {});

/// Everything that an info answer about main's head needs, but siblings with blobs, used storage
/// and a Space's runtime. `access` and `who` decide which Spaces are named. Waits for its turn when
/// it names very many files (hub/large_answers).
RepoView load_view(db::Database& database, const Repo& repo, const FieldSet& fields,
                   const Access& access, const Identity* who);

enum class SortKey {
  kTrending,
  kLastModified,
  kCreatedAt,
  kDownloads,
  kLikes,
  kLikesMonth,
  kParameters,
  kMainSize,
  kId,
};

/// A request for a list, all conditions of which must hold.
struct ListRequest {
  RepoType type = RepoType::kModel;
  std::vector<std::string> searches;  // Parts of the id, without case
  std::optional<std::string> author;
  std::vector<std::string> tags;
  std::optional<std::string> pipeline_tag;
  std::optional<bool> gated;
  std::vector<std::string> apps;
  bool only_served = false;  // inference=warm, or an inference_provider
  std::optional<int64_t> parameters_min;
  std::optional<int64_t> parameters_max;
  std::vector<std::string> linked_models;    // Spaces
  std::vector<std::string> linked_datasets;  // Spaces
  SortKey sort = SortKey::kTrending;
  bool ascending = false;
  size_t limit = 1000;
  std::string cursor;
  FieldSet fields;

  /// From the query of GET /api/models, /api/datasets or /api/spaces. Throws Error{kInvalid}.
  static ListRequest parse(RepoType type, const Query& query);
};

struct ListPage {
  std::shared_ptr<const void> room = {};  // First, to go last: hub/large_answers.
  json::array items;
  std::string next_cursor;  // Empty: the last page.
};

struct PathBytes;

class Listing {
 public:
  Listing(db::Database& database, const Access& access, const RepoSearch& search = name_search())
      : database_(database), access_(access), search_(search) {}

  /// One page of what `who` may see. Cursors are opaque and hold the last key: nothing is kept. A
  /// page with very many files ends early.
  ListPage list(const ListRequest& request, const Identity* who);

 private:
  /// Nothing: the page's paths are more than `paths` allows, and it says how many.
  std::optional<ListPage> page_of(db::Tx& tx, const ListRequest& request, size_t limit,
                                  const Identity* who, PathBytes& paths);

  db::Database& database_;
  const Access& access_;
  const RepoSearch& search_;
};

}  // namespace hearth::hub
