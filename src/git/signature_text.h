#pragma once
// The text forms of people and messages in commits and tags. Private.

#include <string>
#include <string_view>
#include <vector>

#include "git/repository.h"

namespace hearth::git::internal {

/// "Alice <alice@example> 1700000000 +0100". What git's fsck refuses in names is dropped.
std::string signature_text(const Signature& signature);
/// Valid UTF-8 without NUL, ended by one line feed.
std::string message_text(std::string_view message);

/// A commit object's content.
std::string commit_text(const Oid& tree, const std::vector<Oid>& parents, const Signature& author,
                        const Signature& committer, std::string_view message);

}  // namespace hearth::git::internal
