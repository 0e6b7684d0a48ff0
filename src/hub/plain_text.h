#pragma once
// What people write and the hub stores.

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "hub/limits.h"

namespace hearth::hub {

/// Throws kInvalid unless it is UTF-8 without NUL, which neither git nor a database takes;
/// kTooLarge above 64 KiB. Checked before anything moves: an index that cannot be written lags for
/// ever.
inline void require_plain_text(std::string_view text, std::string_view what) {
  if (text.size() > kMessageBytesMax) {
    throw Error(ErrorKind::kTooLarge, std::string(what) + " has more than 64 KiB.");
  }
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::kInvalid, std::string(what) + " is not a text in UTF-8.");
  }
}

}  // namespace hearth::hub
