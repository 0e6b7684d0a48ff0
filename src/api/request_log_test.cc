#include "api/request_log.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace hearth::api {
namespace {

http::RequestHead asked(std::string path, std::string query = {}) {
  http::RequestHead head;
  head.raw_path = std::move(path);
  head.raw_query = std::move(query);
  return head;
}

TEST(RequestLog, OfAQueryOnlyHarmlessValuesStand) {
  EXPECT_EQ(loggable_query(asked("/x", "search=bert&limit=5&expand[]=likes")),
            "search=bert&limit=5&expand[]=likes");
  EXPECT_EQ(loggable_query(asked("/x", "repo=1&who=abc&exp=9&sig=abc=")),
            "repo=***&who=***&exp=***&sig=***");
  EXPECT_EQ(loggable_query(asked("/x", "abcdefgh&limit=1")), "***&limit=1");
  EXPECT_EQ(loggable_query(asked("/x")), "");
}

TEST(RequestLog, ALinkOfOneUseIsHiddenHoweverItIsMistyped) {
  EXPECT_EQ(loggable_path(asked("/setup/word")), "/setup/***");
  EXPECT_EQ(loggable_path(asked("/setup/word/more")), "/setup/***");
  EXPECT_EQ(loggable_path(asked("/api/models/alice/tiny")), "/api/models/alice/tiny");
}

TEST(RequestLog, AnAbsurdlyLongRequestIsCut) {
  EXPECT_LE(loggable_path(asked("/" + std::string(30'000, 'a'))).size(), 512u);
  std::string query;
  for (int i = 0; i < 5'000; ++i) query += "expand=" + std::string(5, 'b') + "&";
  EXPECT_LE(loggable_query(asked("/x", query)).size(), 1'100u);
}

TEST(RequestLog, WhatLooksLikeATokenIsUnreadable) {
  const std::string tail(30, 'a');
  EXPECT_EQ(without_tokens("/x/hf_" + tail + "/y hf_oauth_" + tail), "/x/hf_***/y hf_oauth_***");
  EXPECT_EQ(without_tokens("hf_refresh_" + tail), "hf_refresh_***");
  EXPECT_EQ(without_tokens("hf_hub/2.4.0; hf_xet/1.8.0"), "hf_hub/2.4.0; hf_xet/1.8.0");
  EXPECT_EQ(without_tokens("hf_" + std::string(15, 'a')), "hf_" + std::string(15, 'a'));
  EXPECT_EQ(without_tokens("hf_" + std::string(16, 'a')), "hf_***");
}

}  // namespace
}  // namespace hearth::api
