#include "git/lfs_pointer.h"

#include <gtest/gtest.h>

namespace hearth::git {
namespace {

const std::string kSha = std::string(32, 'a') + std::string(32, '7');
const std::string kText =
    "version https://git-lfs.github.com/spec/v1\noid sha256:" + kSha + "\nsize 12345\n";

TEST(LfsPointer, CanonicalTextIsReadAndWritten) {
  std::optional<LfsPointer> pointer = LfsPointer::parse(kText);
  ASSERT_TRUE(pointer);
  EXPECT_EQ(pointer->sha256, kSha);
  EXPECT_EQ(pointer->size_bytes, 12345u);
  EXPECT_EQ(pointer->format(), kText);
}

TEST(LfsPointer, LargestSizeIsThatOfASignedNumber) {
  std::string text = kText;
  text.replace(text.find("12345"), 5, "9223372036854775807");
  EXPECT_EQ(LfsPointer::parse(text)->size_bytes, 9223372036854775807u);
  text.replace(text.find("9223372036854775807"), 19, "9223372036854775808");
  EXPECT_FALSE(LfsPointer::parse(text));
}

TEST(LfsPointer, AnythingElseIsAFile) {
  auto changed = [](std::string_view from, std::string_view to) {
    std::string text = kText;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string(), kText.substr(0, kText.size() - 1), kText + "\n", kText + "x 1\n",
        " " + kText, changed("12345", "-1"), changed("12345", "+1"), changed("12345", "012"),
        changed("12345", ""), changed("12345", "1x"), changed("12345", " 1"),
        changed("sha256", "sha1"), changed("aaaa", "AAAA"), changed("aaaa", "aaag"),
        changed("aaaa", "aaa"), changed("\noid", "\next-0-x sha256:1\noid"),
        changed("\nsize", "\r\nsize"), changed("v1", "v2"), kText + std::string(1024, ' ')}) {
    EXPECT_FALSE(LfsPointer::parse(text)) << text;
  }
  EXPECT_EQ(LfsPointer::parse(changed("12345", "0"))->size_bytes, 0u);
}

}  // namespace
}  // namespace hearth::git
