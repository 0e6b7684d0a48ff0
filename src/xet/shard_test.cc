#include "xet/shard.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::hash_of;
using testing::text_of;
using testing::vector_file;

ChunkTable table_of(const std::string& name) {
  XorbValidator validator;
  EXPECT_TRUE(validator.feed(vector_file(name + ".xorb")));
  return validator.finish().value();
}

TEST(Shard, TheVectorsAgreeWithTheirNumbers) {
  for (const char* name : {"v1", "v2", "v3"}) {
    const json::object& vector = expected().at(name).as_object().at("shard").as_object();
    Bytes bytes = vector_file(std::string(name) + ".shard");
    ASSERT_EQ(sha256_hex(as_text(bytes)), text_of(vector.at("sha256_of_bytes")));
    auto shard = parse_shard(bytes);
    ASSERT_TRUE(shard) << shard.error().message;
    EXPECT_EQ(shard->used_bytes, bytes.size());
    const json::object& file = vector.at("files").at(0).as_object();
    ASSERT_EQ(shard->files.size(), 1u);
    EXPECT_EQ(shard->files[0].hash, hash_of(file.at("file_hash")));
    EXPECT_EQ(shard->files[0].sha256.value(), text_of(file.at("sha256_as_hex")));
    const json::array& terms = file.at("terms").as_array();
    ASSERT_EQ(shard->files[0].terms.size(), terms.size());
    ASSERT_EQ(shard->files[0].range_hashes.size(), terms.size());
    for (size_t i = 0; i < terms.size(); ++i) {
      const Term& term = shard->files[0].terms[i];
      EXPECT_EQ(term.xorb, hash_of(terms[i].at("xorb")));
      EXPECT_EQ(term.unpacked_bytes, terms[i].at("unpacked").as_int64());
      EXPECT_EQ(term.chunk_begin, terms[i].at("start").as_int64());
      EXPECT_EQ(term.chunk_end, terms[i].at("end").as_int64());
      EXPECT_EQ(shard->files[0].range_hashes[i], hash_of(terms[i].at("range_hash")));
    }
    ASSERT_EQ(shard->xorbs.size(), 1u);
    EXPECT_EQ(shard->xorbs[0].hash, hash_of(vector.at("xorbs").at(0).at("hash")));
    EXPECT_EQ(shard->xorbs[0].unpacked_bytes, vector.at("xorbs").at(0).at("raw").as_int64());
  }
}

TEST(Shard, RangeAndFileHashesFollowFromTheXorbs) {
  std::map<MerkleHash, ChunkTable> tables;
  for (const char* name : {"v1", "v2", "v3"}) {
    ChunkTable table = table_of(name);
    tables[xorb_hash(table.leaves())] = table;
  }
  for (const char* name : {"v1", "v2", "v3"}) {
    Shard shard = parse_shard(vector_file(std::string(name) + ".shard")).value();
    const ShardFile& file = shard.files[0];
    std::vector<SizedHash> leaves;
    for (size_t i = 0; i < file.terms.size(); ++i) {
      const Term& term = file.terms[i];
      const ChunkTable& table = tables.at(term.xorb);
      std::vector<MerkleHash> hashes;
      for (uint32_t k = term.chunk_begin; k < term.chunk_end; ++k) {
        hashes.push_back(table.chunks[k].hash);
        leaves.push_back({.hash = table.chunks[k].hash, .size_bytes = table.unpacked_length(k)});
      }
      EXPECT_EQ(range_hash(hashes), file.range_hashes[i]);
    }
    EXPECT_EQ(file_hash(leaves), file.hash);
  }
}

TEST(Shard, LookupTablesAndFootersAreIgnored) {
  Bytes plain = vector_file("v1.shard");
  Bytes with_footer = vector_file("v1.with-lookup-and-footer.shard");
  Shard shard = parse_shard(with_footer).value();
  EXPECT_EQ(shard.used_bytes, plain.size());
  EXPECT_EQ(shard.files[0].hash, parse_shard(plain)->files[0].hash);
  // hf-xet 1.2.0 announces a footer of 200 bytes and sends none.
  plain[40] = 200;
  EXPECT_TRUE(parse_shard(plain));
}

TEST(Shard, WritesWhatClientsUpload) {
  for (const char* name : {"v1.shard", "v2.shard", "v3.shard"}) {
    Bytes bytes = vector_file(name);
    Bytes written = write_shard(parse_shard(bytes).value());
    Shard again = parse_shard(written).value();
    EXPECT_EQ(again.files[0].hash, parse_shard(bytes)->files[0].hash);
    EXPECT_EQ(again.files[0].terms, parse_shard(bytes)->files[0].terms);
    // The client marks chunks that others may ask for; we do not keep the marks.
    ASSERT_EQ(written.size(), bytes.size());
    size_t xorb_section = bytes.size() - 48 * (parse_shard(bytes)->xorbs[0].chunks.size() + 2);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(xorb_section),
                           written.begin()));
  }
}

TEST(Shard, TheDedupAnswerIsThatOfTheVectorByteForByte) {
  const json::object& vector = expected().at("dedup_response").as_object();
  DedupAnswer answer{
      .xorbs = {{hash_of(expected().at("v1").as_object().at("xorb").as_object().at("hash")),
                 std::make_shared<ChunkTable>(table_of("v1"))}},
      .created_s = vector.at("created").as_int64(),
      .expires_s = vector.at("expiry").as_int64()};
  Bytes key = from_hex(text_of(vector.at("hmac_key_raw_hex"))).value();
  std::copy(key.begin(), key.end(), answer.key.begin());
  EXPECT_EQ(to_hex(write_dedup_answer(answer)), to_hex(vector_file("v1.dedup-response.shard")));
}

TEST(Shard, EveryShorterPrefixIsRefused) {
  Bytes bytes = vector_file("v2.shard");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(parse_shard(ByteView(bytes).first(length))) << length;
  }
}

TEST(Shard, CountsBeyondTheBytesLeftAreRefusedBeforeAllocating) {
  Bytes bytes = vector_file("v1.shard");
  Bytes many_terms = bytes;
  std::memset(many_terms.data() + 48 + 36, 0xFF, 4);
  EXPECT_FALSE(parse_shard(many_terms));
  Bytes many_chunks = bytes;
  std::memset(many_chunks.data() + 48 * 6 + 36, 0xFF, 4);
  EXPECT_FALSE(parse_shard(many_chunks));
}

TEST(Shard, FilesWithAndWithoutRangeHashesDoNotMix) {
  Shard shard = parse_shard(vector_file("v1.shard")).value();
  shard.files.push_back(parse_shard(vector_file("v3.shard"))->files[0]);
  EXPECT_TRUE(parse_shard(write_shard(shard)));
  shard.files[1].range_hashes.clear();
  EXPECT_FALSE(parse_shard(write_shard(shard)));
}

TEST(Shard, FilesAloneAndXorbsAloneAreShards) {
  Shard shard = parse_shard(vector_file("v1.shard")).value();
  Shard files_only{.files = shard.files};
  EXPECT_EQ(parse_shard(write_shard(files_only))->files.size(), 1u);
  Shard xorbs_only{.xorbs = shard.xorbs};
  EXPECT_EQ(parse_shard(write_shard(xorbs_only))->xorbs.size(), 1u);
  EXPECT_TRUE(parse_shard(write_shard({})));
}

}  // namespace
}  // namespace hearth::xet
