#pragma once
// The JSON of a repository: one function for the info routes and for lists (hub-api 5.1, 5.2).

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/facts.h"
#include "hub/repo.h"

namespace hearth::hub {

/// Names of keys that an answer shall hold, besides `_id` and `id`.
using FieldSet = std::set<std::string_view, std::less<>>;

/// What an info answer holds when the client names nothing.
const FieldSet& info_fields(RepoType type);

/// The named fields, as `expand` asks for them.
/// Throws Error{kInvalid}: `"expand" must be one of: … expected one of "author", "baseModels", …`;
/// clients read the quoted names after `expected one of `.
/// Source: huggingface_hub 2.4.0 test_hf_api.py, the ExpandModelProperty tests.
FieldSet expand_fields(RepoType type, const std::vector<std::string>& names);

/// What repo_json shows. Members that the wanted fields do not name may stay empty.
struct RepoView {
  std::shared_ptr<const void> room = {};  // First, to go last: hub/large_answers.
  Repo repo;
  std::string sha;               // Of the commit that is shown; empty: null
  int64_t last_modified_ms = 0;  // Of that commit
  RepoFacts facts;
  std::optional<json::array> siblings;  // As the caller made them; else from facts.paths
  int64_t downloads = 0;                // Last 30 days
  int64_t downloads_all_time = 0;
  int64_t trending_score = 0;
  std::optional<uint64_t> used_storage_bytes;
  std::vector<std::string> spaces;  // Models: Spaces that use it, as the caller may see them
  int64_t child_model_count = 0;    // Models made from this one
  std::string host;                 // Spaces: URL of the running app; empty: none
  std::string subdomain;            // Spaces
  json::value runtime;              // Spaces
};

/// Writes the fields in the order of the reference.
json::object repo_json(const RepoView& view, const FieldSet& fields);

/// One entry of `siblings` with `blobs=true`: {rfilename, size, blobId, lfs?}.
/// `lfs_sha256` empty: a plain file.
json::object sibling_json(std::string_view path, uint64_t size_bytes, std::string_view blob_id,
                          std::string_view lfs_sha256 = {}, uint64_t pointer_bytes = 0);

}  // namespace hearth::hub
