#pragma once
// How often passwords may be guessed (private to hub/accounts).
//
// A name is counted together with the address that tries it, so nobody can lock anybody else out.
// Against guesses from very many addresses all that a name has not signed in from before are
// counted together too; addresses it did sign in from are not held up by that. Names that nobody
// has are counted like all others: the answer does not tell which is which.

#include <cstdint>
#include <string_view>

#include "db/db.h"

namespace hearth::hub {

/// Wrong passwords in a row from one address: these are free, then the wait doubles from one second
/// up to the longest.
inline constexpr int64_t kFreeWrongPasswords = 5;
inline constexpr int64_t kPasswordWaitMsMax = int64_t{15} * 60 * 1000;
/// Wrong passwords in a day from all addresses that are new to the name: these are free, then one
/// try a minute. That leaves a botnet 1,540 guesses a day.
inline constexpr int64_t kFreeFromNewAddresses = 100;
inline constexpr int64_t kWaitFromNewAddressesMs = int64_t{60} * 1000;
inline constexpr int64_t kPasswordDayMs = int64_t{24} * 3600 * 1000;
/// How long an address stays known after a sign-in.
inline constexpr int64_t kKnownAddressMs = 90 * kPasswordDayMs;
/// Rows that are kept; past that those go that say least (guesses at ever new names).
inline constexpr int64_t kWrongPasswordRowsMax = 100'000;

/// Counts a try before the password is looked at, so that tries at the same time cannot outrun the
/// count. Throws kRateLimited with the seconds to wait; such a try is not counted.
void begin_password_try(db::Tx& tx, std::string_view name_key, std::string_view remote_address,
                        int64_t now_ms);
/// The password of that try was right: what was counted for this address is forgotten, and the
/// address is known.
void end_password_try(db::Tx& tx, std::string_view name_key, std::string_view remote_address,
                      int64_t now_ms);
/// Forgets everything about a name (it has a new password).
void forget_password_tries(db::Tx& tx, std::string_view name_key);
/// Housekeeping. `rows_max`: tests make it small.
void remove_old_password_tries(db::Tx& tx, int64_t now_ms,
                               int64_t rows_max = kWrongPasswordRowsMax);

}  // namespace hearth::hub
