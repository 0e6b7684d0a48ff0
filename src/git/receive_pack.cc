#include "git/receive_pack.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "git/git_command.h"
#include "git/pktline.h"

namespace hearth::git {
namespace {

constexpr size_t kCommandsMax = 20'000;
constexpr size_t kLineBytesMax = 4096;

/// "<old> <new> <ref>".
std::optional<PushCommand> parse_command(std::string_view line) {
  if (line.size() < 83 || line[40] != ' ' || line[81] != ' ') return std::nullopt;
  std::optional<Oid> old_oid = Oid::parse(line.substr(0, 40));
  std::optional<Oid> new_oid = Oid::parse(line.substr(41, 40));
  if (!old_oid || !new_oid) return std::nullopt;
  return PushCommand{std::string(line.substr(82)), *old_oid, *new_oid};
}

}  // namespace

bool PushRequest::has(std::string_view capability) const {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

Parsed<std::optional<PushRequest>> parse_push_request(ByteView bytes) {
  PushRequest request;
  while (true) {
    auto parsed = internal::parse_packet(bytes.subspan(request.consumed_bytes));
    if (!parsed) return parse_error(parsed.error().message, request.consumed_bytes);
    if (!*parsed) return std::nullopt;
    const internal::Packet& packet = **parsed;
    size_t at = request.consumed_bytes;
    request.consumed_bytes += packet.size_bytes;
    if (packet.kind == internal::PacketKind::kFlush) return request;
    if (packet.kind != internal::PacketKind::kData) return parse_error("unexpected packet", at);
    std::string_view line = as_text(packet.data);
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.starts_with("shallow ")) {
      std::optional<Oid> oid = Oid::parse(line.substr(8));
      if (!oid || request.shallow.size() >= kCommandsMax)
        return parse_error("bad shallow line", at);
      request.shallow.push_back(*oid);
      continue;
    }
    if (size_t nul = line.find('\0'); nul != std::string_view::npos) {
      if (!request.commands.empty()) return parse_error("capabilities in a later line", at);
      for (std::string_view word : split(line.substr(nul + 1), ' ')) {
        if (!word.empty()) request.capabilities.emplace_back(word);
      }
      line = line.substr(0, nul);
    }
    if (line.size() > kLineBytesMax) return parse_error("a reference's name is too long", at);
    std::optional<PushCommand> command = parse_command(line);
    if (!command) return parse_error("expected an old id, a new id and a reference", at);
    if (request.commands.size() >= kCommandsMax) return parse_error("too many references", at);
    request.commands.push_back(std::move(*command));
  }
}

struct ReceivePack::State {
  State(fs::path dir, ReceiveLimits receive_limits)
      : repo_dir(std::move(dir)), limits(receive_limits), quarantine(repo_dir) {}

  void start_index_pack() {
    internal::GitCommand command;
    // Trees whose modes have leading zeros were written by old tools and are harmless.
    command.arguments = {
        "index-pack",
        "--stdin",
        "--fix-thin",
        "--strict=zeroPaddedFilemode=ignore,badTimezone=ignore,missingSpaceBeforeDate=ignore",
        "--threads=1",
        "--max-input-size=" + std::to_string(limits.pack_bytes_max)};
    command.repo_dir = repo_dir;
    command.quarantine_dir = quarantine.dir();
    command.memory_bytes_max = limits.memory_bytes_max;
    command.cpu_seconds_max = limits.index_seconds_max;
    ChildOptions options = internal::child_options(command);
    options.pipe_stdin = options.pipe_stdout = options.pipe_stderr = true;
    index_pack.emplace(options);
  }

