// Named blob_files, not blob_store: there is no SQL here, the folder is the index.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "blob/blob.h"
#include "blob/damage.h"
#include "blob/stored_names.h"

namespace hearth::blob {
namespace {

constexpr size_t kBlockBytes = 1 << 20;
constexpr unsigned kImmutableMode = 0444;
constexpr uint32_t kPartNumberMax = 99'999;  // Five digits, as in the clients' header names.

bool is_upload_id(std::string_view id) {
  return id.size() >= 8 && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

std::string part_name(uint32_t number) {
  return fmt::format("{:05}", number);
}

[[noreturn]] void throw_wrong_size(uint64_t expected, uint64_t got) {
  throw Error(ErrorKind::kInvalid,
              fmt::format("The upload has {} bytes, but {} were announced.", got, expected));
}

/// Calls `on_block` for each block of a file.
void read_blocks(const Fd& fd, const std::function<void(ByteView)>& on_block) {
  Bytes block(kBlockBytes);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    on_block({block.data(), got});
    offset_bytes += got;
  }
}

/// Throws Error{kCorrupt} unless the file's content has that SHA-256.
BlockSums::Prove proof_of(const std::string& sha256) {
  return [sha256](const Fd& fd, const std::function<void(ByteView)>& on_block) {
    Sha256 hash;
    read_blocks(fd, [&](ByteView block) {
      hash.update(block);
      on_block(block);
    });
    if (hash.finish_hex() == sha256) return;
    log_error("blob {} is damaged: its content hashes to something else", sha256);
    throw Error(ErrorKind::kCorrupt,
                "This file is damaged on the server's disk and is not served. Tell the hub's "
                "administrator.",
                {.detail = "blob " + sha256});
  };
}

int64_t mtime_ms(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return INT64_MAX;  // Gone already: not stale.
  return int64_t{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
}

}  // namespace

struct BlobStore::Upload::State {
  State(const BlobStore& owner, Expected what)
      : store(&owner),
        expected(std::move(what)),
        target(owner.path_of(expected.sha256)),
        file(target, owner.uploads_dir()) {}

  /// Whether a file of that name is there and good.
  bool is_stored() const {
    std::error_code error;
    if (fs::file_size(target, error) != expected.size_bytes || error) return false;
    try {
      store->sums_.open(expected.sha256, target, proof_of(expected.sha256))
          ->check(0, expected.size_bytes);
      return true;
    } catch (const Error& problem) {
      if (!is_damage(problem) && problem.kind() != ErrorKind::kNotFound) throw;
      // What came has just been compared.
      log_warning("blob {} is replaced by what was uploaded: {}", expected.sha256, problem.what());
      return false;
    }
  }

