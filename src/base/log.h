#pragma once
// The log: one line an event on standard error, for whatever collects it (systemd's journal, a
// container's runtime) to keep and to rotate. Never secrets, never request bodies.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

namespace hearth {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

void set_log_level(LogLevel level);
/// kText: `TIME LEVEL message name=value … id=REQUEST`; kJson: one object a line with the same
/// names. Before the first thread that logs.
void set_log_format(LogFormat format);
/// Whether lines of this level are written.
bool is_logged(LogLevel level);

/// Something of an event, besides its sentence.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, int64_t, double> value;
};

void log_line(LogLevel level, std::string_view line);
/// A line with fields. Handed to a thread of its own, so that it never waits for whoever reads
/// standard error: when 8,192 lines wait, the oldest are dropped and counted. Written within
/// milliseconds, together with what comes meanwhile.
void log_event(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);
/// How many lines log_event has dropped.
uint64_t dropped_log_lines();

/// The text with what looks like an access token (`hf_…`) made unreadable. Every line goes through
/// it: the last line of defence, for what someone pastes where no token belongs.
std::string without_tokens(std::string_view text);

/// While one lives, lines of this thread end in `id=…`: the request or task that is worked on.
class LogScope {
 public:
  /// `id` outlives this.
  explicit LogScope(const std::string& id);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const std::string* before_;
};

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (!is_logged(LogLevel::kDebug)) return;
  log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace hearth
