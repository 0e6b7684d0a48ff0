#pragma once
// Someone who changes a repository: who, by which credential, from where.

#include <string>

#include "hub/audit.h"
#include "hub/identity.h"

namespace hearth::hub {

struct Caller {
  const Identity& identity;  // Outlives the call it is given to.
  std::string remote_address;

  Actor actor() const { return Actor::of(identity, remote_address); }
};

}  // namespace hearth::hub
