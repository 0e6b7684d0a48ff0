#pragma once
// Secrets that the hub made itself (private to hub/accounts).

#include <string_view>

#include "base/bytes.h"

namespace hearth::hub {

/// SHA-256: what is stored of a token. The tokens are long random texts, so nothing slower is
/// needed, and the hash can be looked up by index.
Bytes secret_hash(std::string_view secret);

}  // namespace hearth::hub
