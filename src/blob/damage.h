#pragma once
// What an error says about a stored file, and what only about this moment.

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace hearth::blob {

/// True: the stored bytes are not what they were, or the disk does not give them (EIO): what was
/// uploaded and compared may take their place. False for all else, such as too many open files.
inline bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::kCorrupt ||
         error.detail().ends_with(std::string(": ") + std::strerror(EIO));
}

}  // namespace hearth::blob
