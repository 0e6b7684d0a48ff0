#pragma once
// What a repository is: its kind, its name, its row.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hearth::hub {

enum class RepoType { kModel, kDataset, kSpace };

/// "model", "dataset", "space": in request bodies.
std::string_view to_string(RepoType type);
/// "models", "datasets", "spaces": in /api paths.
std::string_view api_plural(RepoType type);
/// "", "datasets/", "spaces/": in file, git and page paths.
std::string_view url_prefix(RepoType type);
/// From "model", "dataset", "space".
std::optional<RepoType> parse_repo_type(std::string_view text);
/// From "models", "datasets", "spaces".
std::optional<RepoType> parse_api_plural(std::string_view text);

/// A validated name, "alice/tiny". Names keep their case and compare without it.
struct RepoId {
  std::string namespace_name;
  std::string name;

  std::string full() const { return namespace_name + "/" + name; }
  /// Lower case: the form that is unique.
  std::string key() const;

  /// Rules: each part `[\w\-.]{1,96}`, ASCII, begins and ends with a word character, no "--", no
  /// "..", does not end in ".git". Source: huggingface_hub 2.4.0 validate_repo_id.
  static Parsed<RepoId> parse(std::string_view text);
};

/// A namespace or repository name part by the same rules; the reason when it is refused.
std::optional<std::string> why_bad_name(std::string_view name);

enum class Gated { kNo, kAuto, kManual };

/// One row of the table `repo`.
struct Repo {
  std::string id;  // 24 hex; never changes, names the git folder
  RepoType type = RepoType::kModel;
  RepoId repo_id;
  std::string namespace_id;  // Of the user or organisation that owns it.
  std::string creator_id;
  bool is_private = false;
  Gated gated = Gated::kNo;
  bool disabled = false;
  bool discussions_disabled = false;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;  // Last change of content
  std::string head_oid;    // Commit of main that the index was made from; empty before it is
  std::string sdk;         // Spaces: gradio, streamlit, docker, static
  int64_t likes = 0;
};

/// One that was deleted and can still be brought back. `repo` is as it was, with the name it had.
struct DeletedRepo {
  Repo repo;
  int64_t deleted_ms = 0;
  int64_t kept_until_ms = 0;  // Then it goes for good, with the next collection.
};

}  // namespace hearth::hub
