#pragma once
// How often one caller may ask. Buckets are refilled steadily; each class of routes has its own.

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "api/api.h"

namespace hearth::api {

/// Requests per minute and caller; 0: no limit.
struct RateLimits {
  int read_per_minute = 0;
  int write_per_minute = 0;
  int login_per_minute = 60;
  int poll_per_minute = 1200;  // Devices that wait for their person: 12 a minute each, by address.
  int data_per_minute = 0;

  int of(RateClass rate) const;
};

/// Safe from any thread. Holds at most 100,000 callers; past that the idle ones are forgotten.
class RateLimiter {
 public:
  RateLimiter(RateLimits limits, const Clock& clock) : limits_(limits), clock_(clock) {}

  /// Throws Error{kRateLimited} with the seconds to wait, when `caller` (a user id or an address)
  /// has used up its share. Source of the behaviour: huggingface_hub sleeps what Retry-After says.
  void take(RateClass rate, const std::string& caller);

 private:
  struct Bucket {
    double tokens = 0;
    int64_t filled_ms = 0;
  };
  RateLimits limits_;
  const Clock& clock_;
  std::mutex mutex_;
  std::array<std::unordered_map<std::string, Bucket>, 5> buckets_;
};

}  // namespace hearth::api
