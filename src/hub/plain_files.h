#pragma once
// The content of git's blobs, for readers that may take their time.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>

#include "blob/blob.h"

namespace hearth::hub {

/// From this size on a blob is not held in memory while it is sent.
constexpr uint64_t kUnfoldedBytesMin = uint64_t{256} * 1024;

/// Unfolds blobs: git keeps them packed, and only as a whole can they be read. A large one is put
/// into a file without a name, which leaves by sendfile; all who read the same one at a time share
/// it, and it goes with the last of them. Safe from any thread.
class PlainFiles {
 public:
  explicit PlainFiles(fs::path data_dir) : data_dir_(std::move(data_dir)) {}

  struct Wanted {
    std::string repo_id;  // Repositories share nothing: who made one may not touch another's.
    std::string blob_oid;
    uint64_t size_bytes = 0;
  };
  /// `unfold` reads the content from git. Where no file can be written (the disk is full) the
  /// content is held in memory.
  std::unique_ptr<blob::Source> open(const Wanted& wanted,
                                     const std::function<std::string()>& unfold);

 private:
  struct Place {
    std::mutex mutex;  // Held while it is unfolded: the others wait for the same bytes.
    std::weak_ptr<Fd> file;
  };
  std::shared_ptr<Place> place_of(const Wanted& wanted);

  const fs::path data_dir_;
  std::mutex mutex_;  // Guards places_; never held while one of theirs is wanted.
  std::map<std::string, std::shared_ptr<Place>> places_;
  // Unfolding takes twice the size in memory.
  std::counting_semaphore<> turns_{2};
};

}  // namespace hearth::hub
