#include "xet/xorb.h"

#include <cstring>

#include <gtest/gtest.h>

#include "xet/chunker.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::hash_of;
using testing::text_of;
using testing::vector_file;

const json::object& xorb_vector(const std::string& name) {
  return expected().at(name).as_object().at("xorb").as_object();
}

struct Validated {
  ChunkTable table;
  Bytes stored;
};

Parsed<Validated> validate(ByteView body, const MerkleHash& name, size_t piece_bytes = 1 << 16) {
  Validated out;
  XorbValidator validator(
      [&](ByteView record) { out.stored.insert(out.stored.end(), record.begin(), record.end()); });
  while (!body.empty()) {
    ByteView piece = body.first(std::min(piece_bytes, body.size()));
    body = body.subspan(piece.size());
    if (auto fed = validator.feed(piece); !fed) return tl::unexpected(fed.error());
  }
  auto table = validator.finish(name);
  if (!table) return tl::unexpected(table.error());
  out.table = std::move(*table);
  return out;
}

Bytes unpack(const Validated& xorb) {
  Bytes out;
  Decoder decoder;
  for (uint32_t i = 0; i < xorb.table.count(); ++i) {
    ByteView record =
        ByteView(xorb.stored)
            .subspan(xorb.table.packed_begin(i),
                     xorb.table.chunks[i].packed_end_bytes - xorb.table.packed_begin(i));
    RecordHeader header = parse_record_header(record).value();
    Bytes plain(header.unpacked_bytes);
    EXPECT_TRUE(decoder.decode(header.scheme, record.subspan(kRecordHeaderBytes), plain));
    out.insert(out.end(), plain.begin(), plain.end());
  }
  return out;
}

TEST(Xorb, TheVectorsAreValidAndTheirTablesAgree) {
  for (const char* name : {"v1", "v2", "v3"}) {
    const json::object& vector = xorb_vector(name);
    Bytes body = vector_file(std::string(name) + ".xorb");
    auto result = validate(body, hash_of(vector.at("hash")));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->stored, body);
    const json::array& chunks = vector.at("chunks").as_array();
    ASSERT_EQ(result->table.count(), chunks.size());
    for (uint32_t i = 0; i < result->table.count(); ++i) {
      EXPECT_EQ(result->table.chunks[i].hash, hash_of(chunks[i].at("hash")));
      EXPECT_EQ(result->table.packed_begin(i), chunks[i].at("byte_start").as_int64());
      EXPECT_EQ(result->table.chunks[i].packed_end_bytes,
                chunks[i].at("byte_end_inclusive").as_int64() + 1);
      EXPECT_EQ(result->table.unpacked_length(i), chunks[i].at("raw_length").as_int64());
      EXPECT_EQ(static_cast<int64_t>(result->table.chunks[i].scheme),
                chunks[i].at("scheme").as_int64());
    }
    if (name != std::string_view("v2")) EXPECT_EQ(unpack(*result), testing::vector_input(name));
  }
}

TEST(Xorb, PiecesOfAnySizeAreTheSame) {
  Bytes body = vector_file("v3.xorb");
  MerkleHash name = hash_of(xorb_vector("v3").at("hash"));
  auto whole = validate(body, name, body.size());
  ASSERT_TRUE(whole);
  for (size_t piece : {1, 7, 8, 9, 4096}) {
    auto pieces = validate(body, name, piece);
    ASSERT_TRUE(pieces);
    EXPECT_EQ(pieces->table, whole->table);
  }
}

TEST(Xorb, AFooterIsCutOff) {
  MerkleHash name = hash_of(xorb_vector("v1").at("hash"));
  auto result = validate(vector_file("v1.with-footer.xorb"), name);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->stored, vector_file("v1.xorb"));
}

TEST(Xorb, BodiesThatEndEarlyOrNeverBeginAreRefused) {
  Bytes body = vector_file("v3.xorb");
  MerkleHash name = hash_of(xorb_vector("v3").at("hash"));
  for (size_t length : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{4243},
                        size_t{4250}, body.size() - 1}) {
    EXPECT_FALSE(validate(ByteView(body).first(length), name)) << length;
  }
  Bytes longer = body;
  longer.push_back(0);
  EXPECT_FALSE(validate(longer, name));
  EXPECT_FALSE(validate(as_bytes("XETBLOB1"), name));
}

TEST(Xorb, AnotherNameIsRefused) {
  MerkleHash name = hash_of(xorb_vector("v3").at("hash"));
  name.bytes[0] ^= 1;
  EXPECT_FALSE(validate(vector_file("v3.xorb"), name));
}

