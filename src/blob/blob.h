#pragma once
// Immutable large files, whole, by their SHA-256; and the one way to read a large file, however it
// is stored.
//
// A file's name is its hash, so a stored file never changes: it is written elsewhere, hashed on the
// way, flushed, and only then renamed to its name. What has a name is complete.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fs.h"
#include "base/hash.h"
#include "blob/block_sums.h"

namespace hearth::blob {

/// A run of a source's bytes.
struct Part {
  uint64_t offset_bytes = 0;  // In the source.
  uint64_t length_bytes = 0;
  /// The file that holds these bytes as they are, to be sent by sendfile; null when they must be
  /// made by Source::read.
  std::shared_ptr<Fd> fd = {};
  uint64_t file_offset_bytes = 0;
  /// Over `fd`: what is sent is to be checked before. Null: the file was made a moment ago, of
  /// bytes that were checked then.
  std::shared_ptr<const CheckedFile> checked = {};
};

/// A whole file on the disk that stays readable while this object lives, whatever is cleaned up.
struct PinnedFile {
  fs::path path;
  std::shared_ptr<Fd> fd;
};

/// A large file. Safe from several threads; keeps the files it reads from open.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  virtual uint64_t size_bytes() const = 0;

  /// Fills `out` from `offset_bytes`; less only at the end of the file. Returns the count.
  /// Throws Error{kCorrupt} when the stored bytes turn out to be damaged.
  virtual size_t read(uint64_t offset_bytes, std::span<uint8_t> out) const = 0;

  /// How the bytes [offset, offset + length) can be sent: parts in order, without gaps, cut off at
  /// the end of the file.
  virtual std::vector<Part> parts(uint64_t offset_bytes, uint64_t length_bytes) const = 0;

  /// The whole content as one file, for programs that need a path. May take as long as copying it.
  virtual PinnedFile materialize() const = 0;
};

/// All bytes, for small files and tests. Throws Error{kTooLarge} above `bytes_max`.
std::string read_all(const Source& source, uint64_t bytes_max = 64u << 20);

/// What a walk over stored files found; one sentence a problem.
struct VerifyReport {
  uint64_t checked_count = 0;
  uint64_t checked_bytes = 0;
  std::vector<std::string> problems = {};
};

/// What a file must turn out to be.
struct Expected {
  std::string sha256;  // 64 hex digits.
  uint64_t size_bytes = 0;
};

/// Whole files under DATA/blobs/<ab>/<cd>/<sha256>, mode 0444. Safe from any thread, and from
/// several processes on one folder.
class BlobStore {
 public:
  /// Makes DATA/blobs and DATA/uploads. `trust`: how long a block that was compared with its sum
  /// is sent without being compared again.
  explicit BlobStore(fs::path data_dir, std::chrono::milliseconds trust = kTrust);
  static constexpr std::chrono::milliseconds kTrust{600'000};

  /// Lower-case digits, or Error{kInvalid} when it is no SHA-256.
  static std::string checked_sha256(std::string_view sha256);

  /// The size of a stored file, or nothing.
  std::optional<uint64_t> size_of(std::string_view sha256) const;
  /// Throws Error: kNotFound, kCorrupt. Its bytes are compared with their sums when they are read.
  std::unique_ptr<Source> open(std::string_view sha256) const;

  /// A file on its way in. Without commit() nothing of it stays.
  class Upload {
   public:
    Upload(Upload&&) noexcept;
    Upload& operator=(Upload&&) noexcept;
    ~Upload();
    /// Throws Error{kInvalid} as soon as there are more bytes than `expected.size_bytes`.
    void write(ByteView bytes);
    uint64_t written_bytes() const;
    /// Checks size and hash, then stores durably; a file that is there already stays as it is.
    /// Throws Error{kInvalid} when either differs: nothing is stored then.
    void commit();

   private:
    friend class BlobStore;
    struct State;
    explicit Upload(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  Upload begin(Expected expected) const;
  /// Stores a text at once; returns its SHA-256.
  std::string put(std::string_view content) const;

  /// A part of a file that arrives in several requests, in any order and again and again.
  class PartUpload {
   public:
    PartUpload(PartUpload&&) noexcept;
    PartUpload& operator=(PartUpload&&) noexcept;
    ~PartUpload();
    void write(ByteView bytes);
    /// Stores the part; it replaces an earlier one of that number. Returns an ETag's content.
    /// Throws Error{kInvalid} when it has another length than was said.
    std::string commit();

   private:
    friend class BlobStore;
    struct State;
    explicit PartUpload(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  struct PartId {
    std::string upload_id;  // [A-Za-z0-9]{8,64}, made by us.
    uint32_t number = 1;    // 1 to 99,999.
    uint64_t size_bytes = 0;
  };
  PartUpload begin_part(const PartId& part) const;
  /// Puts parts 1 to `part_count` together, checks and stores the whole, and removes the parts.
  /// Throws Error{kInvalid} when a part is missing or the whole is not what was expected.
  void complete_parts(const std::string& upload_id, uint32_t part_count, Expected expected) const;

  /// Removes a stored file; the caller has made sure that nobody refers to it.
  void remove(std::string_view sha256) const;
  /// Every stored file, by name.
  void for_each(
      const std::function<void(const std::string& sha256, uint64_t size_bytes)>& on_blob) const;
  /// Reads and hashes every stored file.
  VerifyReport verify() const;
  /// The names behind `after`, sorted, at most `count`.
  std::vector<std::string> names_after(std::string_view after, size_t count) const;
  /// What is wrong with a stored file, which is read whole; nothing when it is good, or gone by
  /// now. `on_bytes` is told each block's size when it has been read, and may throw.
  std::optional<std::string> damage_of(const std::string& sha256,
                                       const std::function<void(uint64_t)>& on_bytes = {}) const;
  /// Removes what interrupted uploads left behind and nobody has touched for `age_ms`.
  /// Returns how many files and folders went.
  uint64_t remove_stale_uploads(int64_t now_ms, int64_t age_ms) const;

  const fs::path& uploads_dir() const { return uploads_dir_; }
  /// Of these files, and of others that are named by their hash.
  const BlockSums& sums() const { return sums_; }
  fs::path path_of(std::string_view sha256) const;

 private:
  fs::path blobs_dir_;
  fs::path uploads_dir_;
  BlockSums sums_;
};

/// A source over one file of known content.
std::unique_ptr<Source> open_file_source(const fs::path& path,
                                         std::shared_ptr<const CheckedFile> file);

}  // namespace hearth::blob
