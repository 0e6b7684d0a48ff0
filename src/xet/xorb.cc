#include "xet/xorb.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "xet/chunker.h"
#include "xet/little_endian.h"

namespace hearth::xet {
namespace {

constexpr std::string_view kFooterIdent = "XETBLOB";
constexpr size_t kTableEntryBytes = 40;
// A xorb is shorter than 2^27 bytes, so the two top bits of its offsets are free.
constexpr int kSchemeShift = 30;

bool begins_footer(ByteView header) {
  return std::memcmp(header.data(), kFooterIdent.data(), kFooterIdent.size()) == 0;
}

uint32_t get_u24(const uint8_t* at) {
  return uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16;
}
void put_u24(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value);
  at[1] = static_cast<uint8_t>(value >> 8);
  at[2] = static_cast<uint8_t>(value >> 16);
}

}  // namespace

uint32_t ChunkTable::packed_begin(uint32_t index) const {
  return index == 0 ? 0 : chunks[index - 1].packed_end_bytes;
}
uint32_t ChunkTable::unpacked_begin(uint32_t index) const {
  return index == 0 ? 0 : chunks[index - 1].unpacked_end_bytes;
}
uint32_t ChunkTable::unpacked_length(uint32_t index) const {
  return chunks[index].unpacked_end_bytes - unpacked_begin(index);
}
uint32_t ChunkTable::unpacked_length(uint32_t begin, uint32_t end) const {
  return unpacked_begin(end) - unpacked_begin(begin);
}
std::vector<SizedHash> ChunkTable::leaves() const {
  std::vector<SizedHash> out;
  out.reserve(chunks.size());
  for (uint32_t i = 0; i < count(); ++i) {
    out.push_back({.hash = chunks[i].hash, .size_bytes = unpacked_length(i)});
  }
  return out;
}

Bytes ChunkTable::encode() const {
  Bytes out(chunks.size() * kTableEntryBytes);
  uint8_t* at = out.data();
  for (const XorbChunk& chunk : chunks) {
    std::memcpy(at, chunk.hash.bytes.data(), 32);
    put_u32(at + 32, chunk.packed_end_bytes | uint32_t(chunk.scheme) << kSchemeShift);
    put_u32(at + 36, chunk.unpacked_end_bytes);
    at += kTableEntryBytes;
  }
  return out;
}

Parsed<ChunkTable> ChunkTable::decode(ByteView bytes) {
  if (bytes.size() % kTableEntryBytes != 0 || bytes.size() / kTableEntryBytes > kXorbChunksMax) {
    return parse_error("a chunk table has an impossible length");
  }
  ChunkTable table;
  table.chunks.resize(bytes.size() / kTableEntryBytes);
  uint32_t packed_before = 0;
  uint32_t unpacked_before = 0;
  const uint8_t* at = bytes.data();
  for (XorbChunk& chunk : table.chunks) {
    std::memcpy(chunk.hash.bytes.data(), at, 32);
    uint32_t packed_end = get_u32(at + 32);
    if (packed_end >> kSchemeShift > 2) return parse_error("a chunk table names an unknown scheme");
    chunk.scheme = static_cast<Scheme>(packed_end >> kSchemeShift);
    chunk.packed_end_bytes = packed_end & ((1u << kSchemeShift) - 1);
    chunk.unpacked_end_bytes = get_u32(at + 36);
    bool grows = chunk.packed_end_bytes > packed_before + kRecordHeaderBytes &&
                 chunk.packed_end_bytes - packed_before <= kPayloadBytesMax + kRecordHeaderBytes &&
                 chunk.unpacked_end_bytes > unpacked_before &&
                 chunk.unpacked_end_bytes - unpacked_before <= kChunkBytesMax;
    if (!grows) return parse_error("a chunk table's offsets do not grow");
    packed_before = chunk.packed_end_bytes;
    unpacked_before = chunk.unpacked_end_bytes;
    at += kTableEntryBytes;
  }
  return table;
}

Parsed<RecordHeader> parse_record_header(ByteView raw) {
  if (raw.size() < kRecordHeaderBytes) return parse_error("a chunk header is cut short");
  if (raw[0] != 0) return parse_error("a chunk header has an unknown version");
  if (raw[4] > 2) return parse_error("a chunk header names an unknown packing scheme");
  RecordHeader header{.scheme = static_cast<Scheme>(raw[4]),
                      .payload_bytes = get_u24(raw.data() + 1),
                      .unpacked_bytes = get_u24(raw.data() + 5)};
  if (header.unpacked_bytes == 0 || header.unpacked_bytes > kChunkBytesMax) {
    return parse_error("a chunk's length is not between 1 and 131072 bytes");
  }
  if (header.payload_bytes == 0 || header.payload_bytes > kPayloadBytesMax) {
    return parse_error("a chunk's packed length is not between 1 and 262144 bytes");
  }
  if (header.scheme == Scheme::kNone && header.payload_bytes != header.unpacked_bytes) {
    return parse_error("an unpacked chunk has two different lengths");
  }
  return header;
}