  /// Feeds the pack; once git has stopped reading, the rest of the body is dropped.
  void feed(ByteView bytes) {
    pack_bytes += bytes.size();
    if (pack_bytes > limits.pack_bytes_max) {
      throw Error(ErrorKind::kTooLarge, "The push is larger than this server accepts.");
    }
    if (!index_pack || !index_pack->stdin_pipe()) return;
    while (!bytes.empty()) {
      ssize_t n = ::write(index_pack->stdin_pipe().get(), bytes.data(), bytes.size());
      if (n < 0) {
        if (errno == EINTR) continue;
        index_pack->stdin_pipe().reset();  // it will say why
        return;
      }
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
  }

  void wait_index_pack() {
    index_pack->stdin_pipe().reset();
    auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(limits.index_seconds_max);
    std::string errors;
    char buffer[4096];
    Fd* pipes[2] = {&index_pack->stdout_pipe(), &index_pack->stderr_pipe()};
    while (*pipes[0] || *pipes[1]) {
      pollfd waits[2] = {{pipes[0]->get(), POLLIN, 0}, {pipes[1]->get(), POLLIN, 0}};
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      int ready = left.count() > 0 ? ::poll(waits, 2, static_cast<int>(left.count())) : 0;
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) {
        index_pack->kill();
        unpack_error = "index-pack took too long";
        return;
      }
      for (int i = 0; i < 2; ++i) {
        if (waits[i].revents == 0) continue;
        ssize_t n = ::read(pipes[i]->get(), buffer, sizeof buffer);
        if (n <= 0) {
          pipes[i]->reset();
        } else if (i == 1 && errors.size() < 65536) {
          errors.append(buffer, static_cast<size_t>(n));
        }
      }
    }
    int status = index_pack->wait();
    if (status == 0) return;
    unpack_error = internal::error_line(errors);
    if (unpack_error.empty()) {
      unpack_error = status > 128 ? "index-pack was stopped by a limit" : "index-pack failed";
    }
    log_info("a push was refused by index-pack ({}): {}", status, unpack_error);
  }

  fs::path repo_dir;
  ReceiveLimits limits;
  Quarantine quarantine;
  Bytes head;  // the command list as far as it has come
  std::optional<PushRequest> request;
  std::optional<Child> index_pack;
  uint64_t pack_bytes = 0;
  std::string unpack_error;
  bool finished = false;
};

ReceivePack::ReceivePack(fs::path repo_dir, ReceiveLimits limits)
    : state_(std::make_unique<State>(std::move(repo_dir), limits)) {}
ReceivePack::~ReceivePack() = default;

void ReceivePack::write(ByteView block) {
  State& state = *state_;
  if (state.request) {
    state.feed(block);
    return;
  }
  state.head.insert(state.head.end(), block.begin(), block.end());
  auto parsed = value_or_throw(parse_push_request(state.head), "The push cannot be understood");
  if (!parsed) {
    if (state.head.size() > kPushCommandsBytesMax) {
      throw Error(ErrorKind::kTooLarge, "The push names too many references.");
    }
    return;
  }
  state.request = std::move(parsed);
  bool has_pack = std::any_of(state.request->commands.begin(), state.request->commands.end(),
                              [](const PushCommand& command) { return !command.is_delete(); });
  if (has_pack) state.start_index_pack();
  Bytes rest(state.head.begin() + static_cast<std::ptrdiff_t>(state.request->consumed_bytes),
             state.head.end());
  state.head = {};
  if (!rest.empty()) state.feed(rest);
}

void ReceivePack::finish() {
  if (!state_->request) {
    throw Error(ErrorKind::kInvalid, "The push ended within its list of references.");
  }
  if (state_->finished) return;
  state_->finished = true;
  if (state_->index_pack) {
    state_->wait_index_pack();
  } else if (state_->pack_bytes != 0) {
    state_->unpack_error = "a pack where none was expected";
  }
}

const PushRequest& ReceivePack::request() const {
  HEARTH_ASSERT(state_->request.has_value(), "finish() has returned");
  return *state_->request;
}

const std::string& ReceivePack::unpack_error() const {
  return state_->unpack_error;
}

Quarantine& ReceivePack::quarantine() {
  return state_->quarantine;
}

std::string ReceivePack::report(const std::vector<PushResult>& results,
                                const std::vector<std::string>& messages) const {
  auto one_line = [](std::string_view text) {
    std::string out;
    for (char c : text) out += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
    return std::string(cut_utf8(out, 1000));
  };
  std::string status;
  if (request().has("report-status") || request().has("report-status-v2")) {
    internal::append_packet(
        status,
        "unpack " + (unpack_error().empty() ? std::string("ok") : one_line(unpack_error())) + "\n");
    for (const PushResult& result : results) {
      std::string name = std::string(cut_utf8(result.ref, kLineBytesMax));
      internal::append_packet(status, result.refusal.empty()
                                          ? "ok " + name + "\n"
                                          : "ng " + name + " " + one_line(result.refusal) + "\n");
    }
    internal::append_flush(status);
  }
  if (!request().has("side-band-64k")) return status;
  std::string out;
  for (const std::string& message : messages) {
    for (std::string_view line : split(message, '\n')) {
      internal::append_band(out, 2, one_line(line) + "\n");
    }
  }
  internal::append_band(out, 1, status);
  internal::append_flush(out);
  return out;
}

}  // namespace hearth::git
