#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/process.h"
#include "base/text.h"
#include "base/time.h"
#include "base/url.h"

namespace hearth {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "hearth-base-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { remove_tree(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

size_t entries_in(const fs::path& dir) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

TEST(Hex, RoundTripsAndRefusesOddLengthsAndOtherLetters) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0xab, 0xff}), "00abff");
  EXPECT_EQ(from_hex("00ABff"), (Bytes{0x00, 0xab, 0xff}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Base64, RoundTripsEveryLength) {
  for (size_t length = 0; length < 70; ++length) {
    Bytes bytes = random_bytes(length);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
}

TEST(Base64, KnownVectorsOfRfc4648) {
  EXPECT_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");
  EXPECT_EQ(from_base64("Zm9vYg"), Bytes({'f', 'o', 'o', 'b'}));
  EXPECT_FALSE(from_base64("Zm9vY"));
  EXPECT_FALSE(from_base64("Zm9v Yg=="));
  EXPECT_FALSE(from_base64("Zm9vYh=="));  // Stray bits.
}

TEST(Hash, KnownVectors) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha1 sha1;
  sha1.update(std::string_view("abc"));
  EXPECT_EQ(to_hex(sha1.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
  // RFC 4231 test case 2.
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Json, RefusesADocumentNestedAMillionDeep) {
  std::string deep(1'000'000, '[');
  auto parsed = parse_json(deep);
  ASSERT_FALSE(parsed);
  EXPECT_LT(parsed.error().offset_bytes, 200u);
}

TEST(Json, RefusesTextAfterTheDocument) {
  EXPECT_TRUE(parse_json("{\"a\": 1} \n"));
  EXPECT_FALSE(parse_json("{\"a\": 1} x"));
  EXPECT_FALSE(parse_json(""));
  EXPECT_FALSE(parse_json("{\"a\""));
}

TEST(Query, ReadsTheThreeSpellingsOfAList) {
  Query query("expand=a&expand[]=b&expand%5B%5D=c&full=true&limit=20&bad=%zz&empty");
  EXPECT_THAT(query.get_all("expand"), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(query.flag("full"));
  EXPECT_TRUE(query.flag("empty"));
  EXPECT_FALSE(query.flag("absent"));
  EXPECT_EQ(query.number("limit"), 20u);
  EXPECT_EQ(query.get("bad"), "%zz");
}

TEST(Url, PercentCodingRoundTripsAndRefusesBrokenEscapes) {
  EXPECT_EQ(percent_encode("refs/pr/1 é"), "refs%2Fpr%2F1%20%C3%A9");
  EXPECT_EQ(percent_decode("refs%2Fpr%2F1%20%C3%A9"), "refs/pr/1 é");
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_FALSE(percent_decode("%zz"));
}

TEST(Text, KnowsWellFormedUtf8) {
  EXPECT_TRUE(is_utf8("aé漢😀"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));          // Overlong.
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // Surrogate.
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // Past U+10FFFF.
  EXPECT_FALSE(is_utf8("\xE6\xBC"));          // Cut off.
  EXPECT_EQ(cut_utf8("é漢", 4), "é");
}

TEST(Time, WritesTheFormThatClientsParse) {
  EXPECT_EQ(iso8601_ms(1'767'322'645'006), "2026-01-02T02:57:25.006Z");
  EXPECT_EQ(iso8601_ms(-1), "1969-12-31T23:59:59.999Z");
}

TEST(DurableFile, LeavesNothingWithoutCommit) {
  Folder folder;
  {
    DurableFile file(folder / "a");
    file.write("half");
  }
  EXPECT_EQ(entries_in(folder.path()), 0u);
}

TEST(DurableFile, ReplacesTheTargetWhole) {
  Folder folder;
  write_durably(folder / "a", "old");
  write_durably(folder / "a", "new", 0600);
  EXPECT_EQ(read_file(folder / "a"), "new");
  struct stat info;
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(entries_in(folder.path()), 1u);
}

TEST(Files, ReadFileRefusesMoreThanAllowed) {
  Folder folder;
  write_durably(folder / "a", "12345");
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
  EXPECT_THROW(read_file(folder / "a", 4), Error);
  EXPECT_THROW(read_file(folder / "absent"), Error);
}

TEST(Child, CollectsBothOutputsAndTheStatus) {
  auto result = run_child({.argv = {"sh", "-c", "cat; echo err >&2; exit 3"}}, "input");
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "input");
  EXPECT_EQ(result.err, "err\n");
}

TEST(Child, LargeInputAndOutputDoNotBlockEachOther) {
  std::string input(3'000'000, 'x');
  auto result = run_child({.argv = {"cat"}}, input);
  EXPECT_EQ(result.out, input);
}

TEST(Child, InheritsNothingButThePath) {
  ::setenv("HEARTH_TEST_SECRET", "s3cret", 1);
  auto result = run_child({.argv = {"env"}, .environment = {{"A", "b"}}});
  EXPECT_THAT(result.out, HasSubstr("A=b"));
  EXPECT_EQ(result.out.find("s3cret"), std::string::npos);
}

TEST(Child, IsKilledPastItsTime) {
  auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(run_child({.argv = {"sleep", "60"}}, {}, std::chrono::milliseconds(50)), Error);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(Child, IsKilledWithWhatItStarted) {
  // `git upload-pack` starts `git pack-objects` so: it must not go on for a client that left.
  Child child({.argv = {"sh", "-c", "sleep 300 & echo $!; wait"}, .pipe_stdout = true});
  char text[32] = {};
  ASSERT_GT(::read(child.stdout_pipe().get(), text, sizeof text - 1), 0);
  pid_t grandchild = std::atoi(text);
  ASSERT_EQ(::kill(grandchild, 0), 0);
  child.kill();
  child.wait();
  // Its end of the pipe closes when the last of them is gone.
  EXPECT_EQ(::read(child.stdout_pipe().get(), text, sizeof text), 0);
}

TEST(Child, AMissingProgramIsAnError) {
  EXPECT_THROW(Child({.argv = {"/no/such/program"}}), Error);
}

}  // namespace
}  // namespace hearth
