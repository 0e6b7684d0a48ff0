#include "xet/merkle_hash.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "xet/crc64.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::hash_of;
using testing::split_mix;
using testing::text_of;

const json::object& unit() {
  return expected().at("unit").as_object();
}

std::vector<SizedHash> leaves(size_t count) {
  std::vector<SizedHash> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back(
        {.hash = chunk_hash(as_bytes("leaf " + std::to_string(i))), .size_bytes = 1000 + i});
  }
  return out;
}

TEST(MerkleHash, TextPrintsEachGroupAsALittleEndianNumber) {
  const json::object& order = unit().at("hex_order").as_object();
  auto raw = from_hex(text_of(order.at("raw_hex"))).value();
  MerkleHash hash = MerkleHash::from_bytes(raw).value();
  EXPECT_EQ(hash.text(), text_of(order.at("text")));
  EXPECT_EQ(MerkleHash::from_text(hash.text()), hash);
}

TEST(MerkleHash, ParsesUpperCaseAndRefusesEverythingElse) {
  std::string text(64, 'A');
  EXPECT_EQ(MerkleHash::from_text(text)->text(), std::string(64, 'a'));
  EXPECT_FALSE(MerkleHash::from_text(text.substr(1)));
  EXPECT_FALSE(MerkleHash::from_text(text + "a"));
  text[5] = 'g';
  EXPECT_FALSE(MerkleHash::from_text(text));
  EXPECT_FALSE(MerkleHash::from_bytes(Bytes(31)));
}

TEST(MerkleHash, OrdersByItsNumbers) {
  auto low = MerkleHash::from_text("0000000000000001" + std::string(48, 'f')).value();
  auto high = MerkleHash::from_text("0100000000000000" + std::string(48, '0')).value();
  EXPECT_LT(low, high);
  EXPECT_EQ(MerkleHash::from_text(std::string(60, '0') + "000f")->modulo(4), 3u);
}

TEST(MerkleHash, ChunkHashesAgreeWithTheVectors) {
  for (const json::value& item : unit().at("chunk_hash").as_array()) {
    const json::object& vector = item.as_object();
    Bytes data;
    if (const json::value* ascii = vector.if_contains("data_ascii")) {
      std::string text = text_of(*ascii);
      data.assign(text.begin(), text.end());
    } else if (text_of(vector.at("data")).starts_with("131072")) {
      data.assign(131072, 0);
    } else {
      data = split_mix(1, 65536);
    }
    EXPECT_EQ(chunk_hash(data).text(), text_of(vector.at("hash")));
    if (const json::value* raw = vector.if_contains("raw_digest_hex")) {
      EXPECT_EQ(to_hex(chunk_hash(data).view()), text_of(*raw));
    }
  }
}

TEST(MerkleHash, TreesAndFilesAndRangesAgreeWithTheVectors) {
  for (const json::value& item : unit().at("merkle").as_array()) {
    const json::object& vector = item.as_object();
    auto chunks = leaves(static_cast<size_t>(vector.at("n").as_int64()));
    EXPECT_EQ(tree_root(chunks).text(), text_of(vector.at("root")));
    EXPECT_EQ(file_hash(chunks).text(), text_of(vector.at("file_hash")));
    if (const json::value* range = vector.if_contains("range_hash")) {
      std::vector<MerkleHash> hashes;
      for (const SizedHash& chunk : chunks) hashes.push_back(chunk.hash);
      EXPECT_EQ(range_hash(hashes).text(), text_of(*range));
    }
  }
}

TEST(MerkleHash, TheTreeDependsOnOrderSizesAndHashes) {
  auto chunks = leaves(100);
  MerkleHash root = tree_root(chunks);
  auto other = chunks;
  std::swap(other[40], other[41]);
  EXPECT_NE(tree_root(other), root);
  other = chunks;
  other[99].size_bytes += 1;
  EXPECT_NE(tree_root(other), root);
  other = chunks;
  other[0].hash.bytes[31] ^= 1;
  EXPECT_NE(tree_root(other), root);
}

TEST(MerkleHash, ProtectedHashAgreesWithTheVector) {
  const json::object& vector = unit().at("hmac").as_object();
  auto raw = from_hex(text_of(vector.at("key_raw_hex"))).value();
  HashKey key;
  std::copy(raw.begin(), raw.end(), key.begin());
  EXPECT_EQ(protected_hash(key, hash_of(vector.at("chunk"))).text(), text_of(vector.at("result")));
}

TEST(MerkleHash, RunningHashEqualsTheWholeHash) {
  Bytes data = split_mix(7, 300000);
  KeyedHasher hasher(HashKind::kData);
  hasher.update(ByteView(data).first(1));
  hasher.update(ByteView(data).subspan(1));
  EXPECT_EQ(hasher.finish(), chunk_hash(data));
}

TEST(Crc64, AgreesWithTheVectors) {
  EXPECT_EQ(crc64_nvme(as_bytes("123456789")), 0xae8b14860a799888u);
  for (const char* name : {"v1", "v2", "v3"}) {
    Bytes xorb = testing::vector_file(std::string(name) + ".xorb");
    std::string decimal =
        text_of(expected().at(name).as_object().at("xorb").as_object().at("crc64nvme_decimal"));
    EXPECT_EQ(std::to_string(crc64_nvme(xorb)), decimal);
    uint64_t first = crc64_nvme(ByteView(xorb).first(1000));
    EXPECT_EQ(std::to_string(crc64_nvme(ByteView(xorb).subspan(1000), first)), decimal);
  }
}

}  // namespace
}  // namespace hearth::xet
