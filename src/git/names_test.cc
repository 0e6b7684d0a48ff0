#include "git/names.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

TEST(RepoPath, OrdinaryPathsPass) {
  for (std::string_view path : {"a",
                                "a/b/c.txt",
                                ".gitattributes",
                                ".gitignore",
                                ".github/x",
                                "a.git",
                                "x/.gitmodules",
                                "with space",
                                "grüße/模型.bin",
                                "a:b",
                                "-dash",
                                "git~2",
                                ".git2",
                                "gitx",
                                "...",
                                "..a",
                                "a..",
                                "~",
                                "$HOME",
                                "a%2fb",
                                "con"}) {
    Parsed<RepoPath> parsed = RepoPath::parse(path);
    ASSERT_TRUE(parsed) << path << ": " << parsed.error().message;
    EXPECT_EQ(parsed->text(), path);
  }
}

TEST(RepoPath, EverySpellingThatLeavesTheRepositoryIsRefused) {
  const std::string nul("a\0b", 3);
  const std::string long_path = std::string(600, 'a') + "/" + std::string(600, 'b');
  for (std::string_view path : std::initializer_list<std::string_view>{
           "",     "/",      "/etc/passwd", "//a",          "a//b",   "a/",    "a//",   ".",
           "..",   "./a",    "../a",        "a/..",         "a/../b", "a/./b", "a/.",   "..\\ddd",
           "a\\b", "\\",     "C:\\x",       "a\nb",         "a\tb",   "a\x7f", "a\x01", nul,
           "\xff", "a/\xc3", "\xc0\xaf",    "\xed\xa0\x80", long_path}) {
    EXPECT_FALSE(RepoPath::parse(path)) << path;
  }
}

TEST(RepoPath, EverySpellingOfDotGitIsRefused) {
  for (std::string_view name : std::initializer_list<std::string_view>{".git",
                                                                       ".GIT",
                                                                       ".Git",
                                                                       ".gIt",
                                                                       ".git.",
                                                                       ".git ",
                                                                       ".git...",
                                                                       ".git . .",
                                                                       "git~1",
                                                                       "GIT~1",
                                                                       "Git~1.",
                                                                       "git~1 ",
                                                                       ".git::$INDEX_ALLOCATION",
                                                                       ".git:x",
                                                                       "git~1:x",
                                                                       ".g\u200cit",
                                                                       "\u200d.git",
                                                                       ".git\ufeff",
                                                                       ".gi\u206ft",
                                                                       ".\u202agit",
                                                                       "\u2066x/.git",
                                                                       "g\u200cit~1"}) {
    EXPECT_FALSE(RepoPath::parse(name)) << name;
    EXPECT_FALSE(RepoPath::parse(std::string(name) + "/config")) << name;
    EXPECT_FALSE(RepoPath::parse("a/" + std::string(name) + "/hooks/x")) << name;
  }
}

TEST(RepoPath, LengthLimitIsExact) {
  std::string segment(200, 'a');
  std::string path = segment + "/" + segment + "/" + segment + "/" + segment + "/" + segment + "/";
  path += std::string(kPathBytesMax - path.size(), 'b');
  EXPECT_TRUE(RepoPath::parse(path));
  EXPECT_FALSE(RepoPath::parse(path + "b"));
  EXPECT_TRUE(RepoPath::parse(std::string(255, 'a')));
  EXPECT_FALSE(RepoPath::parse(std::string(256, 'a')));
}

TEST(RepoPath, TrailingSlashIsDroppedOnlyWhenAskedFor) {
  EXPECT_EQ(RepoPath::parse("sub/", TrailingSlash::kDrop)->text(), "sub");
  EXPECT_EQ(RepoPath::parse("a/sub", TrailingSlash::kDrop)->text(), "a/sub");
  EXPECT_FALSE(RepoPath::parse("sub//", TrailingSlash::kDrop));
  EXPECT_FALSE(RepoPath::parse("/", TrailingSlash::kDrop));
}

TEST(RepoPath, PartsAreTold) {
  RepoPath path = RepoPath::require("a/b/c.txt");
  EXPECT_EQ(path.name(), "c.txt");
  EXPECT_EQ(path.parent(), "a/b");
  EXPECT_EQ(RepoPath::require("c.txt").parent(), "");
}

TEST(RepoPath, RequireThrowsUnprocessable) {
  try {
    RepoPath::require("..\\ddd");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnprocessable);
    EXPECT_NE(error.message().find("..\\ddd"), std::string::npos);
  }
}

TEST(RefNames, AgreeWithGitCheckRefFormat) {
  TestFolder folder;
  for (std::string_view name : std::initializer_list<std::string_view>{
           "main",   "feat/x",   "a.b",      "a-b",  "ü",    "v1.0",  "a@b", "@x",   "x@",  "a{b",
           "{",      "a/@",      "1",        "a'b",  "a\"b", "a;b",   "a|b", "a$b",  "#1",  "a,b",
           "a%20b",  "",         "/",        "/a",   "a/",   "a//b",  ".a",  "a/.b", "a.",  "a..b",
           "a.lock", "a.lock/b", "a/b.lock", "a b",  "a~b",  "a^b",   "a:b", "a?b",  "a*b", "a[b",
           "a\\b",   "a@{b",     "-a",       "HEAD", "a\tb", "a\x7f", "a]b"}) {
    bool ours = !why_bad_branch_name(name);
    bool theirs =
        plain_git(folder.path(), {"check-ref-format", "--branch", std::string(name)}).status == 0;
    EXPECT_EQ(ours, theirs) << name;
  }
}

TEST(RefNames, NamesThatWouldBeMistakenAreRefused) {
  EXPECT_TRUE(why_bad_branch_name("refs/heads/x"));
  EXPECT_TRUE(why_bad_branch_name("refs/pr/1"));
  EXPECT_TRUE(why_bad_branch_name(std::string(40, 'a')));
  EXPECT_TRUE(why_bad_tag_name(std::string(40, 'A')));
  EXPECT_FALSE(why_bad_branch_name(std::string(39, 'a')));
  EXPECT_TRUE(why_bad_branch_name("\xff"));
  EXPECT_TRUE(why_bad_branch_name(std::string(256, 'a')));
}

TEST(RefNames, OnlyFourKindsOfRefsExist) {
  for (std::string_view name :
       {"refs/heads/main", "refs/tags/v1", "refs/pr/1", "refs/pr/123", "refs/convert/parquet"}) {
    EXPECT_FALSE(why_bad_ref_name(name)) << name;
  }
  for (std::string_view name :
       {"HEAD", "refs/heads/", "refs/heads", "heads/main", "refs/pr/0", "refs/pr/01", "refs/pr/x",
        "refs/pr/1/merge", "refs/pr/-1", "refs/hearth/x", "refs/notes/x", "refs/heads/../x",
        "refs/pr/9999999999", "../../etc", "refs/heads/HEAD"}) {
    EXPECT_TRUE(why_bad_ref_name(name)) << name;
  }
}

}  // namespace
}  // namespace hearth::git
