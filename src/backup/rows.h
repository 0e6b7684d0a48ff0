#pragma once
// Rows of sections as the code reads them (private to the module).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backup/folder.h"
#include "db/dump.h"

namespace hearth::backup {

constexpr std::string_view kFilesSection = "files";
constexpr std::string_view kRepositoriesSection = "repositories";
constexpr std::string_view kTablePrefix = "table ";

/// A stored file.
struct FileRow {
  std::string path;  // Below the data folder.
  Piece piece;
  int64_t mtime_ns = 0;

  static const std::vector<std::string>& columns();
  std::string text() const;
  static FileRow parse(std::string_view line);
};

/// A repository: refs as the database has them, and packs that hold what they reach.
struct RepositoryRow {
  std::string id;
  std::string type;
  std::string name;
  std::string owner;
  std::map<std::string, std::string> refs;
  std::vector<Piece> packs;

  static const std::vector<std::string>& columns();
  std::string text() const;
  static RepositoryRow parse(std::string_view line);
};

/// The values of a line that this module wrote. Throws Error{kCorrupt}.
db::Params parse_values(std::string_view line, size_t count);

/// Every hash that a snapshot needs, with the sizes.
void for_each_piece(const Folder& folder, const SnapshotFile& snapshot,
                    const std::function<void(const Piece&)>& on_piece);

}  // namespace hearth::backup
