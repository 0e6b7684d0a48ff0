#pragma once
// How people stand in commits that the hub writes.

#include <cstdint>
#include <string>

#include "git/git.h"
#include "hub/audit.h"

namespace hearth::hub {

/// The account's name, and an address that reaches nobody: commits are public, mail addresses not.
inline git::Signature signature_of(const Actor& actor, int64_t time_ms) {
  return {.name = actor.name,
          .email = actor.name + "@users.noreply.hearth",
          .time_ms = time_ms,
          .offset_minutes = 0};
}

}  // namespace hearth::hub
