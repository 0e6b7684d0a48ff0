#pragma once
// The facts of a commit (hub/facts.h), out of git.

#include <optional>
#include <string>

#include "git/git.h"
#include "hub/facts.h"
#include "hub/repo.h"

namespace hearth::hub {

/// What is known of the files of an older commit.
struct TalliedCommit {
  std::string commit_oid;
  TalliedFiles files;
};

/// Everything that derive_facts wants to know about a commit. With `before`, from what the commit
/// changes since then: else, or when that commit is not there any more, from all of its files.
RepoFacts facts_of_commit(git::GitRepo& git, RepoType type, const git::Oid& commit,
                          const std::optional<TalliedCommit>& before = std::nullopt);

}  // namespace hearth::hub
