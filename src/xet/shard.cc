#include "xet/shard.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "xet/chunker.h"
#include "xet/little_endian.h"

namespace hearth::xet {
namespace {

constexpr size_t kEntryBytes = 48;
constexpr size_t kFooterBytes = 200;
constexpr uint64_t kHeaderVersion = 2;
constexpr uint64_t kFooterVersion = 1;
constexpr uint32_t kFlagRangeHashes = 1u << 31;
constexpr uint32_t kFlagSha256 = 1u << 30;
constexpr std::array<uint8_t, 32> kTag = {
    'H',  'F',  'R',  'e',  'p',  'o',  'M',  'e',  't',  'a',  'D',  'a',  't',  'a',  0,    0x55,
    0x69, 0x67, 0x45, 0x6a, 0x7b, 0x81, 0x57, 0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 0x4a, 0xa9};

/// Walks the entries; every read is checked against what is left.
class EntryReader {
 public:
  explicit EntryReader(ByteView bytes) : bytes_(bytes) {}

  size_t offset() const { return offset_; }
  size_t entries_left() const { return (bytes_.size() - offset_) / kEntryBytes; }
  /// Null when less than an entry is left.
  const uint8_t* next() {
    if (entries_left() == 0) return nullptr;
    const uint8_t* entry = bytes_.data() + offset_;
    offset_ += kEntryBytes;
    return entry;
  }
  tl::unexpected<ParseError> error(std::string message) const {
    return parse_error(std::move(message), offset_);
  }

 private:
  ByteView bytes_;
  size_t offset_ = 0;
};

MerkleHash hash_at(const uint8_t* entry) {
  MerkleHash hash;
  std::memcpy(hash.bytes.data(), entry, 32);
  return hash;
}

bool is_bookend(const uint8_t* entry) {
  return std::all_of(entry, entry + 32, [](uint8_t byte) { return byte == 0xFF; });
}

Parsed<Term> parse_term(const uint8_t* entry) {
  Term term{.xorb = hash_at(entry),
            .unpacked_bytes = get_u32(entry + 36),
            .chunk_begin = get_u32(entry + 40),
            .chunk_end = get_u32(entry + 44)};
  if (term.chunk_begin >= term.chunk_end || term.chunk_end > kXorbChunksMax) {
    return parse_error("a term's chunk range is empty or beyond 8192");
  }
  if (term.unpacked_bytes == 0 || term.unpacked_bytes > kXorbUnpackedBytesMax) {
    return parse_error("a term's length is not between 1 byte and 64 MiB");
  }
  return term;
}

Parsed<ShardFile> parse_file(const uint8_t* entry, EntryReader& reader) {
  ShardFile file{.hash = hash_at(entry)};
  uint32_t flags = get_u32(entry + 32);
  uint64_t term_count = get_u32(entry + 36);
  bool has_range_hashes = (flags & kFlagRangeHashes) != 0;
  bool has_sha256 = (flags & kFlagSha256) != 0;
  uint64_t entry_count = term_count * (has_range_hashes ? 2 : 1) + (has_sha256 ? 1 : 0);
  if (entry_count > reader.entries_left()) return reader.error("a file has more terms than bytes");
  file.terms.reserve(term_count);
  for (uint64_t i = 0; i < term_count; ++i) {
    auto term = parse_term(reader.next());
    if (!term) return reader.error(std::move(term.error().message));
    file.terms.push_back(*term);
  }
  if (has_range_hashes) {
    file.range_hashes.reserve(term_count);
    for (uint64_t i = 0; i < term_count; ++i) file.range_hashes.push_back(hash_at(reader.next()));
  }
  // A hash parsed from the digest's hex text, so the text form gives the digits back.
  if (has_sha256) file.sha256 = hash_at(reader.next()).text();
  return file;
}

Parsed<ShardXorb> parse_xorb(const uint8_t* entry, EntryReader& reader) {
  ShardXorb xorb{.hash = hash_at(entry), .unpacked_bytes = get_u32(entry + 40)};
  uint64_t chunk_count = get_u32(entry + 36);
  if (chunk_count > kXorbChunksMax) return reader.error("a xorb has more than 8192 chunks");
  if (chunk_count > reader.entries_left()) return reader.error("a xorb has more chunks than bytes");
  xorb.chunks.reserve(chunk_count);
  uint64_t offset_bytes = 0;
  for (uint64_t i = 0; i < chunk_count; ++i) {
    const uint8_t* chunk = reader.next();
    ShardChunk parsed{.hash = hash_at(chunk),
                      .unpacked_begin_bytes = get_u32(chunk + 32),
                      .unpacked_bytes = get_u32(chunk + 36)};
    if (parsed.unpacked_bytes == 0 || parsed.unpacked_bytes > kChunkBytesMax) {
      return reader.error("a chunk's length is not between 1 and 131072 bytes");
    }
    if (parsed.unpacked_begin_bytes != offset_bytes) {
      return reader.error("a xorb's chunk offsets have gaps");
    }
    offset_bytes += parsed.unpacked_bytes;
    xorb.chunks.push_back(parsed);
  }
  if (offset_bytes != xorb.unpacked_bytes || offset_bytes > kXorbUnpackedBytesMax) {
    return reader.error("a xorb's length is not the sum of its chunks, or beyond 64 MiB");
  }
  return xorb;
}

class EntryWriter {
 public:
  uint8_t* add() {
    bytes_.resize(bytes_.size() + kEntryBytes);
    return bytes_.data() + bytes_.size() - kEntryBytes;
  }
  uint8_t* add(const MerkleHash& hash) {
    uint8_t* entry = add();
    std::memcpy(entry, hash.bytes.data(), 32);
    return entry;
  }
  void add_header(uint64_t footer_bytes) {
    uint8_t* entry = add();
    std::memcpy(entry, kTag.data(), kTag.size());
    put_u64(entry + 32, kHeaderVersion);
    put_u64(entry + 40, footer_bytes);
  }
  void add_bookend() { std::memset(add(), 0xFF, 32); }
  Bytes take() { return std::move(bytes_); }
  size_t size() const { return bytes_.size(); }

