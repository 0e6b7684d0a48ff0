#pragma once
// Memory for answers that name very many files: a few of them are made at a time, the others wait.
//
// Such an answer is text that has to be whole before its first byte leaves, and on its way there
// takes about five times the bytes of its paths. Without this, a few requests at once for a
// repository of a hundred thousand files take gigabytes.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace hearth::hub {

/// Answers with fewer bytes of paths are made without asking.
inline constexpr uint64_t kSmallAnswerPathBytes = uint64_t{1} << 20;
/// Of a page of a list: past that it ends, with at least one repository.
inline constexpr uint64_t kListPathBytesMax = uint64_t{16} << 20;

/// Safe from any thread.
class LargeAnswers {
 public:
  LargeAnswers(uint64_t path_bytes_max, std::chrono::milliseconds wait_max)
      : path_bytes_max_(path_bytes_max), wait_max_(wait_max) {}

  /// Held while the answer is made. One that is larger than all that there is gets it alone. Waits
  /// its turn; throws kUnavailable when it takes too long. Whoever holds a share takes no other.
  std::shared_ptr<const void> take(uint64_t path_bytes);

 private:
  void give_back(uint64_t path_bytes);

  const uint64_t path_bytes_max_;
  const std::chrono::milliseconds wait_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t held_ = 0;
};

/// Those of this process, which has one memory.
LargeAnswers& large_answers();

}  // namespace hearth::hub
