#pragma once
// What is counted of each request.

#include <array>
#include <atomic>
#include <unordered_map>

#include "api/api.h"
#include "metrics/metrics.h"

namespace hearth::api {

/// Counts requests by the row that answered them. What there is to count is known from the rows, so
/// a request costs one look into a table that never changes, and no memory or lock.
class RequestMetrics {
 public:
  explicit RequestMetrics(const std::vector<const Route*>& routes);

  /// On an edge thread. `route` is null where no row was found.
  void observe(const Route* route, const http::RequestHead& head, const http::Outcome& outcome,
               std::chrono::microseconds work) noexcept;

  /// Adds its families; this lives until the last scrape.
  void add_to(metrics::Registry& registry) const;

 private:
  static constexpr size_t kStatusClasses = 7;  // 0: no answer could be sent; the last: 501.
  struct Counts {
    std::string_view route;
    std::string_view method;
    std::array<std::atomic<uint64_t>, kStatusClasses> answers{};
    std::atomic<uint64_t> received_bytes{0};
    std::atomic<uint64_t> sent_bytes{0};
  };
  struct OfRow {
    Counts own;
    Counts head;  // GET also answers HEAD.
  };
  struct OfClass {
    metrics::Durations whole;
    metrics::Durations work;
    std::atomic<uint64_t> limited{0};
  };

  void add_samples(metrics::Samples& out) const;
  static void add_counts(metrics::Samples& out, const Counts& counts);

  std::unordered_map<const Route*, std::unique_ptr<OfRow>> rows_;
  Counts other_;  // What no row answers, and what is not built: by no method of its own.
  std::array<OfClass, kRateClassCount + 1> classes_;  // By RateClass.
};

}  // namespace hearth::api
