#include "hub/large_answers.h"

#include <algorithm>

#include <malloc.h>

#include "base/error.h"

namespace hearth::hub {
namespace {

constexpr uint64_t kPathBytesMax = uint64_t{64} << 20;  // Some 320 MiB of memory.
// Below a request's own limit (http/limits.h, handler_wait), and longer than any such answer takes.
constexpr std::chrono::seconds kWaitMax{20};

}  // namespace

std::shared_ptr<const void> LargeAnswers::take(uint64_t path_bytes) {
  const uint64_t share = std::min(path_bytes, path_bytes_max_);
  {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, wait_max_, [&] { return held_ + share <= path_bytes_max_; })) {
      throw Error(ErrorKind::kUnavailable,
                  "Too many lists of very many files are being made just now. Try again in a "
                  "moment, or read the tree page by page.",
                  {.retry_after_s = 5});
    }
    held_ += share;
  }
  return {this, [this, share](const void*) { give_back(share); }};
}

void LargeAnswers::give_back(uint64_t share) {
  // The allocator keeps what each thread has freed for that thread: here it is too much to keep.
  ::malloc_trim(0);
  {
    std::lock_guard lock(mutex_);
    held_ -= share;
  }
  changed_.notify_all();
}

LargeAnswers& large_answers() {
  static LargeAnswers answers(kPathBytesMax, kWaitMax);
  return answers;
}

}  // namespace hearth::hub
