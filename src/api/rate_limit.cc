#include "api/rate_limit.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <random>

#include <fmt/format.h>

#include "http/headers.h"

namespace hearth::api {
namespace {

constexpr size_t kSharedCounts = 1024;
constexpr int kQuotaMax = 1'000'000'000;

std::optional<int> parse_count(std::string_view text) {
  int count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (count < 0 || count > kQuotaMax) return std::nullopt;
  return count;
}

}  // namespace

const RateQuota& RateLimits::of(RateClass rate) const {
  switch (rate) {
    case RateClass::kApi:
      return api;
    case RateClass::kResolvers:
      return resolvers;
    case RateClass::kPages:
      return pages;
    case RateClass::kGit:
      return git;
    case RateClass::kTransfers:
      return transfers;
    case RateClass::kLogin:
      return login;
    case RateClass::kPoll:
      return poll;
    case RateClass::kNone:
      break;
  }
  throw Error(ErrorKind::kInternal, "This class of routes is never limited.");
}

std::string_view to_string(RateClass rate) {
  switch (rate) {
    case RateClass::kApi:
      return "api";
    case RateClass::kResolvers:
      return "resolvers";
    case RateClass::kPages:
      return "pages";
    case RateClass::kGit:
      return "git";
    case RateClass::kTransfers:
      return "transfers";
    case RateClass::kLogin:
      return "login";
    case RateClass::kPoll:
      return "poll";
    case RateClass::kNone:
      return "none";
  }
  return "";
}

std::optional<RateQuota> parse_rate_quota(std::string_view text) {
  const size_t slash = text.find('/');
  const auto signed_in = parse_count(text.substr(0, slash));
  const auto anonymous =
      slash == std::string_view::npos ? signed_in : parse_count(text.substr(slash + 1));
  if (!signed_in || !anonymous) return std::nullopt;
  return RateQuota{.signed_in = *signed_in, .anonymous = *anonymous};
}

std::string to_string(const RateQuota& quota) {
  if (quota.signed_in == quota.anonymous) return std::to_string(quota.signed_in);
  return fmt::format("{}/{}", quota.signed_in, quota.anonymous);
}

void add_rate_headers(http::Response& response, const RateState& state) {
  response.headers.set(http::kRateLimit, fmt::format("\"{}\";r={};t={}", to_string(state.rate),
                                                     state.remaining, state.reset_s));
  response.headers.set(http::kRateLimitPolicy,
                       fmt::format("\"fixed window\";\"{}\";q={};w={}", to_string(state.rate),
                                   state.quota, state.window_s));
  if (state.refused) response.headers.set(http::kRetryAfter, std::to_string(state.reset_s));
}

Error rate_error(const RateState& state) {
  return {ErrorKind::kRateLimited,
          fmt::format("Too many requests: {} in {} s are allowed here. Wait {} s and try again.",
                      state.quota, state.window_s, state.reset_s),
          {.retry_after_s = state.reset_s}};
}

/// The counts of one class, of people or of strangers.
class RateLimiter::Table {
 public:
  Table(int64_t window_ms, size_t callers_max)
      : window_ms_(window_ms), callers_max_(callers_max), seed_(std::random_device{}()) {}

  struct Count {
    int64_t start_ms = 0;
    int requests = 0;
  };

  /// The count after this request.
  Count add(const std::string& key, int64_t now_ms) {
    std::lock_guard lock(mutex_);
    // The oldest stand in front, and each caller once: this ends after those that it removes.
    while (!starts_.empty() && is_over(starts_.front().first, now_ms)) {
      counts_.erase(starts_.front().second);
      starts_.pop_front();
    }
    auto found = counts_.find(key);
    if (found == counts_.end()) {
      if (counts_.size() >= callers_max_) return add_to(shared_of(key), now_ms);
      found = counts_.try_emplace(key, Count{.start_ms = now_ms}).first;
      starts_.emplace_back(now_ms, key);
    }
    return add_to(found->second, now_ms);
  }

 private:
  bool is_over(int64_t start_ms, int64_t now_ms) const {
    // A clock that was set back would make a window last for as long.
    return now_ms < start_ms || now_ms >= start_ms + window_ms_;
  }

  Count add_to(Count& count, int64_t now_ms) const {
    if (is_over(count.start_ms, now_ms)) count = {.start_ms = now_ms};
    if (count.requests < kQuotaMax) ++count.requests;
    return count;
  }

  Count& shared_of(const std::string& key) {
    return shared_[std::hash<std::string>{}(std::to_string(seed_) + key) % kSharedCounts];
  }

  const int64_t window_ms_;
  const size_t callers_max_;
  const uint32_t seed_;
  std::mutex mutex_;
  std::unordered_map<std::string, Count> counts_;
  std::deque<std::pair<int64_t, std::string>> starts_;
  std::array<Count, kSharedCounts> shared_{};
};

RateLimiter::RateLimiter(RateLimits limits, const Clock& clock, size_t callers_max)
    : limits_(limits), clock_(clock), callers_max_(callers_max) {
  for (auto& table : tables_) {
    table = std::make_unique<Table>(int64_t{limits_.window_s} * 1000, callers_max_);
  }
}

RateLimiter::~RateLimiter() = default;

std::optional<RateState> RateLimiter::count(RateClass rate, const RateCaller& caller) {
  if (rate == RateClass::kNone) return std::nullopt;
  const RateQuota& quotas = limits_.of(rate);
  const int quota = caller.signed_in ? quotas.signed_in : quotas.anonymous;
  if (quota <= 0) return std::nullopt;
  const int64_t now_ms = clock_.now_ms();
  Table& table = *tables_[2 * static_cast<size_t>(rate) + (caller.signed_in ? 1 : 0)];
  const Table::Count count = table.add(caller.key, now_ms);
  const int64_t left_ms = count.start_ms + int64_t{limits_.window_s} * 1000 - now_ms;
  return RateState{.rate = rate,
                   .quota = quota,
                   .remaining = std::max(0, quota - count.requests),
                   .reset_s = static_cast<int>(std::max<int64_t>(1, (left_ms + 999) / 1000)),
                   .window_s = limits_.window_s,
                   .refused = count.requests > quota};
}

}  // namespace hearth::api
