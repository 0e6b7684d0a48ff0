#pragma once
// Where a repository's git folder stands.

#include <string>

#include "base/fs.h"
#include "hub/context.h"

namespace hearth::hub {

/// DATA/git/<ab>/<repo id>.git. The last two digits of an id spread evenly; the first are the time.
inline fs::path git_dir(const HubContext& context, const std::string& repo_id) {
  return context.data_dir / "git" / repo_id.substr(repo_id.size() - 2) / (repo_id + ".git");
}

}  // namespace hearth::hub
