// System calls that fail, for a process that this library is preloaded into (LD_PRELOAD) and for
// its children. Only calls on files below one folder count.
//
//   FAULTY_CALLS="FOLDER;CALL=EFFECT[@N[+]];…"
//
// CALL is one of open read write fsync fsync_folder rename unlink mkdir link truncate, or any.
// EFFECT is eio, enospc, eintr, short (half of the bytes, of read and write) or nothing (claims to
// have done it).
// @N: at the N-th such call of a process, counted from 1, only; @N+: from that on; without it at
// each. FAULTY_CALLS_LOG names a file that gets a line for each call that was made to fail.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

enum Effect { kNone, kEio, kEnospc, kEintr, kShort, kNothing };

struct Rule {
  std::string call;
  Effect effect = kNone;
  unsigned long from = 0;  // 0: each.
  bool stays = false;
  std::atomic<unsigned long> passed{0};
};

constexpr int kDescriptorsMax = 65536;
std::atomic<bool> watched[kDescriptorsMax];

struct Rules {
  std::string folder;
  std::vector<Rule*> all;  // Never freed: calls are made until the very end of a process.

  Rules() {
    const char* text = getenv("FAULTY_CALLS");
    if (text == nullptr) return;
    std::string_view left = text;
    auto next = [&left] {
      size_t end = left.find(';');
      std::string_view part = left.substr(0, end);
      left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
      return part;
    };
    folder = next();
    while (!left.empty()) add(std::string(next()));
  }

  void add(const std::string& text) {
    char call[32] = {}, effect[32] = {}, plus = 0;
    unsigned long from = 0;
    int found = sscanf(text.c_str(), "%31[^=]=%31[^@]@%lu%c", call, effect, &from, &plus);
    auto* rule = new Rule;
    rule->call = call;
    rule->from = from;
    rule->stays = plus == '+';
    std::string_view name = effect;
    for (auto [known, meaning] : {std::pair{"eio", kEio},
                                  {"enospc", kEnospc},
                                  {"eintr", kEintr},
                                  {"short", kShort},
                                  {"nothing", kNothing}}) {
      if (name == known) rule->effect = meaning;
    }
    if (found < 2 || rule->effect == kNone) {
      fprintf(stderr, "FAULTY_CALLS: not a rule: %s\n", text.c_str());
      _exit(64);  // A mistyped rule that did nothing would prove nothing.
    }
    all.push_back(rule);
  }
};

Rules& rules() {
  static auto* instance = new Rules;
  return *instance;
}

bool is_below(const char* path) {
  const std::string& folder = rules().folder;
  return !folder.empty() && path != nullptr && strncmp(path, folder.c_str(), folder.size()) == 0;
}

bool is_watched(int fd) {
  return fd >= 0 && fd < kDescriptorsMax && watched[fd];
}

/// A path relative to an open folder counts when that folder does.
bool is_below(int folder_fd, const char* path) {
  return path != nullptr && path[0] == '/' ? is_below(path) : is_watched(folder_fd);
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
#define REAL(name) static auto* real_##name = real<decltype(name)>(#name)

void note(const char* call, const char* what) {
  const char* path = getenv("FAULTY_CALLS_LOG");
  if (path == nullptr) return;
  REAL(open);
  REAL(write);
  REAL(close);
  int fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  char line[512];
  int size = snprintf(line, sizeof line, "%d %s %s\n", getpid(), call, what);
  if (real_write(fd, line, std::min<size_t>(static_cast<size_t>(size), sizeof line - 1)) < 0)
    abort();
  real_close(fd);
}

/// What this call is to meet; it counts. errno is set for the effects that are errors.
Effect effect_of(std::string_view call, const char* what) {
  for (Rule* rule : rules().all) {
    if (rule->call != call && rule->call != "any") continue;
    unsigned long now = ++rule->passed;
    if (rule->from != 0 && (rule->stays ? now < rule->from : now != rule->from)) continue;
    note(call.data(), what);
    errno = rule->effect == kEio ? EIO : rule->effect == kEnospc ? ENOSPC : EINTR;
    return rule->effect;
  }
  return kNone;
}

std::string name_of(int fd) {
  char link[32], path[256];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path);
  return std::string(path, size > 0 ? static_cast<size_t>(size) : 0);
}

/// For the calls that only succeed or fail.
template <typename Call>
int done_or(std::string_view call, bool counts, const char* what, Call do_it) {
  Effect effect = counts ? effect_of(call, what) : kNone;
  if (effect == kNone || effect == kShort) return do_it();
  return effect == kNothing ? 0 : -1;
}