// LZ4 can say the same in two ways (a match at distance 45 or 90 of a repeated sentence), so a flip
// inside a packed payload may leave the chunk as it was: then, and only then, it is no damage.
TEST(Xorb, EveryFlippedByteIsNoticedUnlessItUnpacksToTheSame) {
  MerkleHash name = hash_of(xorb_vector("v3").at("hash"));
  Bytes body = vector_file("v3.xorb");
  ChunkTable table = validate(body, name)->table;
  Bytes plain = testing::vector_input("v3");
  size_t tried = 0;
  size_t refused = 0;
  auto flip = [&](size_t at) {
    Bytes damaged = body;
    damaged[at] ^= static_cast<uint8_t>(1u << (at % 8));
    auto result = validate(damaged, name);
    if (result) EXPECT_EQ(unpack(*result), plain) << "byte " << at;
    refused += result ? 0 : 1;
    ++tried;
  };
  for (uint32_t i = 0; i < table.count(); ++i) {
    uint32_t begin = table.packed_begin(i);
    for (uint32_t at = begin; at < begin + 24; ++at) flip(at);  // Header and frame descriptor.
  }
  for (size_t at = 24; at < body.size(); at += 97) flip(at);
  EXPECT_GT(tried, 300u);
  EXPECT_GE(refused + 3, tried);
}

TEST(Xorb, EveryFlippedByteOfAnUnpackedChunkIsNoticed) {
  MerkleHash name = hash_of(xorb_vector("v1").at("hash"));
  Bytes body = vector_file("v1.xorb");
  for (size_t at = 0; at < 201104; at += at < 24 ? 1 : 1999) {
    Bytes damaged = body;
    damaged[at] ^= static_cast<uint8_t>(1u << (at % 8));
    if (at < 104513) EXPECT_FALSE(validate(damaged, name)) << "byte " << at;
  }
}

TEST(Xorb, RecordHeadersRefuseWhatTheProtocolForbids) {
  auto parse = [](const char* hex) { return parse_record_header(from_hex(hex).value()); };
  EXPECT_TRUE(parse("0001000000010000"));
  EXPECT_FALSE(parse("0101000000010000")) << "version";
  EXPECT_FALSE(parse("0001000003010000")) << "scheme 3";
  EXPECT_FALSE(parse("0001000063010000")) << "scheme 99";
  EXPECT_FALSE(parse("0000000000000000")) << "empty";
  EXPECT_FALSE(parse("0001000000020000")) << "two lengths";
  EXPECT_TRUE(parse("0000000200000002"));
  EXPECT_FALSE(parse("0000000100010000")) << "no payload";
  EXPECT_FALSE(parse("0001000001000000")) << "no content";
  EXPECT_TRUE(parse("0000000401000002")) << "131072 unpacked, 262144 packed";
  EXPECT_FALSE(parse("0001000401000002")) << "262145 packed";
  EXPECT_FALSE(parse("0001000001010002")) << "131073 unpacked";
}

TEST(Xorb, MoreThan8192ChunksAreRefused) {
  Bytes body;
  std::vector<SizedHash> leaves;
  for (size_t i = 0; i < kXorbChunksMax + 1; ++i) {
    for (uint8_t byte : {0, 1, 0, 0, 0, 1, 0, 0, 65}) body.push_back(byte);
    leaves.push_back({.hash = chunk_hash(as_bytes("A")), .size_bytes = 1});
  }
  EXPECT_FALSE(validate(body, xorb_hash(leaves)));
  body.resize(body.size() - 9);
  leaves.pop_back();
  EXPECT_TRUE(validate(body, xorb_hash(leaves)));
}

TEST(Xorb, BuiltXorbsAreValid) {
  Bytes data = testing::vector_input("v2");
  XorbBuilder builder;
  size_t at = 0;
  for (size_t length : chunk_lengths(data)) {
    ByteView chunk = ByteView(data).subspan(at, length);
    ASSERT_TRUE(builder.fits(length));
    builder.add(chunk, chunk_hash(chunk));
    at += length;
  }
  auto result = validate(builder.serialized(), builder.hash());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->table, builder.table());
  EXPECT_EQ(unpack(*result), data);
  builder.clear();
  EXPECT_TRUE(builder.empty());
  EXPECT_FALSE(builder.fits(kXorbUnpackedBytesMax + 1));
}

TEST(Xorb, OurEncoderPacksTheVectorsAboutAsSmallAsTheClient) {
  for (const char* name : {"v1", "v3"}) {
    Bytes data = testing::vector_input(name);
    XorbBuilder builder;
    size_t at = 0;
    for (size_t length : chunk_lengths(data)) {
      ByteView chunk = ByteView(data).subspan(at, length);
      builder.add(chunk, chunk_hash(chunk));
      at += length;
    }
    EXPECT_EQ(builder.hash(), hash_of(xorb_vector(name).at("hash")));
    EXPECT_NEAR(static_cast<double>(builder.serialized().size()),
                static_cast<double>(vector_file(std::string(name) + ".xorb").size()), 2000);
  }
}

TEST(ChunkTable, ComesBackFromItsBytesAndRefusesDamage) {
  ChunkTable table = validate(vector_file("v1.xorb"), hash_of(xorb_vector("v1").at("hash")))->table;
  Bytes bytes = table.encode();
  EXPECT_EQ(bytes.size(), 160u);
  EXPECT_EQ(ChunkTable::decode(bytes).value(), table);
  EXPECT_FALSE(ChunkTable::decode(ByteView(bytes).first(159)));
  std::memset(bytes.data() + 72, 0, 4);  // The second chunk ends before the first.
  EXPECT_FALSE(ChunkTable::decode(bytes));
}

}  // namespace
}  // namespace hearth::xet
