#pragma once
// Xorbs: files of packed chunks.
//
// A xorb is a plain row of records, each an 8-byte header and a payload, and its name is the hash
// of the chunks in it. Old clients append a footer, which is cut off and never believed: what a
// chunk hashes to is computed here, from its bytes.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "xet/codec.h"
#include "xet/merkle_hash.h"

namespace hearth::xet {

inline constexpr size_t kRecordHeaderBytes = 8;
inline constexpr size_t kPayloadBytesMax = 262144;
inline constexpr size_t kXorbChunksMax = 8192;
inline constexpr uint64_t kXorbUnpackedBytesMax = 64ull << 20;
/// Body limit of an upload: what clients' cut points allow (64 MiB + 8 bytes a chunk) and a footer.
inline constexpr uint64_t kXorbBodyBytesMax = 67'600'000;

/// One chunk of a xorb. Both offsets are ends: a chunk begins where the one before it ended.
struct XorbChunk {
  MerkleHash hash;
  uint32_t packed_end_bytes = 0;    // In the stored file, record header included.
  uint32_t unpacked_end_bytes = 0;  // In the row of unpacked chunks.
  Scheme scheme = Scheme::kNone;
  bool operator==(const XorbChunk&) const = default;
};

/// The chunks of one xorb in order: everything that must be known without reading the file.
struct ChunkTable {
  std::vector<XorbChunk> chunks;

  uint32_t count() const { return static_cast<uint32_t>(chunks.size()); }
  uint32_t packed_begin(uint32_t index) const;
  uint32_t unpacked_begin(uint32_t index) const;
  uint32_t unpacked_length(uint32_t index) const;
  /// Sums over the chunks [begin, end).
  uint32_t unpacked_length(uint32_t begin, uint32_t end) const;
  uint64_t packed_bytes() const { return chunks.empty() ? 0 : chunks.back().packed_end_bytes; }
  uint64_t unpacked_bytes() const { return chunks.empty() ? 0 : chunks.back().unpacked_end_bytes; }
  std::vector<SizedHash> leaves() const;

  /// 40 bytes a chunk: hash, packed end with the scheme in its top two bits, unpacked end.
  Bytes encode() const;
  /// Refuses lengths that are not a multiple of 40 and ends that do not grow.
  static Parsed<ChunkTable> decode(ByteView bytes);
  bool operator==(const ChunkTable&) const = default;
};

/// A record's first eight bytes.
struct RecordHeader {
  Scheme scheme = Scheme::kNone;
  uint32_t payload_bytes = 0;
  uint32_t unpacked_bytes = 0;
};
/// `raw` holds eight bytes. Refuses unknown versions and schemes and illegal lengths.
Parsed<RecordHeader> parse_record_header(ByteView raw);
void write_record_header(const RecordHeader& header, std::span<uint8_t, kRecordHeaderBytes> out);

/// Validates a xorb while it arrives, in one pass; memory is one record.
///
/// Give it the body in pieces, then call `finish`. After an error the object is of no more use.
class XorbValidator {
 public:
  /// What to store, in order: the records without any footer.
  using RecordSink = std::function<void(ByteView record_bytes)>;

  explicit XorbValidator(RecordSink sink = {});

  Parsed<void> feed(ByteView piece);
  /// The table, if the records end here and the tree's root is `expected`.
  Parsed<ChunkTable> finish(const MerkleHash& expected);
  /// As above without a hash to compare; `root` gives what it is.
  Parsed<ChunkTable> finish();
  MerkleHash root() const;

 private:
  Parsed<void> end_record();

  RecordSink sink_;
  Decoder decoder_;
  ChunkTable table_;
  Bytes record_;  // Header and payload of the record that is arriving.
  Bytes plain_;
  std::optional<RecordHeader> header_;
  bool in_footer_ = false;
  uint64_t fed_bytes_ = 0;
  uint64_t packed_bytes_ = 0;
  uint64_t unpacked_bytes_ = 0;
};

/// Builds a xorb from chunks.
class XorbBuilder {
 public:
  /// Whether a chunk of this length still fits into the protocol's limits.
  bool fits(size_t chunk_bytes) const;
  /// Adds a chunk that fits; returns its index.
  uint32_t add(ByteView chunk, const MerkleHash& hash);
  /// The next chunk begins another file.
  void start_file() { encoder_.start_file(); }

  bool empty() const { return table_.chunks.empty(); }
  const ChunkTable& table() const { return table_; }
  ByteView serialized() const { return bytes_; }
  MerkleHash hash() const { return xorb_hash(table_.leaves()); }
  void clear();

 private:
  Encoder encoder_;
  ChunkTable table_;
  Bytes bytes_;
};

}  // namespace hearth::xet
