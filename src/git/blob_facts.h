#pragma once
// What lists of files say of a blob, remembered (private to the module).
//
// A blob's name is the hash of its content, so what was read of it once is true for ever, in every
// repository: a list of files that is asked for again reads its trees and no blob. So a blob that
// went missing since is found by whoever reads it and by verify, not by a list of the same server.

#include <cstdint>
#include <optional>

#include "git/lfs_pointer.h"
#include "git/oid.h"

namespace hearth::git::internal {

struct BlobFacts {
  uint64_t size_bytes = 0;
  std::optional<LfsPointer> pointer;
};

/// Safe from any thread. At most some 200,000 blobs (30 MB) are remembered, the last used ones.
std::optional<BlobFacts> known_blob(const Oid& oid);
void remember_blob(const Oid& oid, const BlobFacts& facts);

}  // namespace hearth::git::internal
