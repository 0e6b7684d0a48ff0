#include "git/attributes.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

// Segments out of which tables of patterns and paths are made.
const std::vector<std::string> kPaths = {"a.bin",
                                         "A.BIN",
                                         "x/a.bin",
                                         "x/y/a.bin",
                                         "a.bin.txt",
                                         "model.safetensors",
                                         "x/model.safetensors",
                                         "saved_model/v.pb",
                                         "saved_model/x/v.pb",
                                         "saved_model/x/y/v",
                                         "q/saved_model/x/v",
                                         "lfs.bin",
                                         "a.lfs.b",
                                         "data.tar",
                                         "data.tar.gz",
                                         "events.tfevents",
                                         "tfevents.1",
                                         "x/1tfevents",
                                         "foo",
                                         "foo/bar",
                                         "foo/bar/baz",
                                         "x/foo/bar",
                                         "foo bar",
                                         "x/foo bar",
                                         "a[b]",
                                         "a-b",
                                         "a^b",
                                         "ab",
                                         "abc",
                                         "aXc",
                                         "a/c",
                                         "a/b/c",
                                         "a/b/b/c",
                                         "b/c",
                                         "build",
                                         "build/x",
                                         "x/build",
                                         "x/build/y",
                                         "ü.bin",
                                         "#x",
                                         "!x",
                                         "x\\y",
                                         "trail",
                                         "trail ",
                                         "a*b",
                                         "a?b",
                                         ".hidden",
                                         "x/.hidden",
                                         "deep/1/2/3/4/f.log",
                                         "f.log",
                                         "log/f",
                                         "x/log/f",
                                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                                         "docs/a.md",
                                         "docs/x/a.md",
                                         "README.md",
                                         "0",
                                         "5",
                                         "z",
                                         "Z",
                                         "x/5",
                                         "a\"b"};

const std::vector<std::string> kPatterns = {"*.bin",
                                            "*.BIN",
                                            "/*.bin",
                                            "x/*.bin",
                                            "**/*.bin",
                                            "x/**",
                                            "/a**",
                                            "foo/ba**",
                                            "saved_model/x**v",
                                            "x/**/a.bin",
                                            "x/*/a.bin",
                                            "saved_model/**/*",
                                            "saved_model/**",
                                            "/saved_model/*",
                                            "*.lfs.*",
                                            "*.tar.*",
                                            "*tfevents*",
                                            "foo",
                                            "/foo",
                                            "foo/",
                                            "foo/*",
                                            "foo/**",
                                            "foo/bar",
                                            "/foo/bar",
                                            "**/foo/bar",
                                            "foo/**/baz",
                                            "**/foo",
                                            "foo**",
                                            "**foo",
                                            "f**o/bar",
                                            "a?c",
                                            "a/**/c",
                                            "a/*/c",
                                            "a**c",
                                            "a[a-z]c",
                                            "a[!a-z]c",
                                            "a[^a-z]c",
                                            "a[]X]c",
                                            "a[X]c",
                                            "a[[:upper:]]c",
                                            "a[[:nope:]]c",
                                            "a[b",
                                            "a\\[b\\]",
                                            "a[[]b]",
                                            "a[\\[]b]",
                                            "a[a-]b",
                                            "a[-a]b",
                                            "a[+--]b",
                                            "[0-9]",
                                            "[!0-9]",
                                            "[a-c-z]",
                                            "build/",
                                            "/build/",
                                            "build",
                                            "build/*",
                                            "*",
                                            "**",
                                            "*/*",
                                            "**/*",
                                            "*/",
                                            "**/",
                                            "/**",
                                            "/*",
                                            "?",
                                            "??",
                                            "x/?",
                                            "\\#x",
                                            "\\!x",
                                            "#x",
                                            "x\\\\y",
                                            "x\\y",
                                            "trail\\ ",
                                            "a\\*b",
                                            "a\\?b",
                                            ".*",
                                            "*.log",
                                            "log/",
                                            "log/**",
                                            "**/log",
                                            "deep/**/f.log",
                                            "deep/**/3/**/f.log",
                                            "/deep/*/2/3/4/f.log",
                                            "*a*a*a*a*a*a*a*a*a*a*a*b",
                                            "docs/**/*.md",
                                            "**/docs/*.md",
                                            "/**/README.md",
                                            "\xc3\xbc.bin",
                                            "[a-zA-Z]",
                                            "x/[0-9]",
                                            "a\\",
                                            "[",
                                            "[]",
                                            "[!]",
                                            "[]-a]",
                                            "***",
                                            "x/***",
                                            "foo/***/baz",
                                            "//foo",
                                            "foo//bar",
                                            "/",
                                            "x/**/",
                                            "**/x/**",
                                            "a/**",
                                            "*/c",
                                            "**/c",
                                            "**/**/c",
                                            "a/**/**/c",
                                            "*.{bin,log}"};