void write_record_header(const RecordHeader& header, std::span<uint8_t, kRecordHeaderBytes> out) {
  out[0] = 0;
  put_u24(out.data() + 1, header.payload_bytes);
  out[4] = static_cast<uint8_t>(header.scheme);
  put_u24(out.data() + 5, header.unpacked_bytes);
}

XorbValidator::XorbValidator(RecordSink sink) : sink_(std::move(sink)) {}

Parsed<void> XorbValidator::feed(ByteView piece) {
  fed_bytes_ += piece.size();
  if (fed_bytes_ > kXorbBodyBytesMax) return parse_error("the xorb is too large", fed_bytes_);
  while (!piece.empty() && !in_footer_) {
    size_t wanted = kRecordHeaderBytes + (header_ ? header_->payload_bytes : 0);
    size_t taken = std::min(wanted - record_.size(), piece.size());
    record_.insert(record_.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(taken));
    piece = piece.subspan(taken);
    if (record_.size() < wanted) break;
    if (header_) {
      if (auto ended = end_record(); !ended) return ended;
    } else if (begins_footer(record_)) {
      in_footer_ = true;
      record_.clear();
    } else {
      auto header = parse_record_header(record_);
      if (!header) return parse_error(std::move(header.error().message), packed_bytes_);
      if (table_.count() == kXorbChunksMax) {
        return parse_error("the xorb has more than 8192 chunks", packed_bytes_);
      }
      if (unpacked_bytes_ + header->unpacked_bytes > kXorbUnpackedBytesMax) {
        return parse_error("the xorb unpacks to more than 64 MiB", packed_bytes_);
      }
      header_ = *header;
    }
  }
  return {};
}

Parsed<void> XorbValidator::end_record() {
  plain_.resize(header_->unpacked_bytes);
  ByteView payload(record_.data() + kRecordHeaderBytes, header_->payload_bytes);
  if (auto decoded = decoder_.decode(header_->scheme, payload, plain_); !decoded) {
    return parse_error("chunk " + std::to_string(table_.count()) + ": " + decoded.error().message,
                       packed_bytes_);
  }
  packed_bytes_ += record_.size();
  unpacked_bytes_ += plain_.size();
  table_.chunks.push_back({.hash = chunk_hash(plain_),
                           .packed_end_bytes = static_cast<uint32_t>(packed_bytes_),
                           .unpacked_end_bytes = static_cast<uint32_t>(unpacked_bytes_),
                           .scheme = header_->scheme});
  if (sink_) sink_(record_);
  record_.clear();
  header_.reset();
  return {};
}

MerkleHash XorbValidator::root() const {
  return xorb_hash(table_.leaves());
}

Parsed<ChunkTable> XorbValidator::finish() {
  if (!record_.empty()) return parse_error("the xorb is cut short", packed_bytes_);
  if (table_.chunks.empty()) return parse_error("the xorb has no chunk");
  return std::move(table_);
}

Parsed<ChunkTable> XorbValidator::finish(const MerkleHash& expected) {
  if (record_.empty() && !table_.chunks.empty()) {
    if (MerkleHash found = root(); found != expected) {
      return parse_error("the xorb's chunks hash to " + found.text() + ", not to its name " +
                         expected.text());
    }
  }
  return finish();
}

bool XorbBuilder::fits(size_t chunk_bytes) const {
  return table_.count() < kXorbChunksMax &&
         table_.unpacked_bytes() + chunk_bytes <= kXorbUnpackedBytesMax;
}

uint32_t XorbBuilder::add(ByteView chunk, const MerkleHash& hash) {
  HEARTH_ASSERT(fits(chunk.size()), "the caller asks fits() first");
  uint64_t unpacked_end = table_.unpacked_bytes() + chunk.size();
  Encoder::Packed packed = encoder_.encode(chunk);
  std::array<uint8_t, kRecordHeaderBytes> header;
  write_record_header({.scheme = packed.scheme,
                       .payload_bytes = static_cast<uint32_t>(packed.payload.size()),
                       .unpacked_bytes = static_cast<uint32_t>(chunk.size())},
                      header);
  bytes_.insert(bytes_.end(), header.begin(), header.end());
  bytes_.insert(bytes_.end(), packed.payload.begin(), packed.payload.end());
  table_.chunks.push_back({.hash = hash,
                           .packed_end_bytes = static_cast<uint32_t>(bytes_.size()),
                           .unpacked_end_bytes = static_cast<uint32_t>(unpacked_end),
                           .scheme = packed.scheme});
  return table_.count() - 1;
}

void XorbBuilder::clear() {
  encoder_ = {};
  table_.chunks.clear();
  bytes_.clear();
}

}  // namespace hearth::xet
