#pragma once
// What the names of a repository's files tell about it, counted.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cards/cards.h"

namespace hearth::cards {

/// How many files bear each mark that facts are derived from: "tag:safetensors", "format:csv". A
/// commit's tally is that of the commit before it with what it changed taken away and added, so it
/// costs the same however many files there are besides. A value; marks that no file bears are not
/// in it.
class FileTally {
 public:
  /// Of these paths.
  static FileTally of(RepoKind kind, const std::vector<std::string>& paths);
  /// What to_text wrote; nothing for another text, or one of other rules.
  static std::optional<FileTally> parse(std::string_view text);

  void add(RepoKind kind, std::string_view path);
  /// False: no such file was added; the tally is of something else, and not to be used.
  [[nodiscard]] bool remove(RepoKind kind, std::string_view path);

  uint64_t count(std::string_view mark) const;
  bool has(std::string_view mark) const { return count(mark) > 0; }
  /// Whether there are files with headers of weights (.safetensors, .gguf). Models.
  bool has_weights() const;
  /// JSON, `{"rules":1,"marks":{"tag:gguf":2}}`, the same for equal tallies.
  std::string to_text() const;
  const std::map<std::string, uint64_t, std::less<>>& counts() const { return counts_; }

  bool operator==(const FileTally&) const = default;

 private:
  std::map<std::string, uint64_t, std::less<>> counts_;
};

/// Which weights a model has: "pytorch", "safetensors", in the order of its tags.
std::vector<std::string> weight_tags(const FileTally& files);
/// The library that a model's own files prove; empty when none does.
std::string library_of_files(const FileTally& files);

/// What a data file's extension says: the loader of the datasets library that reads it, and what it
/// holds. Source: datasets 5.2 packaged_modules.
struct DataFormat {
  std::string_view format;
  std::string_view modality;  // Empty: depends on the columns
};
/// The format that most data files have; on a tie the one that sorts first. Nothing without any.
const DataFormat* main_format(const FileTally& files);

}  // namespace hearth::cards