std::string lines(const std::vector<std::string>& all) {
  return join(all, "\n") + "\n";
}

/// A work tree with this file, for `git check-…`.
class Oracle {
 public:
  Oracle() { git_output(folder_.path(), {"init", "-q", "."}); }

  std::vector<bool> ignored(const std::string& text) {
    write_durably(folder_.path() / ".gitignore", text);
    std::string out =
        plain_git(folder_.path(), {"check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"},
                  joined())
            .out;
    // Four fields a path: source, line, pattern, path. No source: nothing matched.
    std::vector<std::string_view> fields = split(out, '\0');
    std::vector<bool> answers;
    for (size_t i = 0; i + 3 < fields.size(); i += 4) {
      answers.push_back(!fields[i].empty() && !fields[i + 2].starts_with('!'));
    }
    return answers;
  }

  std::vector<bool> lfs(const std::string& text) {
    write_durably(folder_.path() / ".gitattributes", text);
    std::string out =
        plain_git(folder_.path(), {"check-attr", "-z", "--stdin", "filter"}, joined()).out;
    std::vector<std::string_view> fields = split(out, '\0');
    std::vector<bool> answers;
    for (size_t i = 0; i + 2 < fields.size(); i += 3) answers.push_back(fields[i + 2] == "lfs");
    return answers;
  }

 private:
  static std::string joined() {
    std::string out;
    for (const std::string& path : kPaths) out += path + '\0';
    return out;
  }
  TestFolder folder_;
};

void expect_same_ignore(Oracle& oracle, const std::string& text) {
  std::vector<bool> theirs = oracle.ignored(text);
  ASSERT_EQ(theirs.size(), kPaths.size());
  Ignore ignore = Ignore::parse(text);
  for (size_t i = 0; i < kPaths.size(); ++i) {
    EXPECT_EQ(ignore.matches(kPaths[i]), theirs[i]) << kPaths[i] << " in\n" << text;
  }
}

void expect_same_attributes(Oracle& oracle, const std::string& text) {
  std::vector<bool> theirs = oracle.lfs(text);
  ASSERT_EQ(theirs.size(), kPaths.size());
  Attributes attributes = Attributes::parse(text);
  for (size_t i = 0; i < kPaths.size(); ++i) {
    EXPECT_EQ(attributes.is_lfs(kPaths[i]), theirs[i]) << kPaths[i] << " in\n" << text;
  }
}

TEST(Ignore, EachPatternMatchesWhatGitMatches) {
  Oracle oracle;
  for (const std::string& pattern : kPatterns) expect_same_ignore(oracle, pattern + "\n");
}

TEST(Ignore, LinesWorkTogetherAsInGit) {
  Oracle oracle;
  for (const std::string& text :
       {lines({"*", "!*.bin", "!*/"}), lines({"foo", "!foo/bar"}), lines({"foo/*", "!foo/bar"}),
        lines({"/*", "!/foo", "/foo/*", "!/foo/bar"}), lines({"# comment", "", "  ", "*.log  "}),
        lines({"*.bin\r", "foo\r"}), std::string("\xEF\xBB\xBF*.bin\n"), std::string("*.bin"),
        lines({"!*.bin", "*.bin"}), lines({"*.bin", "!x/a.bin"}), lines({"build/", "!build/x"}),
        lines({"trail\\ ", "foo\\ bar"}), lines({"foo bar"}), lines({"\\ "}), std::string("\n\n"),
        lines({"!"}), lines({"x/", "!x/y/"}), lines({"**/*", "!**/"})}) {
    expect_same_ignore(oracle, text);
  }
}

TEST(Attributes, EachPatternMatchesWhatGitMatches) {
  Oracle oracle;
  for (const std::string& pattern : kPatterns) {
    expect_same_attributes(oracle, pattern + " filter=lfs\n");
  }
}

