#pragma once
// The clock comes in from outside, so that tests can move it.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hearth {

/// Milliseconds since 1970-01-01 UTC. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_ms() const = 0;
};

/// The machine's clock; lives for ever.
const Clock& system_clock();

class FakeClock : public Clock {
 public:
  explicit FakeClock(int64_t now_ms = 1'767'225'600'000) : now_ms_(now_ms) {}  // 2026-01-01
  int64_t now_ms() const override { return now_ms_.load(); }
  void advance_ms(int64_t by_ms) { now_ms_ += by_ms; }

 private:
  std::atomic<int64_t> now_ms_;
};

/// "2026-01-02T03:04:05.000Z", the form every client parses.
std::string iso8601_ms(int64_t time_ms);
/// "2026-01-02", the day in UTC.
std::string iso8601_day(int64_t time_ms);

}  // namespace hearth
