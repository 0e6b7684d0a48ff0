#include "api/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace hearth::api {
namespace {

constexpr size_t kCallersMax = 100'000;

}  // namespace

int RateLimits::of(RateClass rate) const {
  switch (rate) {
    case RateClass::kRead:
      return read_per_minute;
    case RateClass::kWrite:
      return write_per_minute;
    case RateClass::kLogin:
      return login_per_minute;
    case RateClass::kPoll:
      return poll_per_minute;
    case RateClass::kData:
      return data_per_minute;
  }
  return 0;
}

void RateLimiter::take(RateClass rate, const std::string& caller) {
  int per_minute = limits_.of(rate);
  if (per_minute <= 0) return;
  int64_t now_ms = clock_.now_ms();
  double per_ms = per_minute / 60'000.0;

  std::lock_guard lock(mutex_);
  auto& buckets = buckets_[static_cast<size_t>(rate)];
  if (buckets.size() >= kCallersMax) {
    // Whoever has been silent for a minute has a full bucket again: forgetting changes nothing.
    std::erase_if(buckets,
                  [&](const auto& entry) { return now_ms - entry.second.filled_ms > 60'000; });
    if (buckets.size() >= kCallersMax) buckets.clear();
  }
  auto [it, is_new] = buckets.try_emplace(caller, Bucket{double(per_minute), now_ms});
  Bucket& bucket = it->second;
  if (!is_new) {
    double refill = static_cast<double>(std::max<int64_t>(0, now_ms - bucket.filled_ms)) * per_ms;
    bucket.tokens = std::min<double>(per_minute, bucket.tokens + refill);
    bucket.filled_ms = now_ms;
  }
  if (bucket.tokens < 1) {
    int wait_s = static_cast<int>(std::ceil((1 - bucket.tokens) / per_ms / 1000.0));
    throw Error(ErrorKind::kRateLimited,
                "Too many requests. Wait " + std::to_string(wait_s) + " seconds and try again.",
                {.retry_after_s = wait_s});
  }
  bucket.tokens -= 1;
}

}  // namespace hearth::api
