#include "app/last_backup.h"

#include "base/json.h"

namespace hearth::app {
namespace {

constexpr uint64_t kNoteBytesMax = 4096;

fs::path note_path(const fs::path& data_dir) {
  return data_dir / "run" / "backup.json";
}

}  // namespace

void note_backup(const fs::path& data_dir, const LastBackup& backup) {
  make_dirs(data_dir / "run");
  write_durably(note_path(data_dir), json::serialize(json::object{{"endedMs", backup.ended_ms},
                                                                  {"bytes", backup.total_bytes}}));
}

std::optional<LastBackup> find_last_backup(const fs::path& data_dir) {
  const fs::path path = note_path(data_dir);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const json::object note = parse_json_object(read_file(path, kNoteBytesMax));
    const auto ended_ms = get_int(note, "endedMs");
    const auto bytes = get_int(note, "bytes");
    if (!ended_ms || !bytes) return std::nullopt;
    return LastBackup{.ended_ms = *ended_ms, .total_bytes = static_cast<uint64_t>(*bytes)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace hearth::app
