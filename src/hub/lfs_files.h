#pragma once
// The large files of repositories as things of their own: sharing them with another repository.

#include <optional>
#include <string>
#include <vector>

#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::hub {

/// A large file that is to be shared. Both hashes name it, as clients send them.
struct SharedFile {
  std::string sha256;
  std::string xet_hash = {};  // 64 hex; empty: not told
};

struct SharingFailure {
  std::string sha256;
  std::string reason;
};

/// Safe from any thread and process.
class LfsFiles {
 public:
  explicit LfsFiles(HubContext context) : context_(std::move(context)) {}

  /// Gives `target` large files that `source` has; a commit may name them there afterwards. Nothing
  /// is copied. Returns those that could not be: the source has no such file, or it is another one.
  /// The route has checked that the caller may read the source's files and write to the target.
  std::vector<SharingFailure> share(const Repo& source, const Repo& target,
                                    const std::vector<SharedFile>& files);

 private:
  HubContext context_;
};

}  // namespace hearth::hub
