#pragma once
// What a commit says about its repository: the card, the tags, the configuration, the files.
//
// This is an index of git and can be dropped and made again. It is derived while the commit is
// made, from the file list and a few small files, and stored in the commit's transaction
// (hub/listing.h, index_repo). Headers of weight files come later, by a task (ModelHeaders).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cards/cards.h"
#include "hub/repo.h"
#include "models/models.h"

namespace hearth::hub {

/// Everything derived from one commit. A copy of it stands in the table repo_facts.
struct RepoFacts {
  std::string commit_oid;  // Empty: nothing has been derived yet.
  cards::Facts card;
  json::object config;             // Models: the subset that clients see; empty when there is none.
  json::object transformers_info;  // Models; empty when there is none.
  std::string mask_token;          // Models.
  json::value eval_results;        // Models: the array of `evalResults`, or null.
  std::vector<std::string> paths;  // All files, sorted: `siblings` of lists.
  uint64_t main_bytes = 0;         // Sum of the files' sizes.
  // From headers of weight files, by a task; null until then and when there are none.
  json::value safetensors;  // {parameters, total}
  json::value gguf;         // {total, architecture, …}
};

/// The paths whose texts derive_facts wants to see, of those in `files` (sorted by path):
/// README.md, config.json and so on. Files above 4 MiB are never among them.
std::vector<std::string> facts_files(RepoType type, const std::vector<cards::FileEntry>& files);

/// Derives everything but the headers. Never throws on foreign content. `files` is sorted by path
/// and tells real sizes, not those of LFS pointers; `texts` holds what facts_files asked for, as
/// far as it is stored as plain files.
RepoFacts derive_facts(RepoType type, std::string commit_oid,
                       const std::vector<cards::FileEntry>& files,
                       const std::map<std::string, std::string, std::less<>>& texts);

/// Facts of the headers of a model's weight files.
struct ModelHeaders {
  json::value safetensors;
  json::value gguf;
};

/// Opens a file of the commit for reading in parts; nothing when it cannot be read now.
using OpenSource = std::function<std::optional<models::ByteSource>(const std::string& path)>;

/// Whether there is anything for read_model_headers to do.
bool has_model_headers(const std::vector<cards::FileEntry>& files);

/// Reads the headers of the model's weights: model.safetensors or the shards of its index,
/// else any *.safetensors at the top (adapters, diffusers folders do not count), and the first
/// *.gguf. At most 1,000 shards. A damaged file says nothing (it is logged).
ModelHeaders read_model_headers(const std::vector<cards::FileEntry>& files, const OpenSource& open);

}  // namespace hearth::hub
