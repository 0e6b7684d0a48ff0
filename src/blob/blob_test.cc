#include "blob/blob.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error_of.h"
#include "base/time.h"

namespace hearth::blob {
namespace {

class Blobs : public ::testing::Test {
 protected:
  Blobs() : dir_(fs::temp_directory_path() / ("hearth-blob-" + random_alphanumeric(12))) {
    store_ = std::make_unique<BlobStore>(dir_);
  }
  ~Blobs() override { remove_tree(dir_); }

  size_t files_in(const fs::path& path) {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(path))
      count += entry.is_regular_file();
    return count;
  }

  fs::path dir_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(Blobs, WhatWasPutIsReadAgain) {
  std::string sha256 = store_->put("hello");
  EXPECT_EQ(sha256, sha256_hex("hello"));
  EXPECT_EQ(store_->size_of(sha256), 5u);
  auto source = store_->open(sha256);
  EXPECT_EQ(read_all(*source), "hello");
  std::array<uint8_t, 10> out;
  EXPECT_EQ(source->read(3, out), 2u);
  EXPECT_EQ(source->read(5, out), 0u);
  EXPECT_EQ(source->read(500, out), 0u);
  EXPECT_EQ(kind_of([&] { read_all(*source, 4); }), ErrorKind::kTooLarge);
  struct stat status;
  ASSERT_EQ(::stat(store_->path_of(sha256).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0444u);
  EXPECT_EQ(files_in(store_->uploads_dir()), 0u);
}

TEST_F(Blobs, PartsOfAWholeFileAreRangesOfIt) {
  auto source = store_->open(store_->put("0123456789"));
  auto parts = source->parts(2, 100);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].length_bytes, 8u);
  EXPECT_EQ(parts[0].file_offset_bytes, 2u);
  ASSERT_TRUE(parts[0].fd);
  EXPECT_TRUE(source->parts(10, 1).empty());
  EXPECT_TRUE(source->parts(0, 0).empty());
  EXPECT_EQ(read_file(source->materialize().path), "0123456789");
}

TEST_F(Blobs, TheEmptyFileIsAFile) {
  auto source = store_->open(store_->put(""));
  EXPECT_EQ(source->size_bytes(), 0u);
  EXPECT_EQ(read_all(*source), "");
}

TEST_F(Blobs, WrongContentIsNotStored) {
  std::string sha256 = sha256_hex("right");
  auto upload = store_->begin({.sha256 = sha256, .size_bytes = 5});
  upload.write(as_bytes("wrong"));
  EXPECT_EQ(kind_of([&] { upload.commit(); }), ErrorKind::kInvalid);
  EXPECT_FALSE(store_->size_of(sha256));

  auto shorter = store_->begin({.sha256 = sha256, .size_bytes = 5});
  shorter.write(as_bytes("righ"));
  EXPECT_EQ(kind_of([&] { shorter.commit(); }), ErrorKind::kInvalid);

  auto longer = store_->begin({.sha256 = sha256, .size_bytes = 5});
  EXPECT_EQ(kind_of([&] { longer.write(as_bytes("right!")); }), ErrorKind::kInvalid);
  EXPECT_FALSE(store_->size_of(sha256));
  {
    auto gone = std::move(upload), also_gone = std::move(shorter), last = std::move(longer);
  }
  EXPECT_EQ(files_in(dir_), 0u);
}

TEST_F(Blobs, AnUploadThatIsLeftLeavesNothing) {
  {
    auto upload = store_->begin({.sha256 = sha256_hex("abc"), .size_bytes = 3});
    upload.write(as_bytes("ab"));
  }
  EXPECT_EQ(files_in(dir_), 0u);
}

TEST_F(Blobs, NamesInCapitalsAreTheSameAndOthersAreRefused) {
  std::string sha256 = store_->put("x");
  std::string capitals = sha256;
  for (char& c : capitals) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(store_->size_of(capitals), 1u);
  EXPECT_EQ(kind_of([&] { store_->size_of("../../etc/passwd"); }), ErrorKind::kInvalid);
  EXPECT_EQ(kind_of([&] { store_->open(sha256_hex("absent")); }), ErrorKind::kNotFound);
}

TEST_F(Blobs, StoringTwiceKeepsTheFirst) {
  std::string sha256 = store_->put("same");
  struct stat before, after;
  ::stat(store_->path_of(sha256).c_str(), &before);
  EXPECT_EQ(store_->put("same"), sha256);
  ::stat(store_->path_of(sha256).c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(files_in(dir_ / "blobs"), 1u);
}

TEST_F(Blobs, PartsInAnyOrderMakeTheWhole) {
  std::string id = "upload0001";
  auto put = [&](uint32_t number, std::string_view text) {
    auto part = store_->begin_part({.upload_id = id, .number = number, .size_bytes = text.size()});
    part.write(as_bytes(text));
    return part.commit();
  };
  std::string first_etag = put(2, "XX");
  EXPECT_NE(put(2, "CD"), first_etag);  // Sent again: the later one counts.
  put(1, "AB");
  Expected expected{.sha256 = sha256_hex("ABCDE"), .size_bytes = 5};
  EXPECT_EQ(kind_of([&] { store_->complete_parts(id, 3, expected); }), ErrorKind::kInvalid);
  EXPECT_FALSE(store_->size_of(expected.sha256));
  put(3, "E");
  store_->complete_parts(id, 3, expected);
  EXPECT_EQ(read_all(*store_->open(expected.sha256)), "ABCDE");
  EXPECT_EQ(files_in(store_->uploads_dir()), 0u);
  // Whoever has no parts proves nothing: the object's being there is not theirs.
  EXPECT_EQ(kind_of([&] { store_->complete_parts(id, 3, expected); }), ErrorKind::kInvalid);
}

TEST_F(Blobs, PartsThatMakeAnotherFileAreRefused) {
  auto part = store_->begin_part({.upload_id = "upload0002", .number = 1, .size_bytes = 3});
  part.write(as_bytes("abc"));
  part.commit();
  Expected expected{.sha256 = sha256_hex("abd"), .size_bytes = 3};
  EXPECT_EQ(kind_of([&] { store_->complete_parts("upload0002", 1, expected); }),
            ErrorKind::kInvalid);
  EXPECT_FALSE(store_->size_of(expected.sha256));
}

TEST_F(Blobs, OddPartNamesAreRefused) {
  for (BlobStore::PartId part : {BlobStore::PartId{"../../x1234", 1, 1},
                                 {"short", 1, 1},
                                 {"upload0003", 0, 1},
                                 {"upload0003", 100000, 1}}) {
    EXPECT_EQ(kind_of([&] { store_->begin_part(part); }), ErrorKind::kInvalid) << part.upload_id;
  }
  auto part = store_->begin_part({.upload_id = "upload0003", .number = 1, .size_bytes = 2});
  EXPECT_EQ(kind_of([&] { part.write(as_bytes("abc")); }), ErrorKind::kInvalid);
  EXPECT_EQ(kind_of([&] { part.commit(); }), ErrorKind::kInvalid);
}

TEST_F(Blobs, VerifyFindsAFlippedBit) {
  std::string good = store_->put("good");
  std::string bad = store_->put("to be damaged");
  EXPECT_TRUE(store_->verify().problems.empty());
  fs::permissions(store_->path_of(bad), fs::perms::owner_write, fs::perm_options::add);
  {
    std::FILE* file = std::fopen(store_->path_of(bad).c_str(), "r+b");
    std::fputc('T', file);
    std::fclose(file);
  }
  VerifyReport report = store_->verify();
  EXPECT_EQ(report.checked_count, 2u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find(bad), std::string::npos);
}

TEST_F(Blobs, OnlyOldRemainsAreRemoved) {
  auto part = store_->begin_part({.upload_id = "upload0004", .number = 1, .size_bytes = 1});
  part.write(as_bytes("a"));
  part.commit();
  int64_t now_ms = system_clock().now_ms();
  EXPECT_EQ(store_->remove_stale_uploads(now_ms, 60'000), 0u);
  EXPECT_EQ(store_->remove_stale_uploads(now_ms + 120'000, 60'000), 1u);
  EXPECT_EQ(files_in(store_->uploads_dir()), 0u);
}

}  // namespace
}  // namespace hearth::blob
