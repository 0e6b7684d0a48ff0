#include "git/upload_pack.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "git/git_command.h"
#include "git/pktline.h"
#include "git/repository.h"

namespace hearth::git {
namespace {

constexpr size_t kBlockBytes = 256 * 1024;
// Acknowledgements that may come while the request is still being read. A child that answers more
// than that has begun its pack, and needs no more of the request.
constexpr size_t kEarlyBytesMax = 4u << 20;
constexpr auto kFeedTime = std::chrono::seconds(60);
// Children at a time in this process. Each may pack with two threads and some hundred MiB.
constexpr int kConcurrentMax = 32;

/// A place among the children, or kUnavailable.
class Place {
 public:
  Place() {
    if (taken_.fetch_add(1) < kConcurrentMax) return;
    --taken_;
    throw Error(ErrorKind::kUnavailable, "Too many clones run at this moment. Try again.",
                {.retry_after_s = 10});
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --taken_; }

 private:
  static inline std::atomic<int> taken_ = 0;
};

void set_non_blocking(const Fd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

/// "version=2" and its like; other text is not handed to a child.
std::string clean_protocol(std::string_view protocol) {
  if (protocol.size() > 64) return {};
  for (char c : protocol) {
    bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '=' || c == ':';
    if (!fine) return {};
  }
  return std::string(protocol);
}

std::string receive_pack_refs(const fs::path& repo_dir) {
  GitRepo repo = GitRepo::open(repo_dir);
  RefList list = repo.refs();
  std::string capabilities(1, '\0');
  capabilities +=
      "report-status report-status-v2 delete-refs side-band-64k quiet ofs-delta "
      "object-format=sha1 agent=hearth";
  std::vector<const Ref*> all;
  for (const auto* group : {&list.branches, &list.tags, &list.pull_requests, &list.converts}) {
    for (const Ref& ref : *group) all.push_back(&ref);
  }
  std::sort(all.begin(), all.end(),
            [](const Ref* a, const Ref* b) { return a->full_name < b->full_name; });
  std::string out;
  for (const Ref* ref : all) {
    std::string line = ref->target.hex() + " " + ref->full_name;
    internal::append_packet(out, line + (out.empty() ? capabilities : "") + "\n");
  }
  if (out.empty()) {
    internal::append_packet(out, Oid{}.hex() + " capabilities^{}" + capabilities + "\n");
  }
  internal::append_flush(out);
  return out;
}

}  // namespace

std::string_view to_string(Service service) {
  switch (service) {
    case Service::kUploadPack:
      return "git-upload-pack";
    case Service::kReceivePack:
      return "git-receive-pack";
  }
  return {};
}

std::string advertise_refs(const fs::path& repo_dir, Service service, std::string_view protocol) {
  std::string version = clean_protocol(protocol);
  std::string refs;
  if (service == Service::kReceivePack) {
    refs = receive_pack_refs(repo_dir);
  } else {
    internal::GitCommand command;
    command.arguments = {"upload-pack", "--stateless-rpc", "--advertise-refs", "--strict",
                         repo_dir.string()};
    command.protocol = version;
    ChildResult result = internal::run_git(command, {}, std::chrono::seconds(60));
    if (result.status != 0) {
      throw Error(ErrorKind::kInternal, "git could not list the references.",
                  {.detail = internal::error_line(result.err)});
    }
    refs = std::move(result.out);
    // As git's own http-backend: protocol 2 begins without the line that names the service.
    if (refs.starts_with("000eversion 2\n")) return refs;
  }
  std::string out;
  internal::append_packet(out, "# service=" + std::string(to_string(service)) + "\n");
  internal::append_flush(out);
  return out + refs;
}

struct UploadPack::State {
  explicit State(const ChildOptions& options) : child(options) {
    for (Fd* fd : {&child.stdin_pipe(), &child.stdout_pipe(), &child.stderr_pipe()}) {
      set_non_blocking(*fd);
    }
  }

  /// Reads what is there; false at the end of the output.
  bool read_some(std::string& out) {
    size_t before = out.size();
    out.resize(before + kBlockBytes);
    ssize_t n = ::read(child.stdout_pipe().get(), out.data() + before, kBlockBytes);
    int error = n < 0 ? errno : 0;
    out.resize(before + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0 && error != EAGAIN && error != EINTR) throw_errno("read from git", error);
    return n != 0;
  }

  std::string drain_errors() {
    char buffer[4096];
    ssize_t n = ::read(child.stderr_pipe().get(), buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
  }

  Place place;
  Child child;
  std::string early;  // output that came while the request was being read
  bool has_output = false;
  bool ended = false;
};

UploadPack::UploadPack(const fs::path& repo_dir, std::string_view request,
                       std::string_view protocol) {
  if (request.size() > kUploadRequestBytesMax) {
    throw Error(ErrorKind::kTooLarge, "The list of wanted commits is too long.");
  }
  internal::GitCommand command;
  command.arguments = {"upload-pack", "--stateless-rpc", "--strict", repo_dir.string()};
  command.protocol = clean_protocol(protocol);
  ChildOptions options = internal::child_options(command);
  options.pipe_stdin = options.pipe_stdout = options.pipe_stderr = true;
  state_ = std::make_unique<State>(options);

  // Both pipes at once: a child that writes acknowledgements while it still reads would wait for us
  // for ever.
  auto deadline = std::chrono::steady_clock::now() + kFeedTime;
  Fd& in = state_->child.stdin_pipe();
  while (!request.empty() && state_->early.size() < kEarlyBytesMax && !state_->ended) {
    pollfd waits[2] = {{in.get(), POLLOUT, 0}, {state_->child.stdout_pipe().get(), POLLIN, 0}};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    int ready = left.count() > 0 ? ::poll(waits, 2, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) throw Error(ErrorKind::kUnavailable, "git did not answer in time.");
    if (waits[1].revents != 0 && !state_->read_some(state_->early)) state_->ended = true;
    if (waits[0].revents == 0) continue;
    ssize_t n = ::write(in.get(), request.data(), request.size());
    if (n > 0) request.remove_prefix(static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) break;  // it has read enough
  }
  in.reset();
}

UploadPack::~UploadPack() = default;

int UploadPack::output_fd() const {
  return state_->child.stdout_pipe().get();
}

bool UploadPack::next(std::string& block) {
  block.clear();
  if (!state_->early.empty()) {
    block = std::move(state_->early);
    state_->early.clear();
    state_->has_output = true;
    return true;
  }
  if (!state_->ended) {
    state_->ended = !state_->read_some(block);
    state_->has_output = state_->has_output || !block.empty();
  }
  if (!state_->ended) return true;
  int status = state_->child.wait();
  if (status == 0) return false;
  std::string reason = internal::error_line(state_->drain_errors());
  log_warning("git upload-pack ended with status {}: {}", status, reason);
  // The status has been sent; this packet is what git shows as "remote error".
  if (!state_->has_output) internal::append_packet(block, "ERR git could not serve the request");
  return false;
}

}  // namespace hearth::git
