#pragma once
// How many requests one caller may make: a quota in each window of time, one for each class of
// routes. The window of a caller begins with its first request and ends as a whole, as the headers
// say ("fixed window"): whoever waits for its end gets the full quota again.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/api.h"

namespace hearth::api {

/// Requests in one window; 0: no limit.
struct RateQuota {
  int signed_in = 0;  // Of one user, with all of their tokens and sessions.
  int anonymous = 0;  // Of one address (base/address.h), of all strangers there.
};

/// The classes are those of the hosted hub (api, resolvers, pages) and four of our own. The
/// defaults and why they are so: docs/operating.md.
struct RateLimits {
  int window_s = 300;  // As the hosted hub's.
  RateQuota api;
  RateQuota resolvers;
  RateQuota pages;
  RateQuota git;
  RateQuota transfers;
  RateQuota login{.signed_in = 300, .anonymous = 300};
  // Devices that wait for their person ask 60 times in a window: 100 of them at one address.
  RateQuota poll{.signed_in = 6000, .anonymous = 6000};

  /// Throws Error{kInternal} for kNone.
  const RateQuota& of(RateClass rate) const;
};

/// "api"; what clients show, so one word of letters.
std::string_view to_string(RateClass rate);

/// "1000" for both, "1000/500" for people and strangers. Nothing: neither.
std::optional<RateQuota> parse_rate_quota(std::string_view text);
std::string to_string(const RateQuota& quota);

struct RateCaller {
  std::string key;  // A user id, or a caller's network.
  bool signed_in = false;
};

/// Where a caller stands after a request was counted.
struct RateState {
  RateClass rate = RateClass::kNone;
  int quota = 0;
  int remaining = 0;
  int reset_s = 0;  // At least 1.
  int window_s = 0;
  bool refused = false;
};

/// `RateLimit` and `RateLimit-Policy`, and `Retry-After` when it was refused. Source:
/// huggingface_hub 2.4 utils/_http.py parse_ratelimit_headers, which waits reset_s + 1 seconds
/// after a 429 with nothing remaining.
void add_rate_headers(http::Response& response, const RateState& state);
/// The error of a request that was refused.
Error rate_error(const RateState& state);

/// Safe from any thread. People and strangers are kept apart, so that strangers, of whom there may
/// be any number, never touch what is known of people. Of each at most `callers_max` are told apart
/// in one class; newcomers past that share 1,024 counts, by a hash that nobody can foresee, and
/// those who were there before keep theirs.
class RateLimiter {
 public:
  RateLimiter(RateLimits limits, const Clock& clock, size_t callers_max = 100'000);
  ~RateLimiter();

  /// Counts one request. Nothing: its class has no limit.
  std::optional<RateState> count(RateClass rate, const RateCaller& caller);

 private:
  class Table;
  RateLimits limits_;
  const Clock& clock_;
  size_t callers_max_;
  std::array<std::unique_ptr<Table>, 2 * kRateClassCount> tables_;
};

}  // namespace hearth::api
