#pragma once
// Backups: a hub as it was at one moment, taken while it works, in a folder of snapshots that share
// what they have in common; and a hub made again from one.
//
// Why a snapshot fits together though git, files and the database change meanwhile:
//   1. Removals are held off (base/removals.h): what the database names from here on to the end of
//      the backup stays on the disk.
//   2. One read transaction sees one state of the database, and is copied in full. Nothing that was
//      acknowledged before it began is missing in it: an answer goes out after its commit.
//   3. Blobs, xorbs and shards never change and were durable before a row named them: copying them
//      after the database gets all that its rows name (and some that came later, which are harmless:
//      uploads that no row names yet).
//   4. The refs are not read from git, where they go on moving, but from that state of the database
//      (ref_head, ref_tag), which is written after a ref has moved and before that is acknowledged.
//      Their objects were in the repository before the ref moved, and git keeps objects: a pack of
//      what exactly those refs reach is made for each repository.
// So git, files and database of a snapshot are all those of the moment of 2.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/time.h"
#include "db/db.h"

namespace hearth::backup {

/// The hub that is backed up.
struct Source {
  fs::path data_dir;
  db::Database& database;
  const Clock& clock;
  /// Where the repository of an id stands.
  std::function<fs::path(const std::string& repo_id)> git_dir;
  std::string hub_id;
  std::string installation_id;
  std::string program_version;
};

struct BackupOptions {
  fs::path folder;
  int keep_count = 0;  // Older snapshots than these go at the end; 0: all stay.
  /// Told what goes on, a line at a time.
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

struct BackupReport {
  std::string snapshot;
  uint64_t file_count = 0;
  uint64_t repository_count = 0;
  uint64_t row_count = 0;
  uint64_t total_bytes = 0;   // What the snapshot needs.
  uint64_t copied_bytes = 0;  // Of that, what the folder did not have.
  uint64_t freed_bytes = 0;   // By snapshots that went.
  /// What could not be copied because it is damaged or missing, a sentence each. The snapshot holds
  /// everything else, and for these the copy of an earlier one where there is one.
  std::vector<std::string> problems;
};

/// Takes a snapshot. Goes on where an interrupted run stopped: pieces that were copied are not
/// copied again. Throws Error: what Folder and RemovalsHeldOff say; kUnavailable (the disk is full).
BackupReport back_up(const Source& source, const BackupOptions& options);

struct SnapshotInfo {
  std::string name;
  int64_t created_ms = 0;
  uint64_t file_count = 0;
  uint64_t total_bytes = 0;
  uint64_t problem_count = 0;
};

/// The complete snapshots, the oldest first.
std::vector<SnapshotInfo> list_snapshots(const fs::path& folder);

struct CheckReport {
  uint64_t snapshot_count = 0;
  uint64_t piece_count = 0;
  uint64_t checked_bytes = 0;
  std::vector<std::string> problems;
};

/// Reads every piece of every snapshot and compares its hash.
CheckReport check_folder(const fs::path& folder);

/// Where a hub is to be made again.
struct Target {
  fs::path data_dir;
  std::string database_url;
  std::function<fs::path(const std::string& repo_id)> git_dir;
  const Clock& clock;
};

struct RestoreReport {
  std::string snapshot;
  std::string installation_id;  // Of the new copy.
  uint64_t file_count = 0;
  uint64_t repository_count = 0;
  uint64_t row_count = 0;
  uint64_t restored_bytes = 0;
  std::vector<std::string> problems;  // Those that the snapshot was made with.
};

/// Makes a hub again from a snapshot (empty: the newest), every byte compared with its hash. The
/// engine of the database may be another than that of the hub that was backed up.
///
/// `target` must be empty, but may be what an interrupted restore of the same snapshot left: that
/// is gone on with. Until end_restore() the folder is marked, and nothing else works on it.
/// Throws Error: kConflict (folder or database hold something), kCorrupt (the backup is damaged),
/// kUnsupported (made by a newer program).
RestoreReport restore(const fs::path& folder, const std::string& snapshot, const Target& target,
                      const std::function<void(const std::string&)>& say);
void end_restore(const fs::path& data_dir);
/// Whether a restore into this folder was begun and has not ended.
bool is_half_restored(const fs::path& data_dir);

}  // namespace hearth::backup
