#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, ValuesAreAskedForAtEachScrape) {
  Registry registry;
  int value = 0;
  registry.add({{"hearth_things", Kind::kGauge, "Things."}},
               [&](Samples& out) { out.add("hearth_things", ++value, {{"kind", "a\"b"}}); });
  EXPECT_THAT(registry.text(),
              HasSubstr("# HELP hearth_things Things.\n# TYPE hearth_things gauge\n"
                        "hearth_things{kind=\"a\\\"b\"} 1\n"));
  EXPECT_THAT(registry.text(), HasSubstr("hearth_things{kind=\"a\\\"b\"} 2\n"));
}

TEST(Metrics, BucketsHoldWhatTookAtMostTheirBound) {
  Registry registry;
  Durations durations;
  durations.observe(std::chrono::microseconds(1000));
  durations.observe(std::chrono::microseconds(1001));
  durations.observe(std::chrono::hours(1));
  registry.add({{"hearth_x_seconds", Kind::kHistogram, "X."}},
               [&](Samples& out) { out.add("hearth_x_seconds", durations); });
  const std::string text = registry.text();
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_bucket{le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_bucket{le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_bucket{le=\"300\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_count 3\n"));
  EXPECT_THAT(text, HasSubstr("hearth_x_seconds_sum 3600.002001\n"));
}

TEST(Metrics, WhatCannotBeReadLeavesTheRest) {
  Registry registry;
  registry.add({{"hearth_bad", Kind::kGauge, "Bad."}}, [](Samples& out) {
    out.add("hearth_bad", 1);
    throw Error(ErrorKind::kUnavailable, "The database is away.");
  });
  registry.add({{"hearth_good_total", Kind::kCounter, "Good."}},
               [](Samples& out) { out.add("hearth_good_total", 7); });
  const std::string text = registry.text();
  EXPECT_THAT(text, Not(HasSubstr("\nhearth_bad ")));
  EXPECT_THAT(text, HasSubstr("\nhearth_good_total 7\n"));
  EXPECT_THAT(text, HasSubstr("\nhearth_collect_errors_total 1\n"));
}

TEST(MetricsDeathTest, NamesAreCheckedWhenTheyAreAdded) {
  Registry registry;
  auto nothing = [](Samples&) {};
  registry.add({{"hearth_a", Kind::kGauge, "A."}}, nothing);
  EXPECT_DEATH(registry.add({{"hearth_a", Kind::kGauge, "A."}}, nothing), "added once");
  EXPECT_DEATH(registry.add({{"hearth a", Kind::kGauge, "A."}}, nothing), "letters");
  EXPECT_DEATH(registry.add({{"hearth_b", Kind::kCounter, "B."}}, nothing), "_total");
  EXPECT_DEATH(registry.add({{"hearth_b_total", Kind::kGauge, "B."}}, nothing), "_total");
}

TEST(Metrics, OfThisProcess) {
  Registry registry;
  add_process_families(registry, "1.2.3");
  const std::string text = registry.text();
  EXPECT_THAT(text, HasSubstr("\nhearth_build_info{version=\"1.2.3\"} 1\n"));
  for (const char* name : {"process_resident_memory_bytes", "process_open_fds"}) {
    const size_t at = text.find("\n" + std::string(name) + " ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_GT(std::stod(text.substr(text.find(' ', at))), 2) << name;
  }
}

}  // namespace
}  // namespace hearth::metrics
