#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include <prometheus/check_names.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "base/error.h"
#include "base/log.h"
#include "metrics/metrics.h"

namespace hearth::metrics {
namespace {

constexpr Family kErrors = {"hearth_collect_errors_total", Kind::kCounter,
                            "How often a group of values could not be read for a scrape."};

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return prometheus::MetricType::Counter;
    case Kind::kGauge:
      return prometheus::MetricType::Gauge;
    case Kind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

std::vector<prometheus::MetricFamily> empty_families(const std::vector<Family>& families) {
  std::vector<prometheus::MetricFamily> built;
  for (const Family& family : families) {
    built.push_back({std::string(family.name), std::string(family.help), type_of(family.kind), {}});
  }
  return built;
}

prometheus::ClientMetric labelled(const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) {
    metric.label.push_back({std::string(name), std::string(value)});
  }
  return metric;
}

}  // namespace

struct Samples::Built {
  std::vector<prometheus::MetricFamily> families;

  prometheus::MetricFamily& find(std::string_view name) {
    auto it = std::find_if(families.begin(), families.end(),
                           [&](const auto& family) { return family.name == name; });
    HEARTH_ASSERT(it != families.end(), "a collector fills the families it was added with");
    return *it;
  }
};

struct Registry::State {
  struct Group {
    std::vector<Family> families;
    Collector collector;
  };
  mutable std::shared_mutex mutex;  // Guards the list, not the values.
  std::vector<std::shared_ptr<const Group>> groups;
  mutable std::atomic<uint64_t> error_count{0};

  bool has(std::string_view name) const {
    return name == kErrors.name ||
           std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
             return std::any_of(group->families.begin(), group->families.end(),
                                [&](const Family& family) { return family.name == name; });
           });
  }
};

void Durations::observe(std::chrono::microseconds time) noexcept {
  const double seconds = std::max(0.0, std::chrono::duration<double>(time).count());
  const auto bucket = std::lower_bound(kBucketBounds.begin(), kBucketBounds.end(), seconds);
  counts_[static_cast<size_t>(bucket - kBucketBounds.begin())].fetch_add(1,
                                                                         std::memory_order_relaxed);
  sum_us_.fetch_add(static_cast<uint64_t>(std::max<int64_t>(0, time.count())),
                    std::memory_order_relaxed);
}

void Samples::add(std::string_view name, double value, const Labels& labels) {
  prometheus::MetricFamily& family = built_.find(name);
  prometheus::ClientMetric metric = labelled(labels);
  if (family.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

void Samples::add(std::string_view name, const Durations& durations, const Labels& labels) {
  prometheus::ClientMetric metric = labelled(labels);
  uint64_t count = 0;
  for (size_t i = 0; i < kBucketBounds.size(); ++i) {
    count += durations.counts_[i].load(std::memory_order_relaxed);
    metric.histogram.bucket.push_back({count, kBucketBounds[i]});
  }
  // The serializer adds the bucket without a bound.
  metric.histogram.sample_count = count + durations.counts_.back().load(std::memory_order_relaxed);
  metric.histogram.sample_sum =
      static_cast<double>(durations.sum_us_.load(std::memory_order_relaxed)) / 1e6;
  built_.find(name).metric.push_back(std::move(metric));
}

Registry::Registry() : state_(std::make_unique<State>()) {}

Registry::~Registry() = default;

void Registry::add(std::vector<Family> families, Collector collector) {
  std::unique_lock lock(state_->mutex);
  for (const Family& family : families) {
    const bool is_total = family.name.ends_with("_total");
    HEARTH_ASSERT(prometheus::CheckMetricName(std::string(family.name)),
                  "a name of a metric is made of letters, digits and _");
    HEARTH_ASSERT(is_total == (family.kind == Kind::kCounter), "counters end in _total");
    HEARTH_ASSERT(!state_->has(family.name), "a family is added once");
  }
  state_->groups.push_back(
      std::make_shared<const State::Group>(std::move(families), std::move(collector)));
}

std::string Registry::text() const {
  std::vector<std::shared_ptr<const State::Group>> groups;
  {
    std::shared_lock lock(state_->mutex);
    groups = state_->groups;
  }
  std::vector<prometheus::MetricFamily> all;
  for (const auto& group : groups) {
    Samples::Built built{empty_families(group->families)};
    try {
      Samples samples(built);
      group->collector(samples);
    } catch (const std::exception& error) {
      ++state_->error_count;
      log_warning("metrics: {} and its like could not be read: {}", group->families.front().name,
                  error.what());
      built.families = empty_families(group->families);
    }
    std::move(built.families.begin(), built.families.end(), std::back_inserter(all));
  }
  Samples::Built errors{empty_families({kErrors})};
  Samples(errors).add(kErrors.name, static_cast<double>(state_->error_count.load()));
  all.push_back(std::move(errors.families.front()));
  return prometheus::TextSerializer().Serialize(all);
}

std::string_view Registry::content_type() {
  return "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace hearth::metrics
