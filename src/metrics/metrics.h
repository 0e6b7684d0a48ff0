#pragma once
// What the hub measures, as Prometheus reads it: families of values, each known where it arises and
// asked for at the time of a scrape. The text is made by prometheus-cpp, which shows nowhere else.
//
// Names follow Prometheus's conventions: hearth_…_total counts since the start, and sizes and
// times are bytes and seconds. A label takes few values, all known beforehand: never a repository,
// a user or an address.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::metrics {

enum class Kind {
  kCounter,    // Grows, from 0 at the start of the process.
  kGauge,      // Goes up and down.
  kHistogram,  // How often something took how long.
};

struct Family {
  std::string_view name;  // As all texts here: a constant.
  Kind kind;
  std::string_view help;  // One sentence.
};

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

/// Upper bounds of the buckets of every histogram, in seconds: from an answer out of memory to the
/// download of a large file.
inline constexpr std::array kBucketBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,
                                             0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0, 300.0};

/// Times that something took. Any thread; takes no lock and no memory.
class Durations {
 public:
  void observe(std::chrono::microseconds time) noexcept;

 private:
  friend class Samples;
  std::array<std::atomic<uint64_t>, kBucketBounds.size() + 1> counts_{};
  std::atomic<uint64_t> sum_us_{0};
};

/// Where a collector puts its values.
class Samples {
 public:
  struct Built;
  explicit Samples(Built& built) : built_(built) {}

  /// `name` is one of the families that the collector was added with.
  void add(std::string_view name, double value, const Labels& labels = {});
  void add(std::string_view name, const Durations& durations, const Labels& labels = {});

 private:
  Built& built_;
};

/// Called at each scrape, perhaps on several threads at once. What it throws is logged, and its
/// families have no values in that scrape.
using Collector = std::function<void(Samples&)>;

/// Every family of the program. Any thread.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// Adds families and who knows their values; it must work until the last scrape. A
  /// name that is none, or is there already, is a mistake of the program and ends it.
  void add(std::vector<Family> families, Collector collector);

  /// All values now, in Prometheus's text format.
  std::string text() const;
  /// The media type of text().
  static std::string_view content_type();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// This process: memory, descriptors, CPU time, start, and what was built. The names are those that
/// Prometheus's own libraries use for every process.
void add_process_families(Registry& registry, std::string_view version);

}  // namespace hearth::metrics
