#pragma once
// What the parts of the hub that keep repositories share. All of it outlives them.

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

struct HubContext {
  fs::path data_dir;  // git/ and uploads/ stand below it
  db::Database* database = nullptr;
  const Clock* clock = nullptr;
  const Access* access = nullptr;
  Audit* audit = nullptr;
  Tasks* tasks = nullptr;
  xet::XetStore* large_files = nullptr;
};

}  // namespace hearth::hub
