#pragma once
// Sums of stored files, block by block, so that a part of a large file can be compared with what
// it was before it leaves by sendfile, without reading the whole.
//
// A sum finds damage, not deceit: the file's name is its hash, and sums are only ever made while
// the whole content is compared with that hash. They are derived data (DATA/cache/sums): lost or
// damaged ones are made again at the next read.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/fs.h"

namespace hearth::blob {

/// Bytes a sum. XXH3 of so much takes about 20 us, which is what a small range pays at most twice.
constexpr uint64_t kSumBlockBytes = uint64_t{256} * 1024;

/// Makes the sums of a file whose bytes come in order. Not safe from several threads.
class SumsBuilder {
 public:
  SumsBuilder();
  SumsBuilder(SumsBuilder&&) noexcept;
  SumsBuilder& operator=(SumsBuilder&&) noexcept;
  ~SumsBuilder();
  void update(ByteView bytes);
  /// Ends it; the object may not be used afterwards.
  std::vector<uint64_t> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// An open stored file whose bytes are compared with their sums before they are used. Safe from any
/// thread.
class CheckedFile {
 public:
  /// Reads the blocks that hold [offset, offset + length) and compares them, but for those that
  /// were compared a short while ago. Throws Error{kCorrupt}, and says so in the log.
  void check(uint64_t offset_bytes, uint64_t length_bytes) const;
  /// Whether check() would have nothing to read.
  bool is_fresh(uint64_t offset_bytes, uint64_t length_bytes) const noexcept;
  const std::shared_ptr<Fd>& fd() const { return fd_; }
  uint64_t size_bytes() const;

 private:
  friend class BlockSums;
  struct Sums;
  CheckedFile(std::shared_ptr<Fd> fd, std::shared_ptr<Sums> sums);
  std::shared_ptr<Fd> fd_;
  std::shared_ptr<Sums> sums_;
};

/// The sums of all stored files of a folder. Safe from any thread and from several processes.
class BlockSums {
 public:
  /// A block that was compared less than `trust` ago is not compared again: it most probably still
  /// comes from the page cache. Zero: compare at every read.
  BlockSums(fs::path folder, std::chrono::milliseconds trust);

  /// Reads the whole file, gives every block in order, and throws Error{kCorrupt} unless the
  /// content is what the file's name says.
  using Prove = std::function<void(const Fd& fd, const std::function<void(ByteView)>& on_block)>;
  /// `name`: the content's hash, in hex. Without sums the whole file is proved first: about 1 s a
  /// GiB, once. Throws Error: kNotFound, kCorrupt.
  std::shared_ptr<const CheckedFile> open(const std::string& name, const fs::path& path,
                                          const Prove& prove) const;
  /// Remembers what was made on the way in. Not durable, and never fails: they can be made again.
  void store(const std::string& name, uint64_t size_bytes,
             const std::vector<uint64_t>& sums) const noexcept;
  /// The file is gone or was replaced.
  void forget(const std::string& name) const noexcept;

 private:
  std::optional<std::vector<uint64_t>> load(const std::string& name, uint64_t size_bytes) const;
  fs::path path_of(const std::string& name) const;

  using Known = std::list<std::pair<std::string, std::shared_ptr<CheckedFile::Sums>>>;
  fs::path folder_;
  std::chrono::milliseconds trust_;
  mutable std::mutex mutex_;  // Guards what follows: sums in memory, the latest used first.
  mutable Known known_;
  mutable std::unordered_map<std::string, Known::iterator> places_;
  mutable uint64_t known_bytes_ = 0;
};

}  // namespace hearth::blob
