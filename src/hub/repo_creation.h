#pragma once
// What making a repository shares with renaming one; for the files of this folder.

#include <string>

#include "db/db.h"
#include "git/git.h"
#include "hub/accounts.h"
#include "hub/repo.h"

namespace hearth::hub {

/// What the bare repository says about itself.
git::RepoConfig config_of(const Repo& repo);

/// Throws kNotFound "There is no user or organisation called …".
Namespace require_namespace(db::Tx& tx, const std::string& name);

}  // namespace hearth::hub
