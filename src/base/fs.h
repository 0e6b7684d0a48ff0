#pragma once
// Files that survive a crash: every durable step of the program goes through here.
//
// A durable file is written beside its target, flushed to the disk, renamed into place, and the
// folder is flushed too; whoever reads the target sees the whole file or none. Each of these
// steps passes a failpoint, so that a test can kill the process, or make the disk fail, at the
// n-th of them (HEARTH_FAILPOINTS, see failpoint()).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace hearth {

namespace fs = std::filesystem;

/// Owns a file descriptor. Always opened with O_CLOEXEC.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

/// Opens for reading. Throws Error{kNotFound} when there is no such file.
Fd open_read(const fs::path& path);
uint64_t file_size_bytes(const Fd& fd);
/// Up to out.size() bytes from `offset_bytes`; fewer only at the end of the file.
size_t read_at(const Fd& fd, uint64_t offset_bytes, std::span<uint8_t> out);
/// All of it. Throws Error{kTooLarge} above `bytes_max`.
std::string read_file(const fs::path& path, uint64_t bytes_max = 64u << 20);
void write_all(const Fd& fd, ByteView bytes);

/// Makes the folder and its parents, flushing each new entry.
void make_dirs(const fs::path& path);
void fsync_dir(const fs::path& path);
void fsync_file(const Fd& fd);
/// rename(2), then flushes the target's folder (and the source's, when it is another one).
void rename_durably(const fs::path& from, const fs::path& to);
/// Removes a file if it is there, then flushes the folder.
void remove_durably(const fs::path& path);
/// Removes a tree; not durable. What is gone stays gone only after the next flush.
void remove_tree(const fs::path& path) noexcept;
/// Removes a tree, then flushes the folder it stood in. A tree that was not there is no error.
void remove_tree_durably(const fs::path& path);

/// A file being written beside its target. Without commit() nothing of it stays.
class DurableFile {
 public:
  /// The temporary file stands in `temporary_dir` (same file system), or in the target's folder.
  explicit DurableFile(fs::path target, fs::path temporary_dir = {});
  DurableFile(DurableFile&&) noexcept = default;
  DurableFile& operator=(DurableFile&&) noexcept = default;
  ~DurableFile();

  void write(ByteView bytes);
  void write(std::string_view text) { write(as_bytes(text)); }
  uint64_t written_bytes() const { return written_bytes_; }
  const fs::path& temporary_path() const { return temporary_; }
  const Fd& fd() const { return fd_; }
  /// Where the file goes can be decided late (a name by hash).
  void set_target(fs::path target) { target_ = std::move(target); }
  /// Flushes, sets the mode, renames, flushes the folder. Afterwards the file is there for good.
  void commit(unsigned mode = 0644);

 private:
  fs::path target_;
  fs::path temporary_;
  Fd fd_;
  uint64_t written_bytes_ = 0;
};

void write_durably(const fs::path& target, std::string_view content, unsigned mode = 0644);

/// A step at which a test can make the program die or the disk fail.
///
/// HEARTH_FAILPOINTS is a list separated by ';': "crash@7" kills the process (SIGKILL) at the
/// seventh durable step; "fsync_file=eio", "write=enospc@3" make the named step fail (from its
/// third passing on). A rule that is none ends the program. Unset, a call costs one load of a flag.
/// Throws Error as the failing system call would.
void failpoint(std::string_view name);
/// How many durable steps this process has passed; tests use it to know n.
uint64_t failpoint_count();

}  // namespace hearth
