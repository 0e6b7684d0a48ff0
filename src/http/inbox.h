#pragma once
// Bytes that have arrived and wait to be read.

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace hearth::http {

/// A buffer that is filled at its end and emptied at its front. Small when idle: thousands of
/// connections wait with an empty one.
class Inbox {
 public:
  std::string_view view() const { return {bytes_.data() + begin_, end_ - begin_}; }

  /// Room for about `count` bytes at the end; ends earlier views.
  std::span<char> prepare(size_t count) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ > 0 && bytes_.size() - end_ < count) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() - end_ < count) bytes_.resize(end_ + count);
    return {bytes_.data() + end_, count};
  }
  void commit(size_t count) { end_ += count; }
  void consume(size_t count) { begin_ += count; }
  void clear() { begin_ = end_ = 0; }
  /// Gives back memory that a body needed. Only when empty.
  void shrink() {
    clear();
    if (bytes_.size() > kIdleBytesMax) bytes_ = {};
  }

 private:
  static constexpr size_t kIdleBytesMax = 8 * 1024;

  std::vector<char> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace hearth::http
