#pragma once
// Hashes of the Xet protocol: chunks, trees, xorbs, files, ranges.
//
// Everything is BLAKE3 in keyed mode with 32 bytes of output; what differs is the key. A xorb's
// hash is the root of a tree over its chunks, a file's hash is a keyed hash of the root of a tree
// over all of its chunks. The text form is not plain hex: each 8-byte group is printed as a
// little-endian number.

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hearth::xet {

/// 32 raw bytes. Default: all zero, the hash of an empty file.
struct MerkleHash {
  std::array<uint8_t, 32> bytes{};

  /// 64 lower-case digits: four little-endian u64, each printed as 16 digits.
  std::string text() const;
  /// Exactly 64 hex digits of either case, else nothing.
  static std::optional<MerkleHash> from_text(std::string_view text);
  /// Exactly 32 bytes, else nothing.
  static std::optional<MerkleHash> from_bytes(ByteView raw);

  /// The group `index` (0..3) as a little-endian number.
  uint64_t word(size_t index) const;
  /// The protocol's "hash mod m": the last group modulo `divisor`.
  uint64_t modulo(uint64_t divisor) const { return word(3) % divisor; }
  bool is_zero() const;
  ByteView view() const { return bytes; }

  bool operator==(const MerkleHash&) const = default;
  /// By the four numbers in order, as clients sort.
  std::strong_ordering operator<=>(const MerkleHash& other) const;
};

/// For unordered containers: hashes are uniform already.
struct MerkleHashHasher {
  size_t operator()(const MerkleHash& hash) const noexcept { return hash.word(0); }
};

/// A leaf or node of a tree: its hash and how many bytes of content it covers.
struct SizedHash {
  MerkleHash hash;
  uint64_t size_bytes = 0;
  bool operator==(const SizedHash&) const = default;
};

using HashKey = std::array<uint8_t, 32>;

/// Which of the protocol's keys a running hash uses.
enum class HashKind { kData, kNode, kVerification };

/// A running keyed BLAKE3. Not safe from several threads.
class KeyedHasher {
 public:
  explicit KeyedHasher(HashKind kind);
  explicit KeyedHasher(const HashKey& key);
  KeyedHasher(KeyedHasher&&) noexcept;
  KeyedHasher& operator=(KeyedHasher&&) noexcept;
  ~KeyedHasher();
  void update(ByteView bytes);
  /// The hash of what was added so far; more may be added afterwards.
  MerkleHash finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Hash of a chunk's uncompressed bytes.
MerkleHash chunk_hash(ByteView chunk);
/// Hash of a whole shard file (same key as chunks).
inline MerkleHash shard_hash(ByteView shard) {
  return chunk_hash(shard);
}
/// Root of the tree over `leaves`: zero for none, the leaf itself for one.
MerkleHash tree_root(std::span<const SizedHash> leaves);
/// A xorb's hash is the root over its chunks.
inline MerkleHash xorb_hash(std::span<const SizedHash> chunks) {
  return tree_root(chunks);
}
/// A file's hash: the root keyed with 32 zero bytes; zero for a file without chunks.
MerkleHash file_hash(std::span<const SizedHash> chunks);
/// Proof that a shard's author knew the chunks of a term: keyed hash of their hashes.
MerkleHash range_hash(std::span<const MerkleHash> chunks);
/// What a dedup answer shows instead of a chunk's hash.
MerkleHash protected_hash(const HashKey& key, const MerkleHash& chunk);

}  // namespace hearth::xet
