// A large file that is put together from chunks while it is read.
//
// Seeking is a binary search over the terms' ends and one over the chunks' ends of a xorb, so a
// read anywhere costs at most two chunks of which a part is thrown away. Every chunk is hashed
// again when it is unpacked: damage on the disk becomes an error, never content.
#include <algorithm>
#include <mutex>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "xet/xet.h"

namespace hearth::xet {
namespace {

// More parts than this are not worth their bookkeeping: the rest is unpacked while it is sent.
constexpr size_t kFilePartsMax = 512;
// Runs of unpacked chunks shorter than this are cheaper to copy than to send by themselves.
constexpr uint64_t kFilePartBytesMin = 32 * 1024;

class XetSource : public blob::Source {
 public:
  XetSource(const XetStore& store, Recipe recipe) : store_(store), recipe_(std::move(recipe)) {
    uint64_t end_bytes = 0;
    term_ends_.reserve(recipe_.terms.size());
    for (const Term& term : recipe_.terms) term_ends_.push_back(end_bytes += term.unpacked_bytes);
    HEARTH_ASSERT(end_bytes == recipe_.size_bytes, "a file is as long as its terms");
  }

  uint64_t size_bytes() const override { return recipe_.size_bytes; }

  size_t read(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes >= recipe_.size_bytes) return 0;
    out = out.first(std::min<uint64_t>(out.size(), recipe_.size_bytes - offset_bytes));
    Worker worker = take_worker();
    size_t done = 0;
    while (done < out.size()) {
      Place place = find(offset_bytes + done);
      done += read_chunk(worker, place, out.subspan(done));
    }
    give_back(std::move(worker));
    return done;
  }

  std::vector<blob::Part> parts(uint64_t offset_bytes, uint64_t length_bytes) const override;
  blob::PinnedFile materialize() const override;

 private:
  struct OpenXorb {
    MerkleHash hash;
    std::shared_ptr<const ChunkTable> table;
    std::shared_ptr<const blob::CheckedFile> file;
  };
  /// Where a byte of the file stands.
  struct Place {
    OpenXorb xorb;
    uint32_t chunk = 0;
    uint32_t skip_bytes = 0;  // Before it in the chunk.
  };
  /// Buffers and the chunk that was unpacked last; a reader takes one and gives it back.
  struct Worker {
    Decoder decoder;
    Bytes record;
    Bytes plain;
    MerkleHash xorb;  // Of the chunk in `plain`.
    int64_t chunk = -1;
  };

  Place find(uint64_t offset_bytes) const;
  OpenXorb open(const MerkleHash& xorb) const;
  size_t read_chunk(Worker& worker, const Place& place, std::span<uint8_t> out) const;
  void unpack(Worker& worker, const Place& place, std::span<uint8_t> plain) const;
  Worker take_worker() const;
  void give_back(Worker worker) const;

