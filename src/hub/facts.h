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
#include "cards/file_tally.h"
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
  cards::FileTally tally;          // Of all files. Only written: read by load_tally.
  std::vector<std::string> paths;  // All files, sorted: `siblings` of lists. Only read.
  uint64_t main_bytes = 0;         // Sum of the files' sizes.
  // From headers of weight files, by a task; null until then and when there are none.
  json::value safetensors;  // {parameters, total}
  json::value gguf;         // {total, architecture, …}
};

/// What a commit's files are together. The next commit's follow from it and from what that changes.
struct TalliedFiles {
  cards::FileTally tally;
  uint64_t size_bytes = 0;  // Of the contents, not of LFS pointers.
};

/// The paths whose texts derive_facts wants to see, if they are there: README.md, config.json and
/// so on; besides them, those that is_eval_file names, at most kEvalFileCountMax.
std::vector<std::string> facts_files(RepoType type);
bool is_eval_file(std::string_view path);
constexpr size_t kEvalFileCountMax = 50;
/// Longer ones say nothing.
constexpr uint64_t kFactsTextBytesMax = models::kConfigFileBytesMax;

/// Derives everything but the headers. Never throws on foreign content. `files` is of this type;
/// `texts` holds what facts_files asked for, as far as it is stored as plain files.
RepoFacts derive_facts(RepoType type, std::string commit_oid, const TalliedFiles& files,
                       const std::map<std::string, std::string, std::less<>>& texts);
cards::RepoKind kind_of(RepoType type);

/// Facts of the headers of a model's weight files.
struct ModelHeaders {
  json::value safetensors;
  json::value gguf;
};

/// Opens a file of the commit for reading in parts; nothing when it cannot be read now.
using OpenSource = std::function<std::optional<models::ByteSource>(const std::string& path)>;

/// Reads the headers of the weights of a model of these files: model.safetensors or the shards of
/// its index, else any *.safetensors at the top (adapters, diffusers folders do not count), and the
/// first *.gguf. At most 1,000 shards. A damaged file says nothing (it is logged).
ModelHeaders read_model_headers(const std::vector<std::string>& paths, const OpenSource& open);

}  // namespace hearth::hub