 private:
  Bytes bytes_;
};

}  // namespace

Parsed<Shard> parse_shard(ByteView bytes) {
  if (bytes.size() > kShardBytesMax) return parse_error("the shard is larger than 64 MiB");
  EntryReader reader(bytes);
  const uint8_t* header = reader.next();
  if (header == nullptr || std::memcmp(header, kTag.data(), kTag.size()) != 0) {
    return parse_error("this is not a shard");
  }
  if (get_u64(header + 32) != kHeaderVersion) return parse_error("the shard's version is unknown");

  Shard shard;
  while (true) {
    const uint8_t* entry = reader.next();
    if (entry == nullptr) return reader.error("the shard's list of files is cut short");
    if (is_bookend(entry)) break;
    auto file = parse_file(entry, reader);
    if (!file) return tl::unexpected(std::move(file.error()));
    shard.files.push_back(std::move(*file));
    const ShardFile& last = shard.files.back();
    const ShardFile& first = shard.files.front();
    // A file without terms proves nothing either way: empty files carry no range hash.
    if (!last.terms.empty() && !first.terms.empty() &&
        last.range_hashes.empty() != first.range_hashes.empty()) {
      return reader.error("some files of the shard have range hashes and some have none");
    }
  }
  while (true) {
    const uint8_t* entry = reader.next();
    if (entry == nullptr) return reader.error("the shard's list of xorbs is cut short");
    if (is_bookend(entry)) break;
    auto xorb = parse_xorb(entry, reader);
    if (!xorb) return tl::unexpected(std::move(xorb.error()));
    shard.xorbs.push_back(std::move(*xorb));
  }
  shard.used_bytes = reader.offset();
  return shard;
}

Bytes write_shard(const Shard& shard) {
  EntryWriter out;
  out.add_header(0);
  for (const ShardFile& file : shard.files) {
    uint8_t* entry = out.add(file.hash);
    put_u32(entry + 32,
            (file.range_hashes.empty() ? 0 : kFlagRangeHashes) | (file.sha256 ? kFlagSha256 : 0));
    put_u32(entry + 36, static_cast<uint32_t>(file.terms.size()));
    for (const Term& term : file.terms) {
      uint8_t* at = out.add(term.xorb);
      put_u32(at + 36, term.unpacked_bytes);
      put_u32(at + 40, term.chunk_begin);
      put_u32(at + 44, term.chunk_end);
    }
    for (const MerkleHash& hash : file.range_hashes) out.add(hash);
    if (file.sha256) out.add(MerkleHash::from_text(*file.sha256).value());
  }
  out.add_bookend();
  for (const ShardXorb& xorb : shard.xorbs) {
    uint8_t* entry = out.add(xorb.hash);
    put_u32(entry + 36, static_cast<uint32_t>(xorb.chunks.size()));
    put_u32(entry + 40, xorb.unpacked_bytes);
    for (const ShardChunk& chunk : xorb.chunks) {
      uint8_t* at = out.add(chunk.hash);
      put_u32(at + 32, chunk.unpacked_begin_bytes);
      put_u32(at + 36, chunk.unpacked_bytes);
    }
  }
  out.add_bookend();
  return out.take();
}

Bytes write_dedup_answer(const DedupAnswer& answer) {
  EntryWriter out;
  out.add_header(kFooterBytes);
  out.add_bookend();
  size_t xorb_section = out.size();
  for (const auto& [hash, table] : answer.xorbs) {
    uint8_t* entry = out.add(hash);
    put_u32(entry + 36, table->count());
    put_u32(entry + 40, static_cast<uint32_t>(table->unpacked_bytes()));
    put_u32(entry + 44, static_cast<uint32_t>(table->packed_bytes()));
    for (uint32_t i = 0; i < table->count(); ++i) {
      uint8_t* at = out.add(protected_hash(answer.key, table->chunks[i].hash));
      put_u32(at + 32, table->unpacked_begin(i));
      put_u32(at + 36, table->unpacked_length(i));
    }
  }
  out.add_bookend();

  Bytes bytes = out.take();
  size_t footer_offset = bytes.size();
  bytes.resize(footer_offset + kFooterBytes);
  uint8_t* footer = bytes.data() + footer_offset;
  put_u64(footer, kFooterVersion);
  put_u64(footer + 8, kEntryBytes);  // The file section follows the header.
  put_u64(footer + 16, xorb_section);
  // No lookup tables; but clients read the first one's offset as the end of the xorb section.
  for (size_t at : {24, 40, 56, 192}) put_u64(footer + at, footer_offset);
  std::memcpy(footer + 72, answer.key.data(), answer.key.size());
  put_u64(footer + 104, static_cast<uint64_t>(answer.created_s));
  put_u64(footer + 112, static_cast<uint64_t>(answer.expires_s));
  return bytes;
}

}  // namespace hearth::xet
