#pragma once
// The last whole backup, noted in DATA/run/backup.json, so that a hub at work can tell its age.

#include <cstdint>
#include <optional>

#include "base/fs.h"

namespace hearth::app {

struct LastBackup {
  int64_t ended_ms = 0;
  uint64_t total_bytes = 0;  // Of the snapshot.
};

void note_backup(const fs::path& data_dir, const LastBackup& backup);
/// Nothing when there was none yet, or when the note is damaged.
std::optional<LastBackup> find_last_backup(const fs::path& data_dir);

}  // namespace hearth::app
