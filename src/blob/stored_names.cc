#include "blob/stored_names.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"

namespace hearth::blob {
namespace {

/// `before`: the characters of names that the folders down to `dir` stand for.
void add_names(const fs::path& dir, const std::string& before, std::string_view after, size_t count,
               std::vector<std::string>& names) {
  std::vector<std::string> folders;
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code gone;
    std::string name = it->path().filename().string();
    if (it->is_directory(gone)) {
      folders.push_back(std::move(name));
    } else if (it->is_regular_file(gone) && name > after && name.starts_with(before) &&
               !before.empty()) {
      files.push_back(std::move(name));
    }
  }
  // Not there (yet, or any more) is empty; what cannot be listed must not pass for it.
  if (error && error != std::errc::no_such_file_or_directory) {
    throw_errno("list " + dir.string(), error.value());
  }
  std::ranges::sort(folders);
  std::ranges::sort(files);
  for (std::string& name : files) {
    if (names.size() < count) names.push_back(std::move(name));
  }
  for (const std::string& folder : folders) {
    if (names.size() >= count) return;
    std::string prefix = before + folder;
    if (prefix < after.substr(0, prefix.size())) continue;
    add_names(dir / folder, prefix, after, count, names);
  }
}

}  // namespace

std::vector<std::string> stored_names_after(const fs::path& root, std::string_view after,
                                            size_t count) {
  std::vector<std::string> names;
  add_names(root, "", after, count, names);
  return names;
}

}  // namespace hearth::blob