  const BlobStore* store;
  Expected expected;
  fs::path target;
  DurableFile file;
  Sha256 hash;
  SumsBuilder sums;
};

BlobStore::Upload::Upload(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobStore::Upload::Upload(Upload&&) noexcept = default;
BlobStore::Upload& BlobStore::Upload::operator=(Upload&&) noexcept = default;
BlobStore::Upload::~Upload() = default;

uint64_t BlobStore::Upload::written_bytes() const {
  return state_->file.written_bytes();
}

void BlobStore::Upload::write(ByteView bytes) {
  uint64_t total = state_->file.written_bytes() + bytes.size();
  if (total > state_->expected.size_bytes) throw_wrong_size(state_->expected.size_bytes, total);
  state_->file.write(bytes);
  state_->hash.update(bytes);
  state_->sums.update(bytes);
}

void BlobStore::Upload::commit() {
  const Expected& expected = state_->expected;
  if (state_->file.written_bytes() != expected.size_bytes) {
    throw_wrong_size(expected.size_bytes, state_->file.written_bytes());
  }
  std::string found = state_->hash.finish_hex();
  if (found != expected.sha256) {
    throw Error(
        ErrorKind::kInvalid,
        fmt::format("The upload's SHA-256 is {}, but {} was announced. Please upload again.", found,
                    expected.sha256));
  }
  // The same content is there: keep it. It was complete before and may be being read. But a damaged
  // one is replaced by what was just checked.
  if (state_->is_stored()) {
    fsync_dir(state_->target.parent_path());  // Whoever renamed it may not have come this far.
    // As young as one that was just stored: until a row names it, its age is what keeps it.
    ::utimensat(AT_FDCWD, state_->target.c_str(), nullptr, 0);
    state_.reset();
    return;
  }
  make_dirs(state_->target.parent_path());
  state_->file.commit(kImmutableMode);
  state_->store->sums_.store(expected.sha256, expected.size_bytes, state_->sums.finish());
  state_.reset();
}

struct BlobStore::PartUpload::State {
  State(fs::path target, uint64_t size) : file(std::move(target)), size_bytes(size) {}

  DurableFile file;
  uint64_t size_bytes;
  Sha256 hash;
};

BlobStore::PartUpload::PartUpload(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlobStore::PartUpload::PartUpload(PartUpload&&) noexcept = default;
BlobStore::PartUpload& BlobStore::PartUpload::operator=(PartUpload&&) noexcept = default;
BlobStore::PartUpload::~PartUpload() = default;

void BlobStore::PartUpload::write(ByteView bytes) {
  uint64_t total = state_->file.written_bytes() + bytes.size();
  if (total > state_->size_bytes) throw_wrong_size(state_->size_bytes, total);
  state_->file.write(bytes);
  state_->hash.update(bytes);
}

std::string BlobStore::PartUpload::commit() {
  if (state_->file.written_bytes() != state_->size_bytes) {
    throw_wrong_size(state_->size_bytes, state_->file.written_bytes());
  }
  state_->file.commit();
  return state_->hash.finish_hex().substr(0, 32);
}

BlobStore::BlobStore(fs::path data_dir, std::chrono::milliseconds trust)
    : blobs_dir_(data_dir / "blobs"),
      uploads_dir_(data_dir / "uploads"),
      sums_(data_dir / "cache" / "sums", trust) {
  make_dirs(blobs_dir_);
  make_dirs(uploads_dir_);
}

std::string BlobStore::checked_sha256(std::string_view sha256) {
  if (!is_sha256_hex(sha256)) {
    throw Error(ErrorKind::kInvalid, "An object id must be a SHA-256 of 64 hex digits.");
  }
  return to_lower(sha256);
}

fs::path BlobStore::path_of(std::string_view sha256) const {
  std::string name = checked_sha256(sha256);
  return blobs_dir_ / name.substr(0, 2) / name.substr(2, 2) / name;
}

std::optional<uint64_t> BlobStore::size_of(std::string_view sha256) const {
  std::error_code error;
  uint64_t size_bytes = fs::file_size(path_of(sha256), error);
  if (error) return std::nullopt;
  return size_bytes;
}

std::unique_ptr<Source> BlobStore::open(std::string_view sha256) const {
  const std::string name = checked_sha256(sha256);
  const fs::path path = path_of(name);
  return open_file_source(path, sums_.open(name, path, proof_of(name)));
}

BlobStore::Upload BlobStore::begin(Expected expected) const {
  expected.sha256 = checked_sha256(expected.sha256);
  return Upload(std::make_unique<Upload::State>(*this, std::move(expected)));
}

std::string BlobStore::put(std::string_view content) const {
  std::string sha256 = sha256_hex(content);
  Upload upload = begin({.sha256 = sha256, .size_bytes = content.size()});
  upload.write(as_bytes(content));
  upload.commit();
  return sha256;
}

BlobStore::PartUpload BlobStore::begin_part(const PartId& part) const {
  if (!is_upload_id(part.upload_id) || part.number == 0 || part.number > kPartNumberMax) {
    throw Error(ErrorKind::kInvalid, "There is no such part of an upload.");
  }
  fs::path folder = uploads_dir_ / part.upload_id;
  make_dirs(folder);
  return PartUpload(
      std::make_unique<PartUpload::State>(folder / part_name(part.number), part.size_bytes));
}

void BlobStore::complete_parts(const std::string& upload_id, uint32_t part_count,
                               Expected expected) const {
  if (!is_upload_id(upload_id) || part_count > kPartNumberMax) {
    throw Error(ErrorKind::kInvalid, "There is no such upload.");
  }
  fs::path folder = uploads_dir_ / upload_id;
  Upload whole = begin(std::move(expected));
  for (uint32_t number = 1; number <= part_count; ++number) {
    fs::path path = folder / part_name(number);
    std::error_code error;
    if (!fs::exists(path, error)) {
      throw Error(ErrorKind::kInvalid, fmt::format("Part {} of the upload is missing.", number));
    }
    read_blocks(open_read(path), [&](ByteView block) { whole.write(block); });
  }
  whole.commit();
  remove_tree(folder);
}

void BlobStore::remove(std::string_view sha256) const {
  remove_durably(path_of(sha256));
  sums_.forget(checked_sha256(sha256));
}

void BlobStore::for_each(
    const std::function<void(const std::string& sha256, uint64_t size_bytes)>& on_blob) const {
  for (const auto& entry : fs::recursive_directory_iterator(blobs_dir_)) {
    if (!entry.is_regular_file() || !is_sha256_hex(entry.path().filename().string())) continue;
    on_blob(entry.path().filename().string(), entry.file_size());
  }
}

VerifyReport BlobStore::verify() const {
  VerifyReport report;
  for_each([&](const std::string& sha256, uint64_t size_bytes) {
    report.checked_count += 1;
    report.checked_bytes += size_bytes;
    if (auto damage = damage_of(sha256)) report.problems.push_back("blob " + sha256 + *damage);
  });
  return report;
}

std::vector<std::string> BlobStore::names_after(std::string_view after, size_t count) const {
  return stored_names_after(blobs_dir_, after, count);
}

std::optional<std::string> BlobStore::damage_of(
    const std::string& sha256, const std::function<void(uint64_t)>& on_bytes) const {
  Sha256 hash;
  uint64_t size_bytes = 0;
  try {
    read_blocks(open_read(path_of(sha256)), [&](ByteView block) {
      hash.update(block);
      size_bytes += block.size();
      if (on_bytes) on_bytes(block.size());
    });
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;  // Removed meanwhile.
    if (error.kind() == ErrorKind::kUnavailable) throw;             // Told to stop.
    return fmt::format(" cannot be read: {}", error.what());
  }
  std::string found = hash.finish_hex();
  if (found == sha256) return std::nullopt;
  return fmt::format(" is damaged: its {} bytes hash to {}", size_bytes, found);
}

uint64_t BlobStore::remove_stale_uploads(int64_t now_ms, int64_t age_ms) const {
  uint64_t removed_count = 0;
  for (const auto& entry : fs::directory_iterator(uploads_dir_)) {
    // A folder's time moves with each part that arrives.
    if (mtime_ms(entry.path()) > now_ms - age_ms) continue;
    remove_tree(entry.path());
    ++removed_count;
  }
  return removed_count;
}

}  // namespace hearth::blob
