#include "blob/block_sums.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/log.h"

namespace hearth::blob {
namespace {

constexpr uint64_t kMemoryBytesMax = 16u << 20;  // Of sums: those of about 250 GiB of files.
constexpr uint64_t kEntryBytes = 512;            // What an entry takes besides its sums.
constexpr size_t kReadBytes = 64 * 1024;         // Stays in the second cache between read and sum.

/// "hearthS1", the file's size, the sums, and the sum of all that; little-endian as the machine.
constexpr uint64_t kMagic = 0x3153'6874'7261'6568;

uint64_t sum_of(ByteView bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct StreamDeleter {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using Stream = std::unique_ptr<XXH3_state_t, StreamDeleter>;

Stream make_stream() {
  Stream stream(XXH3_createState());
  if (!stream) throw std::bad_alloc();
  XXH3_64bits_reset(stream.get());
  return stream;
}

/// Which file it is: one that took another's place is not it.
struct Identity {
  ino_t inode = 0;
  int64_t changed_ns = 0;
  uint64_t size_bytes = 0;
  bool operator==(const Identity&) const = default;
};

Identity identity_of(const Fd& fd) {
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) throw_errno("look at a stored file", errno);
  return {status.st_ino, int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
          static_cast<uint64_t>(status.st_size)};
}

}  // namespace

struct SumsBuilder::State {
  Stream stream = make_stream();
  uint64_t in_block_bytes = 0;
  std::vector<uint64_t> sums;

  void end_block() {
    sums.push_back(XXH3_64bits_digest(stream.get()));
    XXH3_64bits_reset(stream.get());
    in_block_bytes = 0;
  }
};

SumsBuilder::SumsBuilder() : state_(std::make_unique<State>()) {}
SumsBuilder::SumsBuilder(SumsBuilder&&) noexcept = default;
SumsBuilder& SumsBuilder::operator=(SumsBuilder&&) noexcept = default;
SumsBuilder::~SumsBuilder() = default;

void SumsBuilder::update(ByteView bytes) {
  while (!bytes.empty()) {
    const size_t count = std::min<uint64_t>(bytes.size(), kSumBlockBytes - state_->in_block_bytes);
    XXH3_64bits_update(state_->stream.get(), bytes.data(), count);
    state_->in_block_bytes += count;
    if (state_->in_block_bytes == kSumBlockBytes) state_->end_block();
    bytes = bytes.subspan(count);
  }
}

std::vector<uint64_t> SumsBuilder::finish() {
  if (state_->in_block_bytes > 0) state_->end_block();
  return std::move(state_->sums);
}

struct CheckedFile::Sums {
  Sums(std::string file_name, Identity file, std::vector<uint64_t> made, int64_t trust)
      : name(std::move(file_name)),
        identity(file),
        sums(std::move(made)),
        compared_ms(sums.size()),
        trust_ms(trust) {}

  uint64_t memory_bytes() const { return kEntryBytes + 2 * sums.size() * sizeof(uint64_t); }

  const std::string name;
  const Identity identity;
  const std::vector<uint64_t> sums;
  std::vector<std::atomic<int64_t>> compared_ms;  // 0: never.
  const int64_t trust_ms;

