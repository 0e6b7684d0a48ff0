#include "hub/plain_files.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hearth::hub {
namespace {

class PlainFilesTest : public testing::Test {
 protected:
  PlainFilesTest() {
    std::string name = (fs::temp_directory_path() / "hearth-plain-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~PlainFilesTest() override { remove_tree(folder_); }

  std::unique_ptr<blob::Source> open(PlainFiles& files, const std::string& repo_id = "r",
                                     uint64_t size_bytes = kUnfoldedBytesMin) {
    return files.open({.repo_id = repo_id, .blob_oid = "abc", .size_bytes = size_bytes}, [=, this] {
      ++unfolded_;
      return std::string(size_bytes, 'x');
    });
  }
  static const Fd* file_of(const blob::Source& source) {
    return source.parts(0, source.size_bytes()).at(0).fd.get();
  }

  fs::path folder_;
  std::atomic<int> unfolded_ = 0;
};

TEST_F(PlainFilesTest, ReadersOfALargeOneAtATimeShareAFileWithoutAName) {
  PlainFiles files(folder_);
  auto one = open(files);
  auto two = open(files);
  EXPECT_EQ(unfolded_, 1);
  EXPECT_NE(file_of(*one), nullptr);
  EXPECT_EQ(file_of(*one), file_of(*two));
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(blob::read_all(*two), std::string(kUnfoldedBytesMin, 'x'));
  const auto part = two->parts(10, uint64_t{1} << 40).at(0);
  EXPECT_EQ(part.file_offset_bytes, 10u);
  EXPECT_EQ(part.length_bytes, kUnfoldedBytesMin - 10);
  one.reset();
  open(files);
  EXPECT_EQ(unfolded_, 1);
  two.reset();
  open(files);
  EXPECT_EQ(unfolded_, 1);  // `part` still reads it.
}

TEST_F(PlainFilesTest, ItGoesWithItsLastReader) {
  PlainFiles files(folder_);
  open(files);
  open(files);
  EXPECT_EQ(unfolded_, 2);
}

TEST_F(PlainFilesTest, RepositoriesShareNothing) {
  PlainFiles files(folder_);
  auto one = open(files, "r");
  auto other = open(files, "q");
  EXPECT_NE(file_of(*one), file_of(*other));
}

TEST_F(PlainFilesTest, WhoComesMeanwhileWaitsForTheSameFile) {
  PlainFiles files(folder_);
  constexpr int kReaders = 16;
  std::latch begin(kReaders);
  std::vector<std::unique_ptr<blob::Source>> sources(kReaders);
  std::vector<std::thread> threads;
  for (auto& source : sources) {
    threads.emplace_back([&] {
      begin.arrive_and_wait();
      source = open(files);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(unfolded_, 1);
  for (const auto& source : sources) EXPECT_EQ(file_of(*source), file_of(*sources[0]));
}

TEST_F(PlainFilesTest, SmallOnesAndThoseWithoutRoomOnTheDiskAreHeldInMemory) {
  PlainFiles files(folder_);
  auto small = open(files, "r", kUnfoldedBytesMin - 1);
  EXPECT_EQ(file_of(*small), nullptr);
  EXPECT_EQ(small->size_bytes(), kUnfoldedBytesMin - 1);
  PlainFiles nowhere(folder_ / "not-there");
  auto large = open(nowhere);
  EXPECT_EQ(file_of(*large), nullptr);
  EXPECT_EQ(blob::read_all(*large), std::string(kUnfoldedBytesMin, 'x'));
}

TEST_F(PlainFilesTest, ProgramsGetAPath) {
  PlainFiles files(folder_);
  EXPECT_EQ(read_file(open(files)->materialize().path), std::string(kUnfoldedBytesMin, 'x'));
}

}  // namespace
}  // namespace hearth::hub