template <typename Call>
int opened(bool counts, const char* path, Call do_it) {
  int fd = done_or("open", counts, path, do_it);
  if (fd >= 0 && fd < kDescriptorsMax) watched[fd] = counts;
  return fd;
}

/// For the calls that move bytes: `do_it` is told how many.
template <typename Call>
ssize_t moved(std::string_view call, int fd, size_t size_bytes, Call do_it) {
  if (!is_watched(fd)) return do_it(size_bytes);
  Effect effect = effect_of(call, name_of(fd).c_str());
  if (effect == kNone) return do_it(size_bytes);
  if (effect == kShort) return do_it((size_bytes + 1) / 2);
  return effect == kNothing ? static_cast<ssize_t>(size_bytes) : -1;
}

int flushed(int fd, int (*real_call)(int)) {
  struct stat info;
  bool counts = is_watched(fd) && fstat(fd, &info) == 0;
  bool is_folder = counts && S_ISDIR(info.st_mode);
  return done_or(is_folder ? "fsync_folder" : "fsync", counts, counts ? name_of(fd).c_str() : "",
                 [&] { return real_call(fd); });
}

mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    REAL(name);                                                                          \
    va_list arguments;                                                                   \
    va_start(arguments, flags);                                                          \
    mode_t mode = mode_of(flags, arguments);                                             \
    va_end(arguments);                                                                   \
    return opened(is_below(path), path, [&] { return real_##name(path, flags, mode); }); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
  int name(int folder, const char* path, int flags, ...) {                 \
    REAL(name);                                                            \
    va_list arguments;                                                     \
    va_start(arguments, flags);                                            \
    mode_t mode = mode_of(flags, arguments);                               \
    va_end(arguments);                                                     \
    return opened(is_below(folder, path), path,                            \
                  [&] { return real_##name(folder, path, flags, mode); }); \
  }
OPENAT(openat)
OPENAT(openat64)

int __open64_2(const char* path, int flags) {
  return open64(path, flags);
}

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd < kDescriptorsMax) watched[fd] = false;
  return real_close(fd);
}

ssize_t read(int fd, void* bytes, size_t size) {
  REAL(read);
  return moved("read", fd, size, [&](size_t part) { return real_read(fd, bytes, part); });
}

#define PREAD(name, offset_type)                                                     \
  ssize_t name(int fd, void* bytes, size_t size, offset_type offset) {               \
    REAL(name);                                                                      \
    return moved("read", fd, size,                                                   \
                 [&](size_t part) { return real_##name(fd, bytes, part, offset); }); \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t sendfile(int out, int in, off_t* offset, size_t size) {
  REAL(sendfile);
  return moved("read", in, size, [&](size_t part) { return real_sendfile(out, in, offset, part); });
}

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(write);
  return moved("write", fd, size, [&](size_t part) { return real_write(fd, bytes, part); });
}

#define PWRITE(name, offset_type)                                                    \
  ssize_t name(int fd, const void* bytes, size_t size, offset_type offset) {         \
    REAL(name);                                                                      \
    return moved("write", fd, size,                                                  \
                 [&](size_t part) { return real_##name(fd, bytes, part, offset); }); \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

int fsync(int fd) {
  REAL(fsync);
  return flushed(fd, real_fsync);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return flushed(fd, real_fdatasync);
}

int ftruncate(int fd, off_t size) noexcept {
  REAL(ftruncate);
  return done_or("truncate", is_watched(fd), "", [&] { return real_ftruncate(fd, size); });
}

int ftruncate64(int fd, off64_t size) noexcept {
  REAL(ftruncate64);
  return done_or("truncate", is_watched(fd), "", [&] { return real_ftruncate64(fd, size); });
}

int rename(const char* from, const char* to) noexcept {
  REAL(rename);
  return done_or("rename", is_below(to), to, [&] { return real_rename(from, to); });
}

int link(const char* from, const char* to) noexcept {
  REAL(link);
  return done_or("link", is_below(to), to, [&] { return real_link(from, to); });
}

int unlink(const char* path) noexcept {
  REAL(unlink);
  return done_or("unlink", is_below(path), path, [&] { return real_unlink(path); });
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  REAL(unlinkat);
  return done_or("unlink", is_below(folder, path), path,
                 [&] { return real_unlinkat(folder, path, flags); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  REAL(mkdir);
  return done_or("mkdir", is_below(path), path, [&] { return real_mkdir(path, mode); });
}

}  // extern "C"
