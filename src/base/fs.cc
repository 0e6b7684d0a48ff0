#include "base/fs.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace hearth {
namespace {

struct Failpoint {
  std::string name;  // Empty: any step.
  int error_number;  // 0: kill the process.
  uint64_t from_passing;
  uint64_t passings = 0;
};

struct Failpoints {
  bool active = false;
  std::mutex mutex;
  std::vector<Failpoint> rules;

  Failpoints() {
    const char* text = std::getenv("HEARTH_FAILPOINTS");
    if (text == nullptr || *text == '\0') return;
    active = true;
    std::string_view left = text;
    while (!left.empty()) {
      size_t end = left.find(';');
      add(left.substr(0, end));
      left = end == std::string_view::npos ? std::string_view{} : left.substr(end + 1);
    }
  }

  void add(const std::string_view whole) {
    std::string_view rule = whole;
    uint64_t from = 1;
    if (size_t at = rule.find('@'); at != std::string_view::npos) {
      from = std::strtoull(std::string(rule.substr(at + 1)).c_str(), nullptr, 10);
      rule = rule.substr(0, at);
    }
    std::string_view name, effect = rule;
    if (size_t equals = rule.find('='); equals != std::string_view::npos) {
      name = rule.substr(0, equals);
      effect = rule.substr(equals + 1);
    }
    int error_number = effect == "eio" ? EIO : effect == "enospc" ? ENOSPC : 0;
    // A mistyped rule that did something else would prove nothing.
    if ((error_number == 0 && effect != "crash") || from == 0) {
      log_error(
          "HEARTH_FAILPOINTS: a rule is crash, NAME=crash, NAME=eio or NAME=enospc, with @N "
          "behind it for the N-th passing; not \"{}\"",
          whole);
      ::_exit(64);  // EX_USAGE of sysexits.h
    }
    rules.push_back({std::string(name), error_number, from});
  }
};

Failpoints& failpoints() {
  static Failpoints instance;
  return instance;
}

std::atomic<uint64_t> passed_steps{0};

/// After a failed fsync nobody knows what is on the disk (the kernel may have dropped the pages
/// and forgotten): the process stops, and starts again from what is really there. A full disk is
/// the exception, since the write it belongs to was never acknowledged.
[[noreturn]] void fsync_failed(const std::string& what, int error_number) {
  if (error_number == ENOSPC || error_number == EDQUOT)
    throw_errno("fsync of " + what, error_number);
  log_error("flushing {} to the disk failed ({}); stopping, because durable data may be lost", what,
            std::strerror(error_number));
  ::_exit(74);  // EX_IOERR of sysexits.h
}

}  // namespace

namespace {

/// The error that a step is to meet; 0: none. Does not return from a step that is to crash.
int injected_error(std::string_view name) {
  passed_steps.fetch_add(1, std::memory_order_relaxed);
  Failpoints& all = failpoints();
  if (!all.active) return 0;
  int error_number = -1;
  {
    std::lock_guard lock(all.mutex);
    for (Failpoint& rule : all.rules) {
      if (!rule.name.empty() && rule.name != name) continue;
      if (++rule.passings < rule.from_passing) continue;
      error_number = rule.error_number;
      break;
    }
  }
  if (error_number == 0) ::kill(::getpid(), SIGKILL);
  return std::max(error_number, 0);
}

}  // namespace

void failpoint(std::string_view name) {
  if (int error_number = injected_error(name)) throw_errno(name, error_number);
}

uint64_t failpoint_count() {
  return passed_steps.load(std::memory_order_relaxed);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Fd::release() {
  int fd = fd_;
  fd_ = -1;
  return fd;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Fd open_read(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) {
      throw Error(ErrorKind::kNotFound, "No such file.", {.detail = path.string()});
    }
    throw_errno("open " + path.string(), errno);
  }
  return fd;
}

uint64_t file_size_bytes(const Fd& fd) {
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) throw_errno("fstat", errno);
  return static_cast<uint64_t>(info.st_size);
}

size_t read_at(const Fd& fd, uint64_t offset_bytes, std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t n = ::pread(fd.get(), out.data() + done, out.size() - done,
                        static_cast<off_t>(offset_bytes + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("pread", errno);
    }
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

std::string read_file(const fs::path& path, uint64_t bytes_max) {
  Fd fd = open_read(path);
  uint64_t size = file_size_bytes(fd);
  if (size > bytes_max) {
    throw Error(ErrorKind::kTooLarge, "The file is too large.", {.detail = path.string()});
  }
  std::string content(size, '\0');
  size_t n = read_at(fd, 0, {reinterpret_cast<uint8_t*>(content.data()), content.size()});
  content.resize(n);
  return content;
}

void write_all(const Fd& fd, ByteView bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("write", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void fsync_file(const Fd& fd) {
  if (int error_number = injected_error("fsync_file")) fsync_failed("a file", error_number);
  while (::fsync(fd.get()) != 0) {
    if (errno != EINTR) fsync_failed("a file", errno);
  }
}

void fsync_dir(const fs::path& path) {
  const fs::path& target = path.empty() ? fs::path(".") : path;
  if (int error_number = injected_error("fsync_dir")) {
    fsync_failed("the folder " + target.string(), error_number);
  }
  Fd fd(::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw_errno("open folder " + target.string(), errno);
  while (::fsync(fd.get()) != 0) {
    if (errno != EINTR) fsync_failed("the folder " + target.string(), errno);
  }
}

void make_dirs(const fs::path& path) {
  if (path.empty()) return;
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return;
  make_dirs(path.parent_path());
  failpoint("mkdir");
  if (::mkdir(path.c_str(), 0755) != 0) {
    if (errno == EEXIST) return;
    throw_errno("mkdir " + path.string(), errno);
  }
  fsync_dir(path.parent_path());
}

void rename_durably(const fs::path& from, const fs::path& to) {
  failpoint("rename");
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw_errno("rename " + from.string() + " to " + to.string(), errno);
  }
  fsync_dir(to.parent_path());
  if (from.parent_path() != to.parent_path()) fsync_dir(from.parent_path());
}

void remove_durably(const fs::path& path) {
  failpoint("unlink");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("unlink " + path.string(), errno);
  fsync_dir(path.parent_path());
}

void remove_tree(const fs::path& path) noexcept {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void remove_tree_durably(const fs::path& path) {
  remove_tree(path);
  if (fs::exists(path.parent_path())) fsync_dir(path.parent_path());
}

DurableFile::DurableFile(fs::path target, fs::path temporary_dir) : target_(std::move(target)) {
  fs::path dir = temporary_dir.empty() ? target_.parent_path() : std::move(temporary_dir);
  make_dirs(dir);
  temporary_ = dir / (".tmp-" + random_alphanumeric(20));
  failpoint("create");
  fd_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd_) throw_errno("create " + temporary_.string(), errno);
}

DurableFile::~DurableFile() {
  if (fd_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

void DurableFile::write(ByteView bytes) {
  failpoint("write");
  write_all(fd_, bytes);
  written_bytes_ += bytes.size();
}

void DurableFile::commit(unsigned mode) {
  HEARTH_ASSERT(fd_ && !target_.empty(), "a durable file is committed once, to a target");
  if (::fchmod(fd_.get(), mode) != 0) throw_errno("fchmod", errno);
  fsync_file(fd_);
  make_dirs(target_.parent_path());
  rename_durably(temporary_, target_);
  temporary_.clear();
  fd_.reset();
}

void write_durably(const fs::path& target, std::string_view content, unsigned mode) {
  DurableFile file(target);
  file.write(content);
  file.commit(mode);
}

}  // namespace hearth
