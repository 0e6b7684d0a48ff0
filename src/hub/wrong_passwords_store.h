#pragma once
// The table wrong_password, one function a statement (private to hub/wrong_passwords).

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "db/db.h"

namespace hearth::hub::wrong_passwords_store {

struct Tries {
  int64_t wrong_count = 0;
  int64_t since_ms = 0;
  int64_t blocked_until_ms = 0;
  int64_t known_until_ms = 0;
  int64_t forget_ms = 0;
};

std::optional<Tries> find(db::Tx& tx, const Bytes& name_hash, std::string_view address);
void set(db::Tx& tx, const Bytes& name_hash, std::string_view address, const Tries& tries);
void remove(db::Tx& tx, const Bytes& name_hash);
void remove_forgotten(db::Tx& tx, int64_t now_ms);
/// Keeps `rows_max` rows: those go first that hold nobody up just now and are of no known address,
/// with the fewest wrong passwords, and of those the ones that would be forgotten first.
void remove_beyond(db::Tx& tx, int64_t now_ms, int64_t rows_max);

}  // namespace hearth::hub::wrong_passwords_store
