#pragma once
// Passwords as argon2id (private to hub/accounts).

#include <string>
#include <string_view>

namespace hearth::hub {

/// Throws Error{kInvalid} with a sentence unless it has 8 to 1024 bytes of UTF-8.
void check_new_password(std::string_view password);

/// "$argon2id$v=19$m=…$salt$hash": the parameters stand in it, so they can be raised later.
/// Takes about 20 ms and 19 MiB; at most four run at a time, others wait up to 10 s and then get
/// Error{kUnavailable}.
std::string hash_password(std::string_view password);

/// Whether it is the password. An empty `hash` (no such account, or no password) takes the same
/// time and is false.
bool verify_password(std::string_view password, std::string_view hash);

}  // namespace hearth::hub