  const XetStore& store_;
  const Recipe recipe_;
  std::vector<uint64_t> term_ends_;
  mutable std::mutex mutex_;  // Guards the two below.
  mutable std::vector<Worker> idle_;
  mutable OpenXorb last_xorb_;
};

XetSource::Worker XetSource::take_worker() const {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return {};
  Worker worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void XetSource::give_back(Worker worker) const {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

XetSource::OpenXorb XetSource::open(const MerkleHash& xorb) const {
  {
    std::lock_guard lock(mutex_);
    if (last_xorb_.file && last_xorb_.hash == xorb) return last_xorb_;
  }
  OpenXorb opened{.hash = xorb, .table = store_.table_of(xorb), .file = nullptr};
  try {
    opened.file = store_.open_xorb(xorb);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    throw Error(ErrorKind::kCorrupt, "Part of this file is missing on the server.",
                {.detail = "no file of xorb " + xorb.text()});
  }
  std::lock_guard lock(mutex_);
  last_xorb_ = opened;
  return opened;
}

XetSource::Place XetSource::find(uint64_t offset_bytes) const {
  auto end = std::upper_bound(term_ends_.begin(), term_ends_.end(), offset_bytes);
  const Term& term = recipe_.terms[static_cast<size_t>(end - term_ends_.begin())];
  Place place{.xorb = open(term.xorb)};
  const ChunkTable& table = *place.xorb.table;
  // From here on, offsets are those of the xorb's unpacked row.
  uint64_t in_term = offset_bytes - (*end - term.unpacked_bytes);
  uint64_t in_xorb = table.unpacked_begin(term.chunk_begin) + in_term;
  auto chunk = std::upper_bound(
      table.chunks.begin() + term.chunk_begin, table.chunks.begin() + term.chunk_end, in_xorb,
      [](uint64_t at, const XorbChunk& entry) { return at < entry.unpacked_end_bytes; });
  place.chunk = static_cast<uint32_t>(chunk - table.chunks.begin());
  place.skip_bytes = static_cast<uint32_t>(in_xorb - table.unpacked_begin(place.chunk));
  return place;
}

size_t XetSource::read_chunk(Worker& worker, const Place& place, std::span<uint8_t> out) const {
  uint32_t length = place.xorb.table->unpacked_length(place.chunk);
  if (place.skip_bytes == 0 && out.size() >= length) {
    unpack(worker, place, out.first(length));  // Straight to where it belongs.
    return length;
  }
  if (worker.chunk != place.chunk || worker.xorb != place.xorb.hash) {
    worker.chunk = -1;
    worker.plain.resize(length);
    unpack(worker, place, worker.plain);
    worker.chunk = place.chunk;
    worker.xorb = place.xorb.hash;
  }
  size_t count = std::min<size_t>(out.size(), length - place.skip_bytes);
  std::copy_n(worker.plain.begin() + place.skip_bytes, count, out.begin());
  return count;
}

void XetSource::unpack(Worker& worker, const Place& place, std::span<uint8_t> plain) const {
  const ChunkTable& table = *place.xorb.table;
  const XorbChunk& chunk = table.chunks[place.chunk];
  uint32_t begin = table.packed_begin(place.chunk);
  worker.record.resize(chunk.packed_end_bytes - begin);
  auto damaged = [&](const std::string& why) {
    return Error(
        ErrorKind::kCorrupt, "Part of this file is damaged on the server.",
        {.detail = fmt::format("xorb {} chunk {}: {}", place.xorb.hash.text(), place.chunk, why)});
  };
  if (read_at(*place.xorb.file->fd(), begin, worker.record) != worker.record.size()) {
    throw damaged("the file ends early");
  }
  auto header = parse_record_header(worker.record);
  if (!header) throw damaged(header.error().message);
  if (header->unpacked_bytes != plain.size() ||
      header->payload_bytes + kRecordHeaderBytes != worker.record.size()) {
    throw damaged("its lengths are not those of the table");
  }
  ByteView payload = ByteView(worker.record).subspan(kRecordHeaderBytes);
  if (auto decoded = worker.decoder.decode(header->scheme, payload, plain); !decoded) {
    throw damaged(decoded.error().message);
  }
  if (chunk_hash(plain) != chunk.hash) throw damaged("it hashes to something else");
}

std::vector<blob::Part> XetSource::parts(uint64_t offset_bytes, uint64_t length_bytes) const {
  std::vector<blob::Part> parts;
  if (offset_bytes >= recipe_.size_bytes) return parts;
  uint64_t end_bytes = offset_bytes + std::min(length_bytes, recipe_.size_bytes - offset_bytes);
  auto add_decoded = [&](uint64_t at, uint64_t count) {
    if (!parts.empty() && !parts.back().fd) {
      parts.back().length_bytes += count;
    } else {
      parts.push_back({.offset_bytes = at, .length_bytes = count});
    }
  };
  uint64_t at = offset_bytes;
  while (at < end_bytes) {
    if (parts.size() >= kFilePartsMax) {
      add_decoded(at, end_bytes - at);
      break;
    }
    Place place = find(at);
    const ChunkTable& table = *place.xorb.table;
    uint64_t count =
        std::min<uint64_t>(end_bytes - at, table.unpacked_length(place.chunk) - place.skip_bytes);
    if (table.chunks[place.chunk].scheme == Scheme::kNone && count >= kFilePartBytesMin) {
      parts.push_back({.offset_bytes = at,
                       .length_bytes = count,
                       .fd = place.xorb.file->fd(),
                       .file_offset_bytes =
                           table.packed_begin(place.chunk) + kRecordHeaderBytes + place.skip_bytes,
                       .checked = place.xorb.file});
    } else {
      add_decoded(at, count);
    }
    at += count;
  }
  return parts;
}

blob::PinnedFile XetSource::materialize() const {
  fs::path target =
      store_.data_dir() / "cache" / "files" / recipe_.sha256.substr(0, 2) / recipe_.sha256;
  if (!fs::exists(target)) {
    // Derived data: complete when it has its name; if it is lost in a crash it is made again.
    DurableFile file(target);
    Bytes block(1 << 20);
    for (uint64_t at = 0; at < recipe_.size_bytes;) {
      size_t got = read(at, block);
      file.write({block.data(), got});
      at += got;
    }
    file.commit(0444);
  }
  return {.path = target, .fd = std::make_shared<Fd>(open_read(target))};
}

}  // namespace

std::unique_ptr<blob::Source> XetStore::open_recipe(Recipe recipe) const {
  return std::make_unique<XetSource>(*this, std::move(recipe));
}

}  // namespace hearth::xet
