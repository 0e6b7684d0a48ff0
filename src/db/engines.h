#pragma once
// What the two engines share (private to the module).

#include <memory>
#include <string>
#include <string_view>

#include "db/db.h"

namespace hearth::db {

std::unique_ptr<Database> open_sqlite(const std::string& path, const Options& options);
std::unique_ptr<Database> open_postgres(const std::string& url, const Options& options);

/// Throws Error{kInvalid} unless the text is UTF-8 without NUL: PostgreSQL stores nothing else.
void check_storable(std::string_view text);

/// The errors, in the same words on both engines. `what` goes to the log.
Error internal_error(const std::string& what);
Error busy_error(const std::string& what);
Error unique_violation(const std::string& what);
Error reference_violation(const std::string& what);

}  // namespace hearth::db
