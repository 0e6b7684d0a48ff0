#include "db/engines.h"
namespace hearth::db {
std::unique_ptr<Database> open_postgres(const std::string&, const Options&) {
  throw Error(ErrorKind::kUnsupported, "PostgreSQL is not built in.");
}
}  // namespace hearth::db
