#include "api/rate_limit.h"

#include <gtest/gtest.h>

namespace hearth::api {
namespace {

constexpr RateLimits limits_of_api(int signed_in, int anonymous) {
  RateLimits limits;
  limits.api = {.signed_in = signed_in, .anonymous = anonymous};
  return limits;
}

RateCaller person(const std::string& id) {
  return {.key = id, .signed_in = true};
}

RateCaller stranger(const std::string& address) {
  return {.key = address};
}

TEST(RateLimiter, RefusesPastTheQuotaUntilTheWindowEnds) {
  FakeClock clock;
  RateLimiter limiter(limits_of_api(3, 2), clock);
  for (const int remaining : {2, 1, 0}) {
    const auto state = limiter.count(RateClass::kApi, person("a"));
    ASSERT_TRUE(state);
    EXPECT_FALSE(state->refused);
    EXPECT_EQ(remaining, state->remaining);
    EXPECT_EQ(300, state->reset_s);
    EXPECT_EQ(3, state->quota);
  }
  clock.advance_ms(299'001);
  auto refused = limiter.count(RateClass::kApi, person("a"));
  EXPECT_TRUE(refused->refused);
  EXPECT_EQ(0, refused->remaining);
  EXPECT_EQ(1, refused->reset_s);
  clock.advance_ms(998);
  EXPECT_TRUE(limiter.count(RateClass::kApi, person("a"))->refused);
  clock.advance_ms(1);
  const auto again = limiter.count(RateClass::kApi, person("a"));
  EXPECT_FALSE(again->refused);  // A full window, from here.
  EXPECT_EQ(2, again->remaining);
  EXPECT_EQ(300, again->reset_s);
}

TEST(RateLimiter, CallersAndClassesAreCountedApart) {
  FakeClock clock;
  RateLimits limits = limits_of_api(1, 1);
  limits.resolvers = {.signed_in = 1, .anonymous = 0};
  RateLimiter limiter(limits, clock);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("a"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("b"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kApi, stranger("a"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kResolvers, person("a"))->refused);
  EXPECT_TRUE(limiter.count(RateClass::kApi, person("a"))->refused);
  EXPECT_EQ(std::nullopt, limiter.count(RateClass::kResolvers, stranger("a")));
  EXPECT_EQ(std::nullopt, limiter.count(RateClass::kGit, person("a")));
  EXPECT_EQ(std::nullopt, limiter.count(RateClass::kNone, person("a")));
}

TEST(RateLimiter, AClockThatIsSetBackHoldsNobodyUp) {
  FakeClock clock;
  clock.advance_ms(1'000'000);
  RateLimiter limiter(limits_of_api(1, 1), clock);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("a"))->refused);
  clock.advance_ms(-500'000);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("a"))->refused);
  EXPECT_TRUE(limiter.count(RateClass::kApi, person("a"))->refused);
}

TEST(RateLimiter, AFloodOfStrangersFreesAndHurtsNobodyWhoWasThere) {
  FakeClock clock;
  RateLimiter limiter(limits_of_api(2, 2), clock, /*callers_max=*/100);
  for (int i = 0; i < 2; ++i) limiter.count(RateClass::kApi, stranger("used up"));
  limiter.count(RateClass::kApi, stranger("half"));
  limiter.count(RateClass::kApi, person("p"));
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    refused += limiter.count(RateClass::kApi, stranger("10." + std::to_string(i)))->refused ? 1 : 0;
  }
  // 98 have counts of their own; the others share 1,024.
  EXPECT_LE(20'000 - 98 - 2 * 1024, refused);
  EXPECT_GE(20'000 - 98, refused);
  EXPECT_TRUE(limiter.count(RateClass::kApi, stranger("used up"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kApi, stranger("half"))->refused);
  EXPECT_TRUE(limiter.count(RateClass::kApi, stranger("half"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("p"))->refused);
  EXPECT_FALSE(limiter.count(RateClass::kApi, person("newcomer"))->refused);
  clock.advance_ms(300'000);
  EXPECT_EQ(1, limiter.count(RateClass::kApi, stranger("10.19999"))->remaining);
}

TEST(RateLimiter, SaysWhatHuggingfaceHubReads) {
  http::Response response;
  RateState state{
      .rate = RateClass::kApi, .quota = 500, .remaining = 7, .reset_s = 55, .window_s = 300};
  add_rate_headers(response, state);
  EXPECT_EQ("\"api\";r=7;t=55", response.headers.get("RateLimit"));
  EXPECT_EQ("\"fixed window\";\"api\";q=500;w=300", response.headers.get("RateLimit-Policy"));
  EXPECT_FALSE(response.headers.get("Retry-After"));
  state.refused = true;
  add_rate_headers(response, state);
  EXPECT_EQ("55", response.headers.get("Retry-After"));
}

TEST(RateQuota, IsOneNumberOrTwo) {
  EXPECT_EQ("10/5", to_string(*parse_rate_quota("10/5")));
  EXPECT_EQ("10", to_string(*parse_rate_quota("10")));
  EXPECT_EQ("0/1", to_string(*parse_rate_quota("0/1")));
  for (const char* bad : {"", "x", "-1", "1/", "/1", "1/2/3", "1 /2", "99999999999", "+1"}) {
    EXPECT_FALSE(parse_rate_quota(bad)) << bad;
  }
}

}  // namespace
}  // namespace hearth::api
