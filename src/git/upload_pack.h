#pragma once
// The reading half of smart HTTP, by `git upload-pack`.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/fs.h"

namespace hearth::git {

enum class Service { kUploadPack, kReceivePack };

/// "git-upload-pack", "git-receive-pack".
std::string_view to_string(Service service);

/// The body of GET …/info/refs. `protocol` is the Git-Protocol header ("version=2"), or empty; what
/// does not look like one is dropped.
std::string advertise_refs(const fs::path& repo_dir, Service service, std::string_view protocol);

/// Longest negotiation accepted: 200,000 wants and haves of 50 bytes.
constexpr uint64_t kUploadRequestBytesMax = 10u << 20;

/// One POST …/git-upload-pack: a child process whose output is the answer.
class UploadPack {
 public:
  /// Feeds the whole `request` to the child; returns when it has been read.
  UploadPack(const fs::path& repo_dir, std::string_view request, std::string_view protocol);
  ~UploadPack();

  /// Readable when there is output; stays the same and open.
  int output_fd() const;
  /// Puts the next bytes into `block` (empty: nothing yet); false at the end (`block` may still
  /// hold some), after which the child is gone. Does not block. Of a git that failed before it
  /// wrote anything the client is told by an ERR packet.
  bool next(std::string& block);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::git
