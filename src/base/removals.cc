#include "base/removals.h"

#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>

namespace hearth {
namespace {

constexpr auto kRetry = std::chrono::milliseconds(20);

Fd open_lock(const fs::path& data_dir, const char* name) {
  make_dirs(data_dir / "run");
  fs::path path = data_dir / "run" / name;
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("open " + path.string(), errno);
  return fd;
}

/// False: others hold it in a way that does not go together with this.
bool try_lock(const Fd& fd, int mode) {
  while (::flock(fd.get(), mode | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw_errno("flock", errno);
  }
  return true;
}

}  // namespace

std::optional<RemovalTurn> RemovalTurn::try_take(const fs::path& data_dir) {
  Fd fd = open_lock(data_dir, "removals.lock");
  if (!try_lock(fd, LOCK_SH)) return std::nullopt;
  return RemovalTurn(std::move(fd));
}

RemovalsHeldOff::RemovalsHeldOff(const fs::path& data_dir, std::chrono::milliseconds wait)
    : mine_(open_lock(data_dir, "backup.lock")), fd_(open_lock(data_dir, "removals.lock")) {
  if (!try_lock(mine_, LOCK_EX)) {
    throw Error(ErrorKind::kConflict,
                "Another backup of this data folder is running. Wait for its end.");
  }
  auto give_up = std::chrono::steady_clock::now() + wait;
  while (!try_lock(fd_, LOCK_EX)) {
    if (std::chrono::steady_clock::now() > give_up) {
      throw Error(ErrorKind::kUnavailable,
                  "Files are being removed from the data folder, and that does not end. Try again "
                  "later.");
    }
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace hearth
