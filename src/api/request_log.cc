#include "api/request_log.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/text.h"

namespace hearth::api {
namespace {

constexpr size_t kPathBytesMax = 512;
constexpr size_t kAgentBytesMax = 120;
constexpr std::string_view kHidden = "***";
// The link by which the first administrator is made: its path is the secret.
constexpr std::string_view kSetupPath = "/setup/";

// Parameters whose values say what was asked and open nothing. Anything else is hidden: a new
// parameter is a secret until it stands here.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {"author",   "blobs",   "config", "create_pr", "diff",   "direction", "expand",
     "expand[]", "filter",  "full",   "lfs",       "limit",  "p",         "recursive",
     "search",   "service", "size",   "sort",      "status", "type"});

std::string_view cut(std::string_view text, size_t bytes_max) {
  return text.substr(0, std::min(text.size(), bytes_max));
}

}  // namespace

void RequestNote::set_user(const std::string& name) {
  std::lock_guard lock(mutex_);
  user_ = name;
}

std::string RequestNote::user() const {
  std::lock_guard lock(mutex_);
  return user_;
}

void RequestNote::set_address(const std::string& address) {
  std::lock_guard lock(mutex_);
  address_ = address;
}

std::string RequestNote::address() const {
  std::lock_guard lock(mutex_);
  return address_;
}

void RequestNote::set_rate(const RateState& rate) {
  std::lock_guard lock(mutex_);
  rate_ = rate;
}

std::optional<RateState> RequestNote::rate() const {
  std::lock_guard lock(mutex_);
  return rate_;
}

RequestNote& note_of(const http::RequestHead& head) {
  auto* note = dynamic_cast<RequestNote*>(head.note.get());
  HEARTH_ASSERT(note != nullptr, "HubApp::make_note makes the notes of its requests");
  return *note;
}

std::string loggable_path(const http::RequestHead& head) {
  // Whatever follows: also a mistyped link holds the token.
  if (head.raw_path.starts_with(kSetupPath)) {
    return std::string(kSetupPath) + std::string(kHidden);
  }
  return std::string(cut(head.raw_path, kPathBytesMax));
}

std::string loggable_query(const http::RequestHead& head) {
  if (head.raw_query.empty()) return {};
  std::string out;
  for (std::string_view pair : split(head.raw_query, '&')) {
    if (out.size() > kPathBytesMax) return out + "&…";
    size_t equals = pair.find('=');
    std::string_view name = pair.substr(0, equals);
    if (!out.empty()) out += '&';
    bool harmless = std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end();
    if (harmless) {
      out += cut(pair, kPathBytesMax);
    } else if (equals == std::string_view::npos) {
      out += kHidden;  // A bare word may be the secret itself.
    } else {
      out.append(cut(name, 40)).append("=").append(kHidden);
    }
  }
  return out;
}

void log_request(const RequestLogOptions& options, const http::RequestHead& head,
                 const http::Outcome& outcome) {
  const RequestNote& note = note_of(head);
  const double work_ms = static_cast<double>(note.work().count()) / 1000.0;
  const bool slow = options.slow_ms > 0 && work_ms > options.slow_ms;
  if (!options.each_request && !slow) return;
  const LogLevel level = slow ? LogLevel::kWarning : LogLevel::kInfo;
  if (!is_logged(level)) return;

  const std::string path = loggable_path(head);
  const std::string query = loggable_query(head);
  const std::string user = note.user();
  const std::string address = note.address();
  const Route* route = note.route();
  log_event(level, slow ? "slow request" : "request",
            {{"method", head.method},
             {"path", path},
             {"query", query},
             {"route", route == nullptr ? std::string_view("-") : route->pattern},
             {"status", int64_t{outcome.status}},
             {"in", static_cast<int64_t>(outcome.received_bytes)},
             {"out", static_cast<int64_t>(outcome.sent_bytes)},
             {"ms", static_cast<double>(outcome.duration.count()) / 1000.0},
             {"work_ms", work_ms},
             {"complete", outcome.complete ? "yes" : "no"},
             {"user", user.empty() ? std::string_view("-") : user},
             {"address", address.empty() ? head.remote_address : address},
             {"agent", cut(head.headers.get("User-Agent").value_or("-"), kAgentBytesMax)},
             {"id", head.request_id}});
}

}  // namespace hearth::api
