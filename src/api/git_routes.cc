// git's smart HTTP, under both spellings of a repository's URL (hub-api 9.1).

#include <array>

#include "api/api.h"
#include "base/log.h"
#include "git/git.h"
#include "hub/receive.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

/// A push beyond this is refused before it is read whole; git-lfs carries what is large.
constexpr uint64_t kPushBytesMax = uint64_t{8} << 30;
/// Deltas of a large push are resolved and its history is walked after the body has arrived.
constexpr int kPushWaitSeconds = 900;

/// "git-upload-pack" or "git-receive-pack" of the query.
git::Service service_of(const Call& call) {
  std::string service = call.query.get("service").value_or("");
  for (git::Service known : {git::Service::kUploadPack, git::Service::kReceivePack}) {
    if (service == git::to_string(known)) return known;
  }
  throw Error(ErrorKind::kForbidden,
              "Only git's smart protocol is spoken here: use a git of this century.");
}

/// Reading takes the right to read files; pushing, to open a pull request at least: who may move
/// which ref is decided in hub/receive.
hub::RepoAction action_of(git::Service service) {
  switch (service) {
    case git::Service::kUploadPack:
      return hub::RepoAction::kReadFiles;
    case git::Service::kReceivePack:
      return hub::RepoAction::kDiscuss;
  }
  return hub::RepoAction::kWrite;
}

void check_service(Call& call) {
  call.services.access->require(call.who(), call.repo(), action_of(service_of(call)));
}

/// Another type would let a form of another site be a push.
void require_content_type(const Call& call, std::string_view type) {
  if (call.head.content_type_is(type)) return;
  throw Error(ErrorKind::kInvalid, "The Content-Type must be " + std::string(type) + ".");
}

void check_upload_type(Call& call) {
  require_content_type(call, "application/x-git-upload-pack-request");
}

void check_receive_type(Call& call) {
  require_content_type(call, "application/x-git-receive-pack-request");
}

std::string_view protocol_of(const Call& call) {
  return call.head.headers.get("Git-Protocol").value_or("");
}

/// What git's own server sends so that no cache keeps an answer.
http::Response not_cached(http::Response response) {
  response.headers.set("Cache-Control", "no-cache, max-age=0, must-revalidate");
  response.headers.set("Expires", "Fri, 01 Jan 1980 00:00:00 GMT");
  response.headers.set("Pragma", "no-cache");
  return response;
}

http::Response info_refs(Call& call) {
  git::Service service = service_of(call);
  std::string body = git::advertise_refs(call.services.repositories->git_dir(call.repo()), service,
                                         protocol_of(call));
  std::string type = "application/x-" + std::string(git::to_string(service)) + "-advertisement";
  return not_cached(http::Response::bytes(std::move(body), type));
}

/// The child's output, pulled by the edge: a clone holds no thread while it waits.
class PackGenerator : public http::Generator {
 public:
  explicit PackGenerator(std::unique_ptr<git::UploadPack> upload) : upload_(std::move(upload)) {}
  bool next(std::string& block) override { return upload_->next(block); }
  int wait_fd() const override { return upload_->output_fd(); }
  // git sends a keep-alive every 5 s once it packs, but nothing while it counts for a quiet client.
  std::chrono::milliseconds idle_max() const override { return std::chrono::minutes(10); }

 private:
  std::unique_ptr<git::UploadPack> upload_;
};

http::Response upload_pack(Call& call) {
  auto upload = std::make_unique<git::UploadPack>(call.services.repositories->git_dir(call.repo()),
                                                  call.body, protocol_of(call));
  call.body = {};
  return not_cached(http::Response::stream(std::make_unique<PackGenerator>(std::move(upload)),
                                           "application/x-git-upload-pack-result"));
}

/// A push goes block by block to index-pack.
class PushSink : public http::BodySink {
 public:
  explicit PushSink(fs::path git_dir)
      : pack_(std::move(git_dir), {.pack_bytes_max = kPushBytesMax}) {}
  void write(std::span<const uint8_t> block) override { pack_.write(block); }
  void finish() override { pack_.finish(); }
  git::ReceivePack& pack() { return pack_; }

 private:
  git::ReceivePack pack_;
};

std::unique_ptr<http::BodySink> make_push_sink(Call& call) {
  return std::make_unique<PushSink>(call.services.repositories->git_dir(call.repo()));
}

http::Response receive_pack(Call& call) {
  hub::Caller caller{*call.who(), call.remote_address()};
  std::string report =
      call.services.receive->push(caller, call.repo(), call.sink<PushSink>().pack());
  return not_cached(
      http::Response::bytes(std::move(report), "application/x-git-receive-pack-result"));
}

constexpr std::array kServiceQuery = {
    QueryParameter{.name = "service",
                   .type = QueryParameter::Type::kText,
                   .what = "What the references are for.",
                   .values = "git-upload-pack|git-receive-pack",
                   .required = true},
};

constexpr Route kRows[] = {
    {.method = "GET",
     .pattern = "/{prefix}/{repo.git}/info/refs",
     .allow = Allow::kCustom,
     .handler = info_refs,
     .summary = "References, for git fetch and git push",
     .source = "git 2.39 remote-curl.c discover_refs",
     .query = kServiceQuery,
     .answer =
         "application/x-git-upload-pack-advertisement|application/x-git-receive-pack-advertisement",
     .check = check_service,
     .rate = RateClass::kGit},
    {.method = "POST",
     .pattern = "/{prefix}/{repo.git}/git-upload-pack",
     .allow = Allow::kRepoFiles,
     .handler = upload_pack,
     .summary = "Objects, for git clone and git fetch; protocols 0, 1 and 2",
     .source = "git 2.39 remote-curl.c rpc_service",
     .request = "application/x-git-upload-pack-request",
     .answer = "application/x-git-upload-pack-result",
     .body_bytes_max = git::kUploadRequestBytesMax,
     .check = check_upload_type,
     .rate = RateClass::kGit,
     .allow_gzip = true,
     .handler_wait_s = 120},
    {.method = "POST",
     .pattern = "/{prefix}/{repo.git}/git-receive-pack",
     .allow = Allow::kRepoDiscuss,
     .handler = receive_pack,
     .summary = "git push: commands and a pack; answers what became of each reference",
     .source = "git 2.39 remote-curl.c rpc_service, send-pack.c receive_status",
     .request = "application/x-git-receive-pack-request",
     .answer = "application/x-git-receive-pack-result",
     .body_bytes_max = kPushBytesMax,
     .make_sink = make_push_sink,
     .check = check_receive_type,
     .rate = RateClass::kGit,
     .allow_gzip = true,
     .handler_wait_s = kPushWaitSeconds},
};

}  // namespace

std::span<const Route> git_routes() {
  return kRows;
}

}  // namespace hearth::api
