#include "base/time.h"

#include <chrono>
#include <ctime>

#include <fmt/format.h>

namespace hearth {
namespace {

class SystemClock : public Clock {
 public:
  int64_t now_ms() const override {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
};

std::tm utc(int64_t time_ms) {
  auto seconds = static_cast<std::time_t>(time_ms / 1000 - (time_ms % 1000 < 0 ? 1 : 0));
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string iso8601_ms(int64_t time_ms) {
  std::tm t = utc(time_ms);
  int64_t millis = ((time_ms % 1000) + 1000) % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, millis);
}

std::string iso8601_day(int64_t time_ms) {
  std::tm t = utc(time_ms);
  return fmt::format("{:04}-{:02}-{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday);
}

}  // namespace hearth
