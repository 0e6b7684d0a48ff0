#include "base/log.h"

#include <array>
#include <atomic>

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/text.h"

namespace hearth {
namespace {

constexpr size_t kEventsWaitingMax = 8192;
// A token has 20 and more letters and digits behind its prefix; shorter is a word.
constexpr std::string_view kTokenPrefix = "hf_";
constexpr std::array<std::string_view, 2> kOAuthWords = {"oauth_", "refresh_"};
constexpr size_t kTokenBytesMin = 16;

std::atomic<LogFormat> g_format{LogFormat::kText};
thread_local const std::string* t_id = nullptr;

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Lines are written at once, so that the last one before a crash is there.
struct Lines {
  Lines() { set_pattern(LogFormat::kText); }
  void set_pattern(LogFormat format) {
    // The level's names are spdlog's; the rest of a JSON line is made by render().
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                   : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
        spdlog::pattern_time_type::utc));
  }

  spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::logger logger{"hearth", sink};
};

Lines& lines() {
  static Lines instance;
  return instance;
}

/// Events pass a queue to the same sink. Its thread begins with the first event: the thread that
/// logs it has blocked the signals that `serve` waits for.
struct Events {
  Events() { logger->set_level(spdlog::level::trace); }  // log_event asks is_logged.

  std::shared_ptr<spdlog::details::thread_pool> pool =
      std::make_shared<spdlog::details::thread_pool>(kEventsWaitingMax, 1);
  // Shared with the queue, as spdlog wants it.
  std::shared_ptr<spdlog::async_logger> logger = std::make_shared<spdlog::async_logger>(
      "hearth.events", lines().sink, pool, spdlog::async_overflow_policy::overrun_oldest);
};

/// Its end, at the program's, writes what still waits.
Events& events() {
  static Events instance;
  return instance;
}

bool needs_quotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \"=") != std::string_view::npos ||
         has_control_characters(text);
}

/// As JSON text. What clients send need not be UTF-8, and no parser of JSON would take such a line.
std::string quoted(std::string_view text) {
  std::string fit(text);
  if (!is_utf8(text)) {
    for (char& c : fit) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return json::serialize(json::string(fit));
}

void add_text_field(std::string& out, const LogField& field) {
  out.append(" ").append(field.name).append("=");
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    out += needs_quotes(*text) ? quoted(*text) : std::string(*text);
  } else if (const auto* whole = std::get_if<int64_t>(&field.value)) {
    out += std::to_string(*whole);
  } else {
    out += fmt::format("{:.3f}", std::get<double>(field.value));
  }
}

void add_json_field(std::string& out, const LogField& field) {
  out.append(",\"").append(field.name).append("\":");
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    out += quoted(*text);
  } else if (const auto* whole = std::get_if<int64_t>(&field.value)) {
    out += std::to_string(*whole);
  } else {
    out += fmt::format("{:.3f}", std::get<double>(field.value));
  }
}

std::string render(std::string_view message, std::initializer_list<LogField> fields) {
  const bool as_json = g_format == LogFormat::kJson;
  std::string out = as_json ? "\"message\":" + quoted(message) : std::string(message);
  for (const LogField& field : fields) {
    as_json ? add_json_field(out, field) : add_text_field(out, field);
  }
  if (t_id != nullptr) {
    LogField id{"id", std::string_view(*t_id)};
    as_json ? add_json_field(out, id) : add_text_field(out, id);
  }
  return without_tokens(out);
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

void set_log_level(LogLevel level) {
  lines().logger.set_level(level_of(level));
}

void set_log_format(LogFormat format) {
  g_format = format;
  lines().set_pattern(format);
}

bool is_logged(LogLevel level) {
  return lines().logger.should_log(level_of(level));
}

void log_line(LogLevel level, std::string_view line) {
  if (!is_logged(level)) return;
  std::string text = render(line, {});
  lines().logger.log(level_of(level), spdlog::string_view_t(text.data(), text.size()));
}

void log_event(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!is_logged(level)) return;
  std::string text = render(message, fields);
  events().logger->log(level_of(level), spdlog::string_view_t(text.data(), text.size()));
}

uint64_t dropped_log_lines() {
  return events().pool->overrun_counter();
}

std::string without_tokens(std::string_view text) {
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(kTokenPrefix); at != std::string_view::npos;
       at = text.find(kTokenPrefix, at + 1)) {
    size_t begin = at + kTokenPrefix.size();
    for (std::string_view word : kOAuthWords) {
      if (text.substr(begin).starts_with(word)) begin += word.size();
    }
    size_t end = begin;
    while (end < text.size() && is_alphanumeric(text[end])) ++end;
    if (end - begin < kTokenBytesMin) continue;
    out.append(text.substr(done, begin - done)).append("***");
    done = end;
    at = end - 1;
  }
  out.append(text.substr(done));
  return out;
}

LogScope::LogScope(const std::string& id) : before_(t_id) {
  t_id = &id;
}

LogScope::~LogScope() {
  t_id = before_;
}

}  // namespace hearth
