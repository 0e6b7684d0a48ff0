#include "git/object_writer.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/hash.h"

namespace hearth::git::internal {
namespace {

// Above this a better compression costs seconds for files that do not shrink.
constexpr size_t kFastAboveBytes = 256 * 1024;
constexpr uint64_t kPackBytesMax = uint64_t{1} << 30;  // offsets in our indexes have 31 bits

std::string_view name_of(ObjectType type) {
  switch (type) {
    case ObjectType::kCommit:
      return "commit";
    case ObjectType::kTree:
      return "tree";
    case ObjectType::kBlob:
      return "blob";
    case ObjectType::kTag:
      return "tag";
  }
  return {};
}

std::string header_of(ObjectType type, size_t size) {
  std::string header(name_of(type));
  header += ' ';
  header += std::to_string(size);
  header += '\0';
  return header;
}

/// zlib's stream of the two parts, one behind the other.
std::string deflate_parts(std::string_view head, ByteView content) {
  z_stream stream = {};
  int level = content.size() > kFastAboveBytes ? Z_BEST_SPEED : Z_DEFAULT_COMPRESSION;
  HEARTH_ASSERT(deflateInit(&stream, level) == Z_OK, "zlib starts");
  std::string out(deflateBound(&stream, head.size() + content.size()) + 64, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  auto feed = [&](const void* data, size_t size, int flush) {
    // zlib's interface predates const; it does not write there.
    stream.next_in = const_cast<Bytef*>(static_cast<const Bytef*>(data));
    stream.avail_in = static_cast<uInt>(size);
    return deflate(&stream, flush);
  };
  feed(head.data(), head.size(), Z_NO_FLUSH);
  int end = feed(content.data(), content.size(), Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  HEARTH_ASSERT(end == Z_STREAM_END, "the output has room for the whole stream");
  return out;
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

Fd create(const fs::path& path) {
  failpoint("create");
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) throw_errno("create " + path.string(), errno);
  return fd;
}

/// A pack being written, and what its index will say.
class Pack {
 public:
  explicit Pack(const fs::path& dir) : dir_(dir), temporary_(dir / "tmp_pack_hearth") {
    fd_ = create(temporary_);
    append("PACK" + big_endian(2) + big_endian(0));  // the count is filled in at the end
  }

  uint64_t size_bytes() const { return size_bytes_; }

  void add(const Oid& oid, ObjectType type, ByteView content) {
    // Type and length: 4 bits of the length in the first byte, 7 in each that follows.
    std::string entry;
    uint64_t rest = content.size();
    auto byte = static_cast<uint8_t>(static_cast<uint8_t>(type) << 4 | (rest & 0x0F));
    for (rest >>= 4; rest != 0; rest >>= 7) {
      entry += static_cast<char>(byte | 0x80);
      byte = rest & 0x7F;
    }
    entry += static_cast<char>(byte);
    entry += deflate_parts({}, content);
    auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(entry.data()), static_cast<uInt>(entry.size())));
    entries_.push_back({oid, crc, static_cast<uint32_t>(size_bytes_)});
    append(entry);
  }

  void finish() {
    std::string count = big_endian(static_cast<uint32_t>(entries_.size()));
    if (::pwrite(fd_.get(), count.data(), count.size(), 8) != 4) throw_errno("pwrite", errno);
    Sha1 hash;
    Bytes block(1 << 20);
    for (uint64_t at = 0; size_t n = read_at(fd_, at, block); at += n) {
      hash.update(ByteView(block).first(n));
    }
    auto checksum = hash.finish();
    write_all(fd_, checksum);

    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.oid < b.oid; });
    std::string index = "\377tOc" + big_endian(2);
    size_t at = 0;
    for (size_t first = 0; first < 256; ++first) {
      while (at < entries_.size() && entries_[at].oid.bytes[0] <= first) ++at;
      index += big_endian(static_cast<uint32_t>(at));
    }
    for (const Entry& entry : entries_) index += as_text(entry.oid.bytes);
    for (const Entry& entry : entries_) index += big_endian(entry.crc);
    for (const Entry& entry : entries_) index += big_endian(entry.offset_bytes);
    index += as_text(checksum);
    Sha1 index_hash;
    index_hash.update(index);
    index += as_text(index_hash.finish());

    std::string name = "pack-" + to_hex(checksum);
    write_all(create(dir_ / (name + ".idx")), as_bytes(index));
    if (::rename(temporary_.c_str(), (dir_ / (name + ".pack")).c_str()) != 0) {
      throw_errno("rename a pack", errno);
    }
    fd_.reset();
  }

 private:
  struct Entry {
    Oid oid;
    uint32_t crc;
    uint32_t offset_bytes;
  };

  void append(std::string_view bytes) {
    failpoint("write");
    write_all(fd_, as_bytes(bytes));
    size_bytes_ += bytes.size();
  }

  fs::path dir_;
  fs::path temporary_;
  Fd fd_;
  uint64_t size_bytes_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace

Oid hash_object(ObjectType type, ByteView content) {
  Sha1 hash;
  hash.update(header_of(type, content.size()));
  hash.update(content);
  return Oid{hash.finish()};
}

struct ObjectWriter::State {
  fs::path dir;
  std::unordered_set<Oid> written;
  std::unique_ptr<Pack> pack;

  void write_loose(const Oid& oid, ObjectType type, ByteView content) {
    std::string hex = oid.hex();
    fs::path folder = dir / hex.substr(0, 2);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) throw_errno("mkdir", errno);
    fs::path path = folder / hex.substr(2);
    if (::access(path.c_str(), F_OK) == 0) return;  // by an earlier writer of this quarantine
    Fd fd = create(path);
    failpoint("write");
    write_all(fd, as_bytes(deflate_parts(header_of(type, content.size()), content)));
  }
};

ObjectWriter::ObjectWriter(fs::path objects_dir) : state_(std::make_unique<State>()) {
  state_->dir = std::move(objects_dir);
}
ObjectWriter::ObjectWriter(ObjectWriter&&) noexcept = default;
ObjectWriter& ObjectWriter::operator=(ObjectWriter&&) noexcept = default;
ObjectWriter::~ObjectWriter() = default;

Oid ObjectWriter::write(ObjectType type, ByteView content) {
  Oid oid = hash_object(type, content);
  if (!state_->written.insert(oid).second) return oid;
  if (state_->written.size() <= kLooseMax) {
    state_->write_loose(oid, type, content);
    return oid;
  }
  if (state_->pack && state_->pack->size_bytes() > kPackBytesMax) finish();
  if (!state_->pack) state_->pack = std::make_unique<Pack>(state_->dir / "pack");
  state_->pack->add(oid, type, content);
  return oid;
}

void ObjectWriter::finish() {
  if (!state_->pack) return;
  state_->pack->finish();
  state_->pack.reset();
}

}  // namespace hearth::git::internal
