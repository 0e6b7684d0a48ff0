#pragma once
// Child processes, each with an owner that waits for it.

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fs.h"

namespace hearth {

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH.
  /// The whole environment of the child; nothing is inherited but PATH.
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string working_dir = {};
  bool pipe_stdin = false;
  bool pipe_stdout = false;
  bool pipe_stderr = false;
};

/// A running child. The destructor kills it when it still runs, and always reaps it: the process
/// id cannot be reused while the object lives, so signalling it is safe.
class Child {
 public:
  /// Throws Error{kInternal} when the program cannot be started.
  explicit Child(const ChildOptions& options);
  Child(Child&&) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  Fd& stdin_pipe() { return stdin_; }
  Fd& stdout_pipe() { return stdout_; }
  Fd& stderr_pipe() { return stderr_; }
  /// Blocks; the exit status, or 128 + the signal that ended it.
  int wait();
  /// Ends it and everything that it has started.
  void kill();

 private:
  int pid_ = -1;
  std::optional<int> status_;
  Fd stdin_, stdout_, stderr_;
};

struct ChildResult {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs to the end, feeding `input` and collecting both outputs (each up to `output_bytes_max`;
/// more is read and dropped). Throws Error{kUnavailable} after `timeout`, having killed it.
ChildResult run_child(ChildOptions options, std::string_view input = {},
                      std::chrono::milliseconds timeout = std::chrono::minutes(5),
                      size_t output_bytes_max = 64u << 20);

}  // namespace hearth
