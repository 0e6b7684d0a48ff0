#include "base/process.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hearth {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2", errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnActions() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

Child::Child(const ChildOptions& options) {
  SpawnActions spawn;
  std::optional<Pipe> in, out, err;
  auto redirect = [&](bool wanted, std::optional<Pipe>& pipe, int target) {
    if (wanted) {
      pipe = make_pipe();
      int child_end = target == 0 ? pipe->read.get() : pipe->write.get();
      posix_spawn_file_actions_adddup2(&spawn.actions, child_end, target);
    } else if (target != 2) {
      posix_spawn_file_actions_addopen(&spawn.actions, target, "/dev/null",
                                       target == 0 ? O_RDONLY : O_WRONLY, 0);
    }
  };
  redirect(options.pipe_stdin, in, 0);
  redirect(options.pipe_stdout, out, 1);
  redirect(options.pipe_stderr, err, 2);
  if (!options.working_dir.empty()) {
    posix_spawn_file_actions_addchdir_np(&spawn.actions, options.working_dir.c_str());
  }
  // The server ignores SIGPIPE and may block others; the child starts with the defaults.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&spawn.attributes, &none);
  posix_spawnattr_setsigdefault(&spawn.attributes, &all);
  // A group of its own, so that kill() reaches what the child has started itself.
  posix_spawnattr_setpgroup(&spawn.attributes, 0);
  posix_spawnattr_setflags(&spawn.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment;
  const char* path = std::getenv("PATH");
  environment.push_back(std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin"));
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);

  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> envp = pointers(environment);
  int error =
      ::posix_spawnp(&pid_, argv[0], &spawn.actions, &spawn.attributes, argv.data(), envp.data());
  if (error != 0) throw_errno("start " + options.argv[0], error);
  if (in) stdin_ = std::move(in->write);
  if (out) stdout_ = std::move(out->read);
  if (err) stderr_ = std::move(err->read);
}

Child::Child(Child&& other) noexcept
    : pid_(other.pid_),
      status_(other.status_),
      stdin_(std::move(other.stdin_)),
      stdout_(std::move(other.stdout_)),
      stderr_(std::move(other.stderr_)) {
  other.pid_ = -1;
}

Child::~Child() {
  if (pid_ < 0 || status_) return;
  kill();
  wait();
}

int Child::wait() {
  if (status_) return *status_;
  int raw = 0;
  while (::waitpid(pid_, &raw, 0) < 0) {
    if (errno != EINTR) throw_errno("waitpid", errno);
  }
  status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return *status_;
}

void Child::kill() {
  if (!status_) ::kill(-pid_, SIGKILL);
}

ChildResult run_child(ChildOptions options, std::string_view input,
                      std::chrono::milliseconds timeout, size_t output_bytes_max) {
  options.pipe_stdin = true;
  options.pipe_stdout = true;
  options.pipe_stderr = true;
  Child child(options);
  ChildResult result;
  auto deadline = std::chrono::steady_clock::now() + timeout;
  ::fcntl(child.stdin_pipe().get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) child.stdin_pipe().reset();
  char buffer[65536];
  while (child.stdin_pipe() || child.stdout_pipe() || child.stderr_pipe()) {
    pollfd waits[3] = {{child.stdin_pipe().get(), POLLOUT, 0},
                       {child.stdout_pipe().get(), POLLIN, 0},
                       {child.stderr_pipe().get(), POLLIN, 0}};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    int ready = left.count() > 0 ? ::poll(waits, 3, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      throw Error(ErrorKind::kUnavailable, "The server took too long. Try again later.",
                  {.detail = options.argv[0] + " ran past its time"});
    }
    if (waits[0].revents != 0) {
      ssize_t n = ::write(waits[0].fd, input.data(), input.size());
      if (n > 0) input.remove_prefix(static_cast<size_t>(n));
      if (input.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) child.stdin_pipe().reset();
    }
    auto collect = [&](pollfd& wait, Fd& pipe, std::string& out) {
      if (wait.revents == 0) return;
      ssize_t n = ::read(wait.fd, buffer, sizeof buffer);
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) pipe.reset();
      if (n > 0)
        out.append(buffer, std::min(static_cast<size_t>(n),
                                    output_bytes_max - std::min(output_bytes_max, out.size())));
    };
    collect(waits[1], child.stdout_pipe(), result.out);
    collect(waits[2], child.stderr_pipe(), result.err);
  }
  result.status = child.wait();
  return result;
}

}  // namespace hearth
