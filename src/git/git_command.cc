#include "git/git_command.h"

#include <csignal>

#include "base/text.h"

namespace hearth::git::internal {
namespace {

/// Settings of every git that we run. Given by the environment they count as command line, which
/// is the only place where git accepts safe.directory besides the user's own files.
constexpr std::pair<std::string_view, std::string_view> kSettings[] = {
    {"safe.directory", "*"},
    {"core.hooksPath", "/dev/null"},
    {"core.fsmonitor", "false"},
    {"core.fsync", "all"},             // git's own choice leaves out refs; folders it never flushes
    {"core.bigFileThreshold", "10m"},  // larger blobs are streamed, never held in memory
    {"core.packedGitLimit", "256m"},
    {"core.deltaBaseCacheLimit", "64m"},
    {"gc.auto", "0"},
    {"maintenance.auto", "false"},
    {"pack.threads", "2"},
    {"pack.windowMemory", "128m"},
    {"uploadpack.allowFilter", "true"},
    {"uploadpack.allowReachableSHA1InWant", "true"},
    {"uploadpack.allowAnySHA1InWant", "false"},
    {"transfer.hideRefs", "refs/hearth"},
    // What a push may bring (receive_pack.cc), `verify` does not call damage.
    {"fsck.zeroPaddedFilemode", "ignore"},
    {"fsck.badTimezone", "ignore"},
    {"fsck.missingSpaceBeforeDate", "ignore"},
};

}  // namespace

ChildOptions child_options(const GitCommand& command) {
  ignore_broken_pipes();
  ChildOptions options;
  if (command.memory_bytes_max != 0 || command.cpu_seconds_max != 0) {
    options.argv.push_back("prlimit");  // of util-linux, an essential package
    options.argv.push_back("--core=0");
    if (command.memory_bytes_max != 0) {
      options.argv.push_back("--as=" + std::to_string(command.memory_bytes_max));
    }
    if (command.cpu_seconds_max != 0) {
      options.argv.push_back("--cpu=" + std::to_string(command.cpu_seconds_max));
    }
  }
  options.argv.push_back("git");
  options.argv.insert(options.argv.end(), command.arguments.begin(), command.arguments.end());
  auto& environment = options.environment;
  environment = {{"GIT_CONFIG_NOSYSTEM", "1"}, {"GIT_CONFIG_GLOBAL", "/dev/null"},
                 {"GIT_ATTR_NOSYSTEM", "1"},   {"GIT_TERMINAL_PROMPT", "0"},
                 {"HOME", "/nonexistent"},     {"LC_ALL", "C"}};
  if (!command.repo_dir.empty()) environment.emplace_back("GIT_DIR", command.repo_dir.string());
  if (!command.quarantine_dir.empty()) {
    environment.emplace_back("GIT_OBJECT_DIRECTORY", command.quarantine_dir.string());
    environment.emplace_back("GIT_ALTERNATE_OBJECT_DIRECTORIES",
                             (command.repo_dir / "objects").string());
    environment.emplace_back("GIT_QUARANTINE_PATH", command.quarantine_dir.string());
  }
  if (!command.protocol.empty()) environment.emplace_back("GIT_PROTOCOL", command.protocol);
  size_t index = 0;
  for (const auto& [key, value] : kSettings) {
    std::string number = std::to_string(index++);
    environment.emplace_back("GIT_CONFIG_KEY_" + number, key);
    environment.emplace_back("GIT_CONFIG_VALUE_" + number, value);
  }
  environment.emplace_back("GIT_CONFIG_COUNT", std::to_string(index));
  return options;
}

ChildResult run_git(const GitCommand& command, std::string_view input,
                    std::chrono::milliseconds timeout) {
  return run_child(child_options(command), input, timeout);
}

std::string error_line(std::string_view standard_error) {
  // The first "error:" says what is wrong ("object …: hasDotgit"), the last line only that
  // something is.
  std::string_view chosen;
  for (std::string_view line : split(standard_error, '\n')) {
    line = trim(line);
    if (line.empty()) continue;
    chosen = line;
    if (line.starts_with("error: ")) break;
  }
  for (std::string_view prefix : {"fatal: ", "error: "}) {
    if (chosen.starts_with(prefix)) chosen.remove_prefix(prefix.size());
  }
  std::string out;
  for (char c : cut_utf8(chosen, 300)) out += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
  return is_utf8(out) ? out : "git failed";
}

void ignore_broken_pipes() {
  static const bool done = [] {
    struct sigaction now = {};
    if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
      ::signal(SIGPIPE, SIG_IGN);
    }
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace hearth::git::internal
