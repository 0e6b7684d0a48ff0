#pragma once
// A folder of backups (private to the module).
//
//   FOLDER/hearth-backup             says what the folder is, and of which hub
//   FOLDER/objects/<ab>/<sha256>     pieces: stored files, packs of git, runs of rows; each once,
//                                    whatever number of snapshots need it
//   FOLDER/snapshots/<time>.json     which pieces make a snapshot; written last, so that one that
//                                    was cut short is none
//
// Everything is readable by its owner only: the pieces hold the hub's secrets.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/json.h"

namespace hearth::backup {

/// A stored piece.
struct Piece {
  std::string sha256;
  uint64_t size_bytes = 0;
};

/// Rows of one kind, cut into pieces.
struct Section {
  std::string name;  // "files", "repositories", or "table " and its name
  std::vector<std::string> columns;
  uint64_t row_count = 0;
  std::vector<Piece> pieces;
};

struct SnapshotFile {
  std::string name;  // "2026-01-02T03-04-05-678Z"
  int64_t created_ms = 0;
  std::string hub_id;
  std::string installation_id;
  std::string program_version;
  std::vector<int64_t> schema_steps;  // The migrations that the database had seen.
  std::vector<std::string> problems;
  uint64_t file_count = 0;
  uint64_t total_bytes = 0;  // Of everything that the snapshot needs.
  std::vector<Section> sections;

  /// Throws Error{kCorrupt}.
  const Section& section(std::string_view section_name) const;
};

class Folder {
 public:
  enum class Use { kRead, kWrite };

  /// For writing: makes the folder, or takes one of the same hub; holds it alone, and removes what
  /// an interrupted run left half written. Throws Error: kConflict (another backup writes there, or
  /// it belongs to another hub), kInvalid (it holds other things), kNotFound (reading: no such).
  Folder(fs::path path, Use use, const std::string& hub_id = {});

  const fs::path& path() const { return path_; }
  fs::path temporary_dir() const { return path_ / "tmp"; }

  bool has(const Piece& piece) const;
  /// Stores a piece unless it is there; tells whether bytes were written.
  Piece put(ByteView bytes);
  /// Copies a file that is `expected` (its name says so), or, with no hash in it, whatever it is.
  /// `on_block` sees all bytes and may throw; nothing is stored then. Throws Error{kCorrupt} when
  /// the bytes hash to something else.
  Piece put_file(const fs::path& file, const std::string& expected_sha256,
                 const std::function<void(ByteView)>& on_block = {});
  /// Takes over a finished file that stands in temporary_dir().
  Piece adopt(const fs::path& file);

  /// The bytes of a piece of bounded size, compared with its hash. Throws Error{kCorrupt}.
  std::string get(const Piece& piece) const;
  /// Copies a piece to a new file, comparing its hash. Throws Error{kCorrupt}: no file then.
  void copy_out(const Piece& piece, const fs::path& target, unsigned mode) const;
  /// Reads a piece and compares. A sentence when it is missing or damaged.
  std::optional<std::string> why_damaged(const Piece& piece) const;

  /// Names of the complete snapshots, the oldest first.
  std::vector<std::string> snapshots() const;
  /// Throws Error{kNotFound, kCorrupt, kUnsupported}.
  SnapshotFile load(const std::string& name) const;
  void save(SnapshotFile& snapshot);  // Chooses the name by the time.
  void remove_snapshot(const std::string& name);
  /// Removes every piece whose hash is not in `needed`; returns how many bytes that were.
  uint64_t sweep(const std::set<std::string>& needed);

  uint64_t copied_bytes() const { return copied_bytes_; }
  uint64_t copied_count() const { return copied_count_; }

 private:
  fs::path piece_path(std::string_view sha256) const;
  void store(DurableFile& file, const Piece& piece);

  fs::path path_;
  Fd lock_;
  uint64_t copied_bytes_ = 0;
  uint64_t copied_count_ = 0;
};

/// Cuts rows into pieces at places that the rows themselves choose, so that the pieces before and
/// after a changed row stay the same from snapshot to snapshot.
class SectionWriter {
 public:
  SectionWriter(Folder& folder, std::string name, std::vector<std::string> columns);
  void add(const std::string& line);
  Section finish();

 private:
  void cut();

  Folder& folder_;
  Section section_;
  std::string text_;
};

/// The rows of a section one by one, in their order.
class SectionReader {
 public:
  SectionReader(const Folder& folder, const Section& section)
      : folder_(folder), section_(section) {}
  /// The next line; nothing at the end.
  std::optional<std::string_view> next();

 private:
  const Folder& folder_;
  const Section& section_;
  size_t piece_index_ = 0;
  std::string text_;
  size_t at_ = 0;
};

}  // namespace hearth::backup
