// Objects that no ref reaches any more. Plain git decides and removes; here is who waits for whom.

#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>

#include "git/git_command.h"
#include "git/quarantine.h"
#include "git/repository_state.h"

namespace hearth::git {
namespace {

constexpr auto kWriterWait = std::chrono::seconds(10);
constexpr auto kGitTime = std::chrono::hours(1);

}  // namespace

uint64_t internal::folder_bytes(const fs::path& dir) {
  uint64_t sum = 0;
  std::error_code error;  // Files come and go while git works.
  for (const auto& entry : fs::recursive_directory_iterator(dir, error)) {
    if (!entry.is_regular_file(error)) continue;
    uint64_t size_bytes = entry.file_size(error);
    if (!error) sum += size_bytes;
  }
  return sum;
}

uint64_t GitRepo::objects_bytes() const {
  uint64_t sum = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(state_->dir / "objects", error)) {
    // Quarantines are nobody's yet.
    if (entry.path().filename().string().starts_with("tmp_")) continue;
    if (entry.is_directory(error)) sum += internal::folder_bytes(entry.path());
  }
  return sum;
}

Fd internal::lock_file(const fs::path& path, int operation, std::chrono::milliseconds wait) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("open " + path.string(), errno);
  auto until = std::chrono::steady_clock::now() + wait;
  while (::flock(fd.get(), operation | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= until) return Fd();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fd;
}

std::optional<ObjectsKept> ObjectsKept::take(const fs::path& repo_dir,
                                             std::chrono::milliseconds wait) {
  ObjectsKept kept;
  if (!fs::exists(repo_dir)) return kept;
  kept.fd_ = internal::lock_file(repo_dir / "hearth-objects.lock", LOCK_SH, wait);
  if (!kept.fd_) return std::nullopt;
  return kept;
}

std::optional<uint64_t> GitRepo::collect_garbage(int64_t age_s) {
  Fd packing = internal::lock_file(state_->dir / "hearth-packing.lock", LOCK_EX, {});
  if (!packing) return std::nullopt;
  Fd objects = internal::lock_file(state_->dir / "hearth-objects.lock", LOCK_EX, kWriterWait);
  if (!objects) return std::nullopt;
  uint64_t before_bytes = internal::folder_bytes(state_->dir / "objects");
  remove_stale_quarantines(state_->dir);
  std::string limit = std::to_string(age_s) + ".seconds.ago";
  auto run = [&](std::vector<std::string> arguments) {
    ChildResult result = internal::run_git(
        {.arguments = std::move(arguments), .repo_dir = state_->dir}, {}, kGitTime);
    if (result.status == 0) return;
    throw Error(ErrorKind::kInternal, "The repository's garbage could not be collected.",
                {.detail = internal::error_line(result.err)});
  };
  // First a pack of all that is reachable, on the disk: git flushes no folders, and after a power
  // cut the new pack could be gone with the old ones that the second command removes.
  run({"repack", "-a", "-l", "-q"});
  fsync_dir(state_->dir / "objects/pack");
  run({"repack", "-A", "-d", "-l", "-q", "--unpack-unreachable=" + limit});
  run({"prune", "--expire=" + limit});
  uint64_t after_bytes = internal::folder_bytes(state_->dir / "objects");
  return before_bytes > after_bytes ? before_bytes - after_bytes : 0;
}

}  // namespace hearth::git
