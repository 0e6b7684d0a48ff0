#include "xet/chunker.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "xet/gear_table.h"
#include "xet/merkle_hash.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::split_mix;
using testing::text_of;

/// The rule as the specification states it, without any shortcut.
std::vector<size_t> lengths_by_the_rule(ByteView data) {
  std::vector<size_t> lengths;
  uint64_t hash = 0;
  size_t length = 0;
  for (uint8_t byte : data) {
    hash = (hash << 1) + kGearTable[byte];
    ++length;
    if ((length >= 8192 && (hash & 0xFFFF000000000000) == 0) || length == 131072) {
      lengths.push_back(length);
      length = 0;
      hash = 0;
    }
  }
  if (length > 0) lengths.push_back(length);
  return lengths;
}

TEST(Chunker, TheTableIsThatOfTheVectors) {
  Bytes text = testing::vector_file("gear-table.txt");
  std::string_view left = as_text(text);
  for (uint64_t constant : kGearTable) {
    EXPECT_EQ(std::stoull(std::string(left.substr(0, 16)), nullptr, 16), constant);
    left.remove_prefix(std::min<size_t>(17, left.size()));
  }
}

TEST(Chunker, CutsTheVectorFilesWhereTheClientDoes) {
  for (const char* name : {"v1", "v2", "v3"}) {
    const json::object& vector = expected().at(name).as_object();
    Bytes data = testing::vector_input(name);
    ASSERT_EQ(sha256_hex(as_text(data)), text_of(vector.at("sha256")));
    auto lengths = chunk_lengths(data);
    const json::array& chunks = vector.at("chunks").as_array();
    ASSERT_EQ(lengths.size(), chunks.size());
    size_t at = 0;
    std::vector<SizedHash> leaves;
    for (size_t i = 0; i < lengths.size(); ++i) {
      EXPECT_EQ(lengths[i], static_cast<size_t>(chunks[i].at("length").as_int64()));
      MerkleHash hash = chunk_hash(ByteView(data).subspan(at, lengths[i]));
      EXPECT_EQ(hash.text(), text_of(chunks[i].at("hash")));
      leaves.push_back({.hash = hash, .size_bytes = lengths[i]});
      at += lengths[i];
    }
    EXPECT_EQ(file_hash(leaves).text(), text_of(vector.at("file_hash")));
    EXPECT_EQ(tree_root(leaves).text(), text_of(vector.at("merkle_root")));
  }
}

TEST(Chunker, CutsTheUnitVectors) {
  using Lengths = std::vector<size_t>;
  EXPECT_EQ(chunk_lengths(Bytes(300000, 0)), (Lengths{131072, 131072, 37856}));
  EXPECT_EQ(chunk_lengths(split_mix(1, 1000000)),
            (Lengths{25125, 79372, 131072, 94636, 47914, 23867, 87072, 101590, 126580, 60335, 57398,
                     131072, 33967}));
  EXPECT_EQ(chunk_lengths(split_mix(99, 8191)), (Lengths{8191}));
  Bytes letters(8191, 'a');
  letters.resize(208191, 'b');
  EXPECT_EQ(chunk_lengths(letters), (Lengths{131072, 77119}));
  EXPECT_EQ(chunk_lengths({}), Lengths{});
}

TEST(Chunker, SkippingAheadDoesNotChangeTheCuts) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Bytes data = split_mix(seed, 600000);
    // Bytes of 0x17 have a constant with 39 leading zero bits: runs of it come close to cuts.
    if (seed % 2 == 0) std::fill(data.begin() + 100000, data.begin() + 250000, uint8_t{0x17});
    EXPECT_EQ(chunk_lengths(data), lengths_by_the_rule(data)) << seed;
  }
}

TEST(Chunker, PiecesOfAnySizeGiveTheSameCuts) {
  Bytes data = split_mix(5, 500000);
  auto whole = chunk_lengths(data);
  for (size_t piece_bytes :
       {size_t{1}, size_t{7}, size_t{64}, size_t{8127}, size_t{8192}, size_t{100000}}) {
    Chunker chunker;
    std::vector<size_t> lengths;
    size_t length = 0;
    for (size_t at = 0; at < data.size();) {
      ByteView piece = ByteView(data).subspan(at, std::min(piece_bytes, data.size() - at));
      Chunker::Step step = chunker.next(piece);
      length += step.consumed_bytes;
      at += step.consumed_bytes;
      if (step.is_cut) lengths.push_back(std::exchange(length, 0));
    }
    EXPECT_EQ(chunker.pending_bytes(), length);
    if (length > 0) lengths.push_back(length);
    EXPECT_EQ(lengths, whole) << piece_bytes;
  }
}

}  // namespace
}  // namespace hearth::xet
