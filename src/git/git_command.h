#pragma once
// Running plain git with nothing of the machine's or the user's configuration. Private.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/process.h"

namespace hearth::git::internal {

struct GitCommand {
  std::vector<std::string> arguments;  // behind "git"
  fs::path repo_dir = {};
  fs::path quarantine_dir = {};   // empty: none. New objects go there.
  std::string protocol = {};      // GIT_PROTOCOL; empty: not set
  uint64_t memory_bytes_max = 0;  // address space of git and its children; 0: no limit
  int cpu_seconds_max = 0;        // 0: no limit
};

/// The child's command line and environment.
ChildOptions child_options(const GitCommand& command);

/// Runs to the end. Throws kUnavailable after `timeout`.
ChildResult run_git(const GitCommand& command, std::string_view input = {},
                    std::chrono::milliseconds timeout = std::chrono::minutes(5));

/// The line of standard error that says most, without "fatal: ", fit for a log or a person.
std::string error_line(std::string_view standard_error);

/// A child that ends early breaks our pipe to it: that must be an error code, not a signal.
void ignore_broken_pipes();

}  // namespace hearth::git::internal
