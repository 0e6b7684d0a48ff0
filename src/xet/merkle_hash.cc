#include "xet/merkle_hash.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include <blake3.h>

namespace hearth::xet {
namespace {

// Keys of the protocol; xet-core's merklehash crate, confirmed by the vectors.
constexpr HashKey kDataKey = {0x66, 0x97, 0xf5, 0x77, 0x5b, 0x95, 0x50, 0xde, 0x31, 0x35, 0xcb,
                              0xac, 0xa5, 0x97, 0x18, 0x1c, 0x9d, 0xe4, 0x21, 0x10, 0x9b, 0xeb,
                              0x2b, 0x58, 0xb4, 0xd0, 0xb0, 0x4b, 0x93, 0xad, 0xf2, 0x29};
constexpr HashKey kNodeKey = {0x01, 0x7e, 0xc5, 0xc7, 0xa5, 0x47, 0x29, 0x96, 0xfd, 0x94, 0x66,
                              0x66, 0xb4, 0x8a, 0x02, 0xe6, 0x5d, 0xdd, 0x53, 0x6f, 0x37, 0xc7,
                              0x6d, 0xd2, 0xf8, 0x63, 0x52, 0xe6, 0x4a, 0x53, 0x71, 0x3f};
constexpr HashKey kVerificationKey = {
    0x7f, 0x18, 0x57, 0xd6, 0xce, 0x56, 0xed, 0x66, 0x12, 0x7f, 0xf9, 0x13, 0xe7, 0xa5, 0xc3, 0xf3,
    0xa4, 0xcd, 0x26, 0xd5, 0xb5, 0xdb, 0x49, 0xe6, 0x41, 0x24, 0x98, 0x7f, 0x28, 0xfb, 0x94, 0xc3};
constexpr HashKey kZeroKey = {};

// A group of a tree ends at the first hash that 4 divides, from the third element on, and after
// nine elements in any case.
constexpr size_t kGroupMin = 3;
constexpr size_t kGroupMax = 9;
constexpr uint64_t kGroupModulo = 4;

const HashKey& key_of(HashKind kind) {
  switch (kind) {
    case HashKind::kData:
      return kDataKey;
    case HashKind::kNode:
      return kNodeKey;
    case HashKind::kVerification:
      return kVerificationKey;
  }
  return kZeroKey;
}

MerkleHash keyed(const HashKey& key, ByteView message) {
  blake3_hasher hasher;
  blake3_hasher_init_keyed(&hasher, key.data());
  blake3_hasher_update(&hasher, message.data(), message.size());
  MerkleHash out;
  blake3_hasher_finalize(&hasher, out.bytes.data(), out.bytes.size());
  return out;
}

// The library finds out what the processor can do at its first hash, without a lock: harmless,
// since every thread finds the same, but a race all the same. So it happens before there are
// threads.
[[maybe_unused]] const MerkleHash kFirstHash = keyed(kZeroKey, {});

void put_text(const MerkleHash& hash, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t group = 0; group < 4; ++group) {
    for (size_t i = 0; i < 8; ++i) {
      uint8_t byte = hash.bytes[group * 8 + 7 - i];
      *out++ = kDigits[byte >> 4];
      *out++ = kDigits[byte & 15];
    }
  }
}

size_t group_length(std::span<const SizedHash> left) {
  if (left.size() < kGroupMin) return left.size();
  size_t most = std::min(kGroupMax, left.size());
  for (size_t i = kGroupMin - 1; i < most; ++i) {
    if (left[i].hash.modulo(kGroupModulo) == 0) return i + 1;
  }
  return most;
}

SizedHash node_of(std::span<const SizedHash> group) {
  // Per element: 64 digits, " : ", at most 20 digits of size, a newline.
  char text[kGroupMax * (64 + 3 + 20 + 1)];
  char* at = text;
  uint64_t size_bytes = 0;
  for (const SizedHash& element : group) {
    put_text(element.hash, at);
    at += 64;
    *at++ = ' ';
    *at++ = ':';
    *at++ = ' ';
    at = std::to_chars(at, text + sizeof text, element.size_bytes).ptr;
    *at++ = '\n';
    size_bytes += element.size_bytes;
  }
  std::string_view message(text, static_cast<size_t>(at - text));
  return {.hash = keyed(kNodeKey, as_bytes(message)), .size_bytes = size_bytes};
}

}  // namespace

std::string MerkleHash::text() const {
  std::string out(64, '0');
  put_text(*this, out.data());
  return out;
}

std::optional<MerkleHash> MerkleHash::from_text(std::string_view text) {
  if (text.size() != 64) return std::nullopt;
  auto raw = from_hex(text);
  if (!raw) return std::nullopt;
  MerkleHash out;
  for (size_t i = 0; i < 32; ++i) out.bytes[i] = (*raw)[(i & ~size_t{7}) + 7 - (i & 7)];
  return out;
}

std::optional<MerkleHash> MerkleHash::from_bytes(ByteView raw) {
  if (raw.size() != 32) return std::nullopt;
  MerkleHash out;
  std::memcpy(out.bytes.data(), raw.data(), 32);
  return out;
}

uint64_t MerkleHash::word(size_t index) const {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= uint64_t{bytes[index * 8 + i]} << (8 * i);
  return value;
}

bool MerkleHash::is_zero() const {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::strong_ordering MerkleHash::operator<=>(const MerkleHash& other) const {
  for (size_t i = 0; i < 4; ++i) {
    if (auto order = word(i) <=> other.word(i); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

struct KeyedHasher::State {
  blake3_hasher hasher;
};
KeyedHasher::KeyedHasher(HashKind kind) : KeyedHasher(key_of(kind)) {}
KeyedHasher::KeyedHasher(const HashKey& key) : state_(std::make_unique<State>()) {
  blake3_hasher_init_keyed(&state_->hasher, key.data());
}
KeyedHasher::KeyedHasher(KeyedHasher&&) noexcept = default;
KeyedHasher& KeyedHasher::operator=(KeyedHasher&&) noexcept = default;
KeyedHasher::~KeyedHasher() = default;
void KeyedHasher::update(ByteView bytes) {
  blake3_hasher_update(&state_->hasher, bytes.data(), bytes.size());
}
MerkleHash KeyedHasher::finish() const {
  MerkleHash out;
  blake3_hasher_finalize(&state_->hasher, out.bytes.data(), out.bytes.size());
  return out;
}

MerkleHash chunk_hash(ByteView chunk) {
  return keyed(kDataKey, chunk);
}

MerkleHash tree_root(std::span<const SizedHash> leaves) {
  if (leaves.empty()) return {};
  std::vector<SizedHash> level(leaves.begin(), leaves.end());
  while (level.size() > 1) {
    size_t written = 0;
    for (size_t at = 0; at < level.size();) {
      std::span<const SizedHash> left(level.data() + at, level.size() - at);
      size_t length = group_length(left);
      level[written++] = node_of(left.first(length));  // Never ahead of what is read.
      at += length;
    }
    level.resize(written);
  }
  return level.front().hash;
}

MerkleHash file_hash(std::span<const SizedHash> chunks) {
  if (chunks.empty()) return {};
  return keyed(kZeroKey, tree_root(chunks).view());
}

MerkleHash range_hash(std::span<const MerkleHash> chunks) {
  KeyedHasher hasher(HashKind::kVerification);
  for (const MerkleHash& chunk : chunks) hasher.update(chunk.view());
  return hasher.finish();
}

MerkleHash protected_hash(const HashKey& key, const MerkleHash& chunk) {
  return keyed(key, chunk.view());
}

}  // namespace hearth::xet
