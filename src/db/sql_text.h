#pragma once
// From the one spelling of a statement to an engine's own (private to the module).

#include <string>
#include <string_view>

#include "db/db.h"

namespace hearth::db {

/// Placeholders and macros of a statement. Quoted text and comments stay as they are.
/// Throws Error{kInternal} for an unknown macro.
std::string translate_statement(Engine engine, std::string_view sql);

/// The same for a migration, whose macros are the types: {{bigint}}, {{bytes}}, {{serial_key}}
/// (an integer key that the database counts up) and {{strict}}. On PostgreSQL the word TEXT gets
/// the byte-wise collation, so that both engines sort and compare alike.
std::string translate_migration(Engine engine, std::string_view sql);

}  // namespace hearth::db