  bool is_fresh(uint64_t block, int64_t now) const {
    const int64_t then = compared_ms[block].load(std::memory_order_relaxed);
    return then != 0 && now - then < trust_ms;
  }
};

CheckedFile::CheckedFile(std::shared_ptr<Fd> fd, std::shared_ptr<Sums> sums)
    : fd_(std::move(fd)), sums_(std::move(sums)) {}

uint64_t CheckedFile::size_bytes() const {
  return sums_->identity.size_bytes;
}

bool CheckedFile::is_fresh(uint64_t offset_bytes, uint64_t length_bytes) const noexcept {
  if (length_bytes == 0) return true;
  const uint64_t end = std::min<uint64_t>(
      sums_->sums.size(), (offset_bytes + length_bytes + kSumBlockBytes - 1) / kSumBlockBytes);
  const int64_t now = now_ms();
  for (uint64_t block = offset_bytes / kSumBlockBytes; block < end; ++block) {
    if (!sums_->is_fresh(block, now)) return false;
  }
  return true;
}

void CheckedFile::check(uint64_t offset_bytes, uint64_t length_bytes) const {
  if (length_bytes == 0) return;
  const uint64_t end = std::min<uint64_t>(
      sums_->sums.size(), (offset_bytes + length_bytes + kSumBlockBytes - 1) / kSumBlockBytes);
  thread_local Stream stream = make_stream();
  thread_local Bytes piece(kReadBytes);
  for (uint64_t block = offset_bytes / kSumBlockBytes; block < end; ++block) {
    const int64_t now = now_ms();
    if (sums_->is_fresh(block, now)) continue;
    XXH3_64bits_reset(stream.get());
    const uint64_t block_end = std::min((block + 1) * kSumBlockBytes, sums_->identity.size_bytes);
    for (uint64_t at = block * kSumBlockBytes; at < block_end;) {
      const size_t wanted = std::min<uint64_t>(piece.size(), block_end - at);
      const size_t got = read_at(*fd_, at, {piece.data(), wanted});
      if (got == 0) break;  // Cut off: the sum will say so.
      XXH3_64bits_update(stream.get(), piece.data(), got);
      at += got;
    }
    if (XXH3_64bits_digest(stream.get()) != sums_->sums[block]) {
      log_error(
          "stored file {} is damaged between bytes {} and {}; it is not served. 'hearth verify' "
          "tells what else is, a backup or uploading the file again mends it",
          sums_->name, block * kSumBlockBytes, block_end);
      throw Error(ErrorKind::kCorrupt,
                  "This file is damaged on the server's disk and is not served. Tell the hub's "
                  "administrator.",
                  {.detail = "block " + std::to_string(block) + " of " + sums_->name});
    }
    sums_->compared_ms[block].store(now, std::memory_order_relaxed);
  }
}

BlockSums::BlockSums(fs::path folder, std::chrono::milliseconds trust)
    : folder_(std::move(folder)), trust_(trust) {}

fs::path BlockSums::path_of(const std::string& name) const {
  return folder_ / name.substr(0, 2) / name;
}

std::shared_ptr<const CheckedFile> BlockSums::open(const std::string& name, const fs::path& path,
                                                   const Prove& prove) const {
  auto fd = std::make_shared<Fd>(open_read(path));
  const Identity identity = identity_of(*fd);
  {
    std::lock_guard lock(mutex_);
    if (auto found = places_.find(name); found != places_.end()) {
      if (found->second->second->identity == identity) {
        known_.splice(known_.begin(), known_, found->second);
        return std::shared_ptr<const CheckedFile>(new CheckedFile(fd, known_.front().second));
      }
      known_bytes_ -= found->second->second->memory_bytes();
      known_.erase(found->second);
      places_.erase(found);
    }
  }
  auto made = load(name, identity.size_bytes);
  if (!made) {
    SumsBuilder builder;
    prove(*fd, [&](ByteView block) { builder.update(block); });
    made = builder.finish();
    store(name, identity.size_bytes, *made);
  }
  auto sums = std::make_shared<CheckedFile::Sums>(name, identity, std::move(*made), trust_.count());
  std::lock_guard lock(mutex_);
  if (!places_.contains(name)) {
    known_.emplace_front(name, sums);
    places_[name] = known_.begin();
    known_bytes_ += sums->memory_bytes();
    while (known_bytes_ > kMemoryBytesMax && known_.size() > 1) {
      known_bytes_ -= known_.back().second->memory_bytes();
      places_.erase(known_.back().first);
      known_.pop_back();
    }
  }
  return std::shared_ptr<const CheckedFile>(new CheckedFile(fd, sums));
}

std::optional<std::vector<uint64_t>> BlockSums::load(const std::string& name,
                                                     uint64_t size_bytes) const {
  const size_t count = (size_bytes + kSumBlockBytes - 1) / kSumBlockBytes;
  std::string text;
  try {
    text = read_file(path_of(name), (count + 3) * sizeof(uint64_t));
  } catch (const Error&) {
    return std::nullopt;  // None yet, or none of this file.
  }
  std::vector<uint64_t> words(text.size() / sizeof(uint64_t));
  std::memcpy(words.data(), text.data(), words.size() * sizeof(uint64_t));
  if (text.size() != (count + 3) * sizeof(uint64_t) || words[0] != kMagic ||
      words[1] != size_bytes ||
      words.back() != sum_of(as_bytes(text).first(text.size() - sizeof(uint64_t)))) {
    return std::nullopt;
  }
  return std::vector<uint64_t>(words.begin() + 2, words.end() - 1);
}

void BlockSums::store(const std::string& name, uint64_t size_bytes,
                      const std::vector<uint64_t>& sums) const noexcept {
  try {
    std::vector<uint64_t> words = {kMagic, size_bytes};
    words.insert(words.end(), sums.begin(), sums.end());
    std::string text(words.size() * sizeof(uint64_t), '\0');
    std::memcpy(text.data(), words.data(), text.size());
    const uint64_t own = sum_of(as_bytes(text));
    text.append(reinterpret_cast<const char*>(&own), sizeof own);
    // Not flushed: a torn one is recognised and made again.
    fs::path target = path_of(name);
    fs::create_directories(target.parent_path());
    fs::path temporary = target;
    temporary += "." + random_alphanumeric(8);
    Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd) throw_errno("make a file of sums", errno);
    try {
      write_all(fd, as_bytes(text));
      fs::rename(temporary, target);
    } catch (...) {
      ::unlink(temporary.c_str());
      throw;
    }
  } catch (const std::exception& error) {
    log_warning("the sums of {} are not kept and will be made again: {}", name, error.what());
  }
}

void BlockSums::forget(const std::string& name) const noexcept {
  std::error_code ignored;
  fs::remove(path_of(name), ignored);
  std::lock_guard lock(mutex_);
  if (auto found = places_.find(name); found != places_.end()) {
    known_bytes_ -= found->second->second->memory_bytes();
    known_.erase(found->second);
    places_.erase(found);
  }
}

}  // namespace hearth::blob