TEST(Attributes, LinesWorkTogetherAsInGit) {
  Oracle oracle;
  for (const std::string& text : {lines({"*.bin filter=lfs diff=lfs merge=lfs -text"}),
                                  lines({"* filter=lfs", "*.bin -filter"}),
                                  lines({"* filter=lfs", "*.bin !filter"}),
                                  lines({"* filter=lfs", "*.bin filter"}),
                                  lines({"* filter=lfs", "*.bin filter=other"}),
                                  lines({"*.bin -filter", "* filter=lfs"}),
                                  lines({"[attr]big filter=lfs", "*.bin big"}),
                                  lines({"*.bin big", "[attr]big filter=lfs"}),
                                  lines({"[attr]big filter=lfs", "*.bin big", "x/*.bin -big"}),
                                  lines({"[attr]big filter=lfs", "*.bin big filter=no"}),
                                  lines({"[attr]big filter=lfs", "*.bin filter=no big"}),
                                  lines({"[attr]one two", "[attr]two filter=lfs", "*.bin one"}),
                                  lines({"[attr]one two", "[attr]two one filter=lfs", "*.bin one"}),
                                  lines({"[attr]big filter=lfs", "[attr]big -filter", "*.bin big"}),
                                  lines({"[attr]binary filter=lfs", "*.bin binary"}),
                                  lines({"*.bin binary filter=lfs"}),
                                  lines({"*.bin filter=lfs filter=other"}),
                                  lines({"*.bin filter=other filter=lfs"}),
                                  lines({"*.bin -filter=lfs"}),
                                  lines({"*.bin filter=lfs bad*name"}),
                                  lines({"*.bin filter=lfs -"}),
                                  lines({"\"foo bar\" filter=lfs"}),
                                  lines({"\"a\\\"b\" filter=lfs"}),
                                  lines({"\"\\303\\274.bin\" filter=lfs"}),
                                  lines({"\"broken filter=lfs"}),
                                  lines({"!*.bin filter=lfs"}),
                                  lines({"# *.bin filter=lfs"}),
                                  lines({"  *.bin   filter=lfs\r"}),
                                  lines({"*.bin\tfilter=lfs"}),
                                  std::string("*.bin filter=lfs"),
                                  std::string("\xEF\xBB\xBF*.bin filter=lfs\n"),
                                  lines({"*.bin filter=lfs" + std::string(2100, ' ')}),
                                  lines({"*.bin filter=lfs x=" + std::string(2010, 'y')}),
                                  lines({"*.bin"}),
                                  lines({""}),
                                  lines({"*.bin filter=LFS"}),
                                  lines({"*.bin filter="}),
                                  lines({"*.bin Filter=lfs"})}) {
    expect_same_attributes(oracle, text);
  }
}

TEST(Attributes, DefaultTextsSayWhatClientsRelyOn) {
  Oracle oracle;
  for (AttributesFor kind :
       {AttributesFor::kModel, AttributesFor::kDataset, AttributesFor::kSpace}) {
    expect_same_attributes(oracle, default_gitattributes(kind));
  }
  Attributes model = Attributes::parse(default_gitattributes(AttributesFor::kModel));
  for (std::string_view path : {"lfs.bin", "x/train.parquet", "empty.pkl", "saved_model/x/y",
                                "model.safetensors", "a.tar.gz"}) {
    EXPECT_TRUE(model.is_lfs(path)) << path;
  }
  EXPECT_FALSE(model.is_lfs("README.md"));
  EXPECT_FALSE(model.is_lfs("model.gguf"));
  EXPECT_FALSE(model.is_lfs("a.png"));
  EXPECT_TRUE(Attributes::parse(default_gitattributes(AttributesFor::kDataset)).is_lfs("a.png"));
}

TEST(Attributes, HostilePatternsCostLittle) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  Attributes attributes = Attributes::parse(pattern + "b filter=lfs\n");
  EXPECT_FALSE(attributes.is_lfs(std::string(1000, 'a')));
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "**/";
  EXPECT_FALSE(Attributes::parse(deep + "b filter=lfs\n").is_lfs(std::string(250, 'a') + "/c"));
}

}  // namespace
}  // namespace hearth::git
