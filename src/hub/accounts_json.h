#pragma once
// What a fine-grained token may do, as clients read it in whoami-v2 and as it is stored.

#include "base/json.h"
#include "hub/accounts.h"

namespace hearth::hub {

/// {canReadGatedRepos, global, scoped: [{entity: {_id, type, name}, permissions}]}
json::object to_json(const TokenScopes& scopes);

/// Throws Error{kInvalid} that names what is wrong: a field of another type, an entity of unknown
/// type.
TokenScopes token_scopes_from_json(const json::object& object);

}  // namespace hearth::hub
