#include "xet/reconstruction.h"

#include <gtest/gtest.h>

#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::vector_file;

class Reconstructing : public ::testing::Test {
 protected:
  Reconstructing() {
    for (const char* name : {"v1", "v2", "v3"}) {
      XorbValidator validator;
      EXPECT_TRUE(validator.feed(vector_file(std::string(name) + ".xorb")));
      MerkleHash hash = validator.root();
      tables_[hash] = validator.finish().value();
    }
  }

  Reconstruction plan(const std::string& name, std::optional<FileRange> range = {}) {
    Shard shard = parse_shard(vector_file(name + ".shard")).value();
    return plan_reconstruction(shard.files[0].terms, lookup(), range);
  }
  TableLookup lookup() {
    return [this](const MerkleHash& hash) -> const ChunkTable& { return tables_.at(hash); };
  }
  static std::string sign(const MerkleHash& xorb, std::span<const FetchRange>) {
    return "url of " + xorb.text();
  }
  /// The vector with its URLs replaced, so that only the structure is compared.
  static json::value vector(const std::string& name) {
    Bytes bytes = vector_file(name);
    json::value value = json::parse(as_text(bytes));
    json::object& object = value.as_object();
    const char* key = object.contains("xorbs") ? "xorbs" : "fetch_info";
    for (auto& xorb : object.at(key).as_object()) {
      for (json::value& entry : xorb.value().as_array()) {
        entry.as_object()["url"] = "url of " + std::string(std::string_view(xorb.key()));
      }
    }
    return value;
  }

  std::map<MerkleHash, ChunkTable> tables_;
};

TEST_F(Reconstructing, AnswersAgreeWithTheVectors) {
  EXPECT_EQ(json::value(reconstruction_v2_json(plan("v1", FileRange{0, 300000}), sign)),
            vector("v1.reconstruction-v2.json"));
  EXPECT_EQ(json::value(reconstruction_v2_json(plan("v2", FileRange{0, 400000}), sign)),
            vector("v2.reconstruction-v2.json"));
  EXPECT_EQ(json::value(reconstruction_v2_json(plan("v2"), sign)),
            vector("v2.reconstruction-v2.json"));
  EXPECT_EQ(json::value(reconstruction_v1_json(plan("v2"), sign)),
            vector("v2.reconstruction-v1.json"));
  EXPECT_EQ(json::value(reconstruction_v2_json(plan("v2", FileRange{150000, 250001}), sign)),
            vector("v2.reconstruction-v2.range-150000-250000.json"));
}

TEST_F(Reconstructing, AnyRangeCoversWhatWasAskedAndNoWholeChunkMore) {
  Shard shard = parse_shard(vector_file("v2.shard")).value();
  for (uint64_t begin = 0; begin < 400000; begin += 7919) {
    for (uint64_t length : {1, 100, 30000, 131072, 400000}) {
      FileRange range{begin, std::min<uint64_t>(begin + length, 400000)};
      Reconstruction part = plan_reconstruction(shard.files[0].terms, lookup(), range);
      ASSERT_FALSE(part.terms.empty());
      uint64_t covered = 0;
      for (const Term& term : part.terms) {
        EXPECT_EQ(term.unpacked_bytes,
                  tables_.at(term.xorb).unpacked_length(term.chunk_begin, term.chunk_end));
        covered += term.unpacked_bytes;
      }
      const Term& first = part.terms.front();
      EXPECT_LT(part.offset_into_first_range_bytes,
                tables_.at(first.xorb).unpacked_length(first.chunk_begin));
      uint64_t needed = part.offset_into_first_range_bytes + range.end_bytes - range.begin_bytes;
      EXPECT_GE(covered, needed);
      const Term& last = part.terms.back();
      EXPECT_LT(covered - needed, tables_.at(last.xorb).unpacked_length(last.chunk_end - 1));
    }
  }
}

TEST_F(Reconstructing, RunsOfOneXorbAreMergedWhereTheyTouch) {
  MerkleHash xorb = tables_.begin()->first;
  const ChunkTable& table = tables_.begin()->second;
  auto term = [&](uint32_t begin, uint32_t end) {
    return Term{.xorb = xorb,
                .unpacked_bytes = table.unpacked_length(begin, end),
                .chunk_begin = begin,
                .chunk_end = end};
  };
  std::vector<Term> terms = {term(3, 4), term(0, 1), term(1, 2), term(0, 1)};
  Reconstruction whole = plan_reconstruction(terms, lookup(), {});
  EXPECT_EQ(whole.terms, terms);
  ASSERT_EQ(whole.xorbs.size(), 1u);
  ASSERT_EQ(whole.xorbs[0].ranges.size(), 2u);
  EXPECT_EQ(whole.xorbs[0].ranges[0].chunk_begin, 0u);
  EXPECT_EQ(whole.xorbs[0].ranges[0].chunk_end, 2u);
  EXPECT_EQ(whole.xorbs[0].ranges[1].chunk_begin, 3u);
  EXPECT_EQ(whole.xorbs[0].ranges[1].bytes_last, table.packed_bytes() - 1);
}

TEST_F(Reconstructing, AnEmptyFileHasNoTerms) {
  Reconstruction plan = plan_reconstruction({}, lookup(), {});
  EXPECT_EQ(json::serialize(reconstruction_v2_json(plan, sign)),
            R"({"offset_into_first_range":0,"terms":[],"xorbs":{}})");
}

}  // namespace
}  // namespace hearth::xet
