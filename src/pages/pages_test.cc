#include "pages/pages.h"

#include <gtest/gtest.h>

namespace hearth::pages {
namespace {

TEST(Pages, TheShellOfASignedInPersonSaysSo) {
  EXPECT_NE(shell(true).plain.find("data-signed-in"), std::string_view::npos);
  EXPECT_EQ(shell(false).plain.find("data-signed-in"), std::string_view::npos);
  EXPECT_NE(shell(true).hash, shell(false).hash);
}

TEST(Pages, TheShellHasNoInlineScript) {
  const std::string_view html = shell(false).plain;
  size_t scripts = 0;
  for (size_t at = html.find("<script"); at != std::string_view::npos;
       at = html.find("<script", at + 1)) {
    const std::string_view tag = html.substr(at, html.find('>', at) - at);
    EXPECT_NE(tag.find(" src=\"/_app/"), std::string_view::npos) << tag;
    ++scripts;
  }
  EXPECT_GE(scripts, 2u);
}

TEST(Pages, WhatTheShellNamesIsThereAndSmallerCompressed) {
  const std::string_view html = shell(false).plain;
  size_t named = 0;
  for (size_t at = html.find("\"/_app/"); at != std::string_view::npos;
       at = html.find("\"/_app/", at + 1)) {
    const std::string_view path = html.substr(at + 2, html.find('"', at + 1) - at - 2);
    const Asset* asset = find(path);
    ASSERT_NE(asset, nullptr) << path;
    if (path.ends_with(".js") && asset->plain.size() > 2000) {
      EXPECT_LT(asset->gzip.size(), asset->plain.size());
      EXPECT_LT(asset->brotli.size(), asset->gzip.size());
      EXPECT_GT(asset->brotli.size(), 0u);
    }
    ++named;
  }
  EXPECT_GE(named, 4u);
}

TEST(Pages, AnotherPathIsNoFile) {
  EXPECT_EQ(find(""), nullptr);
  EXPECT_EQ(find("_app"), nullptr);
  EXPECT_EQ(find("_app/../shell.html"), nullptr);
}

}  // namespace
}  // namespace hearth::pages
