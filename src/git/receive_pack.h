#pragma once
// The writing half of smart HTTP: commands and pack of one push, into a quarantine. What happens to
// the refs is decided in hub/receive; no hook races it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/fs.h"
#include "git/oid.h"
#include "git/quarantine.h"

namespace hearth::git {

/// One line of a push: move `ref` from `old_oid` to `new_oid`. Zero means "not there".
struct PushCommand {
  std::string ref;  // full name as sent; not checked yet
  Oid old_oid;
  Oid new_oid;

  bool is_create() const { return old_oid.is_zero(); }
  bool is_delete() const { return new_oid.is_zero(); }
};

/// What stands before the pack.
struct PushRequest {
  std::vector<PushCommand> commands;
  std::vector<std::string> capabilities;
  std::vector<Oid> shallow;
  size_t consumed_bytes = 0;  // up to and with the flush packet

  bool has(std::string_view capability) const;
};

constexpr size_t kPushCommandsBytesMax = 4u << 20;

/// Parses the command list. Nothing when `bytes` ends before the flush packet. Fuzzed.
Parsed<std::optional<PushRequest>> parse_push_request(ByteView bytes);

struct ReceiveLimits {
  uint64_t pack_bytes_max = uint64_t{8} << 30;
  // Address space of index-pack: a delta of some hundred bytes can ask for gigabytes. Half a
  // million objects take 71 MiB, and files above 10 MiB are streamed.
  uint64_t memory_bytes_max = uint64_t{512} << 20;
  int index_seconds_max = 600;
};

/// The outcome for one command.
struct PushResult {
  std::string ref;
  std::string refusal;  // empty: done; else a short reason on one line
};

/// Receives the body of one POST …/git-receive-pack. Not safe from several threads.
class ReceivePack {
 public:
  explicit ReceivePack(fs::path repo_dir, ReceiveLimits limits = {});
  ~ReceivePack();

  /// The next bytes of the body. Blocks while index-pack is busy. Throws kInvalid for a broken
  /// command list, kTooLarge past the limits.
  void write(ByteView block);
  /// The end of the body: waits for index-pack. A broken pack does not throw, see unpack_error.
  void finish();

  const PushRequest& request() const;
  /// No commands: git's probe before a large push; the answer is an empty body.
  bool is_probe() const { return request().commands.empty(); }
  /// Why the pack was refused, in a line for people; empty when it is fine.
  const std::string& unpack_error() const;
  Quarantine& quarantine();

  /// The body of the answer: report-status over side band as the client asked; `messages` are shown
  /// to the person who pushes, each line behind "remote: ".
  std::string report(const std::vector<PushResult>& results,
                     const std::vector<std::string>& messages) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::git
