#pragma once
// What the parts of the hub that keep repositories share. All of it outlives them.

#include <cstdint>
#include <optional>

#include "base/fs.h"
#include "base/time.h"

namespace hearth::db {
class Database;
}
namespace hearth::xet {
class XetStore;
}

namespace hearth::hub {

class Access;
class Audit;
class Tasks;

/// Seven days: whoever misses something on a Monday that was deleted before the week-end gets it.
constexpr int64_t kUndeleteMs = int64_t{7} * 24 * 3600 * 1000;

/// How much a namespace may store that has no quota of its own; nothing: any amount.
struct QuotaDefaults {
  std::optional<uint64_t> user_bytes = {};
  std::optional<uint64_t> org_bytes = {};
};

struct HubContext {
  fs::path data_dir;  // git/ and uploads/ stand below it
  db::Database* database = nullptr;
  const Clock* clock = nullptr;
  const Access* access = nullptr;
  Audit* audit = nullptr;
  Tasks* tasks = nullptr;
  xet::XetStore* large_files = nullptr;
  /// How long a deleted repository can be brought back; 0: not at all.
  int64_t undelete_ms = kUndeleteMs;
  QuotaDefaults quotas = {};
};

}  // namespace hearth::hub
