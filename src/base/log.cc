#include "base/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <spdlog/details/console_globals.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/text.h"

namespace hearth {
namespace {

constexpr size_t kEventsWaitingMax = 8192;
constexpr std::chrono::milliseconds kEventsGather{2};
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

std::unique_ptr<spdlog::formatter> formatter_of(LogFormat format) {
  // The level's names are spdlog's; the rest of a JSON line is made by render().
  return std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                 : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
      spdlog::pattern_time_type::utc);
}

/// Lines are written at once, so that the last one before a crash is there.
struct Lines {
  Lines() { sink->set_formatter(formatter_of(LogFormat::kText)); }

  spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::logger logger{"hearth", sink};
};

Lines& lines() {
  static Lines instance;
  return instance;
}

/// Events wait for a thread that writes what has come within some milliseconds. spdlog's own queue
/// wakes its thread for each, and that one wakes back: a twelfth of what an answer from memory
/// costs. The thread begins with the first event: the thread that logs it has blocked the signals
/// that `serve` waits for.
class Events {
 public:
  Events() : thread_([this] { work(); }) {}
  /// At the program's end, writes what still waits.
  ~Events() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    any_.notify_one();
    thread_.join();
  }

  void add(LogLevel level, const std::string& text) {
    spdlog::memory_buf_t line;
    std::lock_guard lock(mutex_);
    if (!formatter_ || formatter_format_ != g_format) {
      formatter_format_ = g_format;
      formatter_ = formatter_of(formatter_format_);
    }
    formatter_->format({"hearth", level_of(level), {text.data(), text.size()}}, line);
    waiting_.emplace_back(line.data(), line.size());
    if (waiting_.size() > kEventsWaitingMax) {
      waiting_.pop_front();
      ++dropped_;
    }
    if (waiting_.size() == 1) any_.notify_one();
  }

  uint64_t dropped() {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      any_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      any_.wait_for(lock, kEventsGather, [&] { return stopping_; });
      std::string text;
      for (const std::string& line : std::exchange(waiting_, {})) text += line;
      lock.unlock();
      {
        // Whole lines, also beside those that are written at once.
        std::lock_guard console(spdlog::details::console_mutex::mutex());
        std::fwrite(text.data(), 1, text.size(), stderr);
        std::fflush(stderr);
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable any_;
  std::deque<std::string> waiting_;
  std::unique_ptr<spdlog::formatter> formatter_;
  LogFormat formatter_format_ = LogFormat::kText;
  uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // Last: it uses the others.
};

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
  lines().sink->set_formatter(formatter_of(format));
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
  events().add(level, render(message, fields));
}

uint64_t dropped_log_lines() {
  return events().dropped();
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
