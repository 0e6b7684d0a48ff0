#pragma once
// Shards: which files there are and from which chunks of which xorbs they are put together.
//
// A shard is a row of 48-byte entries: a header, blocks of files, a bookend, blocks of xorbs, a
// bookend. What clients add behind it (lookup tables, a footer, or a header that announces a
// footer which is not there) differs from version to version and is ignored.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "xet/merkle_hash.h"
#include "xet/xorb.h"

namespace hearth::xet {

inline constexpr size_t kShardBytesMax = 64u << 20;

/// A run of chunks of one xorb: the smallest part of a file's recipe.
struct Term {
  MerkleHash xorb;
  uint32_t unpacked_bytes = 0;
  uint32_t chunk_begin = 0;
  uint32_t chunk_end = 0;  // Exclusive.
  bool operator==(const Term&) const = default;
};

struct ShardFile {
  MerkleHash hash;
  std::vector<Term> terms = {};
  /// One a term, or empty when the client sent none.
  std::vector<MerkleHash> range_hashes = {};
  /// 64 hex digits as sha256sum prints them, as the client claims.
  std::optional<std::string> sha256 = {};
};

struct ShardChunk {
  MerkleHash hash;
  uint32_t unpacked_begin_bytes = 0;
  uint32_t unpacked_bytes = 0;
};

struct ShardXorb {
  MerkleHash hash;
  uint32_t unpacked_bytes = 0;
  std::vector<ShardChunk> chunks = {};
};

struct Shard {
  std::vector<ShardFile> files = {};
  std::vector<ShardXorb> xorbs = {};
  /// Where the second bookend ends: what counts of the bytes given.
  size_t used_bytes = 0;
};

/// Reads an uploaded shard. Structure and limits only; nothing is compared with what is stored.
///
/// Refused: more than kShardBytesMax, counts beyond the bytes that are left, files of which some
/// have range hashes and some not, chunk numbers beyond a xorb's limit, empty terms.
Parsed<Shard> parse_shard(ByteView bytes);

/// Writes the form that clients upload: header (footer size 0), files, xorbs.
Bytes write_shard(const Shard& shard);

/// The answer to a question for a chunk: the chunks of some xorbs, their hashes protected with
/// `key`.
struct DedupAnswer {
  struct Xorb {
    MerkleHash hash;
    std::shared_ptr<const ChunkTable> table;
  };
  std::vector<Xorb> xorbs;
  HashKey key{};
  int64_t created_s = 0;  // Unix seconds.
  int64_t expires_s = 0;  // Clients forget the answer then; 0 would be at once.
};
Bytes write_dedup_answer(const DedupAnswer& answer);

}  // namespace hearth::xet
