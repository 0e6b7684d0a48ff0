// Git LFS: the batch API and the signed links it hands out.
//
// Source: hub-api 4.5 and 9.2; git-lfs docs/api/batch.md. Python and JS send the bytes without
// their token, so each link carries the right of whoever asked (signed_link.h).

#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "api/limits.h"
#include "api/signed_link.h"
#include "api/source_body.h"
#include "api/xet_call.h"
#include "base/text.h"
#include "blob/blob.h"
#include "http/range.h"
#include "hub/ledger.h"
#include "hub/lfs_files.h"
#include "hub/tasks.h"

namespace hearth::api {
namespace {

constexpr std::string_view kLfsJson = "application/vnd.git-lfs+json";
constexpr uint64_t kBatchBytesMax = 1 << 20;
// Above what a part list of 10,000 parts needs.
constexpr uint64_t kCompletionBytesMax = 2 << 20;
// Uploads are long, and a batch of them is sent one after the other.
constexpr int64_t kUploadLinkS = 24 * 3600;
constexpr int64_t kDownloadLinkS = 3600;

constexpr std::string_view kUploadPurpose = "lfs upload";
constexpr std::string_view kPartPurpose = "lfs part";
constexpr std::string_view kCompletePurpose = "lfs complete";
constexpr std::string_view kVerifyPurpose = "lfs verify";
constexpr std::string_view kDownloadPurpose = "lfs download";

http::Response lfs_reply(const json::value& value, int status = 200) {
  return http::Response::bytes(json::serialize(value), kLfsJson, status);
}

/// What a client says about an object; `problem` is set when it makes no sense.
struct Wanted {
  std::string oid;
  uint64_t size_bytes = 0;
  std::string problem = {};
};

Wanted wanted_from(const json::value& item) {
  Wanted wanted;
  if (!item.is_object()) throw Error(ErrorKind::kInvalid, "An object must be a JSON object.");
  wanted.oid = optional_string(item.as_object(), "oid").value_or("");
  int64_t size = optional_int(item.as_object(), "size").value_or(-1);
  if (!is_sha256_hex(wanted.oid)) {
    wanted.problem = "An object id must be a SHA-256 of 64 hex digits.";
    return wanted;
  }
  wanted.oid = to_lower(wanted.oid);
  if (size < 0 || static_cast<uint64_t>(size) > kObjectBytesMax) {
    wanted.problem = "An object's size must be between 0 and 4 TiB.";
    return wanted;
  }
  wanted.size_bytes = static_cast<uint64_t>(size);
  return wanted;
}

enum class Transfer { kBasic, kMultipart, kXet };

std::string_view name_of(Transfer transfer) {
  switch (transfer) {
    case Transfer::kBasic:
      return "basic";
    case Transfer::kMultipart:
      return "multipart";
    case Transfer::kXet:
      return "xet";
  }
  return "basic";
}

bool offers(const json::object& request, std::string_view name) {
  const json::array* transfers = get_array(request, "transfers");
  if (transfers == nullptr) return false;
  return std::any_of(transfers->begin(), transfers->end(), [&](const json::value& value) {
    return value.is_string() && as_view(value.as_string()) == name;
  });
}

/// One way for the whole batch: git-lfs reads `transfer` once.
Transfer choose_transfer(const Call& call, const json::object& request,
                         const std::vector<Wanted>& objects) {
  if (offers(request, "xet")) return Transfer::kXet;
  if (offers(request, "multipart")) {
    for (const Wanted& wanted : objects) {
      if (wanted.size_bytes > call.services.lfs_part_bytes) return Transfer::kMultipart;
    }
  }
  return Transfer::kBasic;
}

json::object error_json(int code, std::string_view message) {
  return {{"code", code}, {"message", message}};
}

std::string object_path(std::string_view oid) {
  return "/api/lfs/objects/" + std::string(oid);
}

json::object verify_action(const Call& call, const Wanted& wanted) {
  return {{"href", sign_link(call, {.purpose = kVerifyPurpose,
                                    .path = "/api/lfs/verify/" + wanted.oid,
                                    .lifetime_s = kUploadLinkS})},
          {"expires_in", kUploadLinkS}};
}

json::object basic_upload(const Call& call, const Wanted& wanted) {
  Query query;
  query.set("size", std::to_string(wanted.size_bytes));
  std::string href = sign_link(call, {.purpose = kUploadPurpose,
                                      .path = object_path(wanted.oid),
                                      .query = std::move(query),
                                      .lifetime_s = kUploadLinkS});
  return {{"upload", json::object{{"href", href}, {"expires_in", kUploadLinkS}}},
          {"verify", verify_action(call, wanted)}};
}

uint64_t part_bytes_of(const Call& call, uint64_t size_bytes) {
  uint64_t part_bytes = call.services.lfs_part_bytes;
  return std::max(part_bytes, (size_bytes + kObjectPartsMax - 1) / kObjectPartsMax);
}

json::object multipart_upload(const Call& call, const Wanted& wanted) {
  uint64_t part_bytes = part_bytes_of(call, wanted.size_bytes);
  uint64_t part_count = std::max<uint64_t>(1, (wanted.size_bytes + part_bytes - 1) / part_bytes);
  std::string upload_id = random_alphanumeric(32);
  json::object header{{"chunk_size", std::to_string(part_bytes)}};
  for (uint64_t number = 1; number <= part_count; ++number) {
    uint64_t length = std::min(part_bytes, wanted.size_bytes - (number - 1) * part_bytes);
    Query query;
    query.set("size", std::to_string(length));
    header[fmt::format("{:05}", number)] =
        sign_link(call, {.purpose = kPartPurpose,
                         .path = fmt::format("/api/lfs/parts/{}/{}", upload_id, number),
                         .query = std::move(query),
                         .lifetime_s = kUploadLinkS});
  }
  Query query;
  query.set("size", std::to_string(wanted.size_bytes));
  query.set("parts", std::to_string(part_count));
  query.set("oid", wanted.oid);
  std::string href = sign_link(call, {.purpose = kCompletePurpose,
                                      .path = "/api/lfs/complete/" + upload_id,
                                      .query = std::move(query),
                                      .lifetime_s = kUploadLinkS});
  return {
      {"upload", json::object{{"href", href}, {"header", header}, {"expires_in", kUploadLinkS}}},
      {"verify", verify_action(call, wanted)}};
}

json::object xet_upload(const Call& call, const json::object& request) {
  std::string revision = "main";
  if (const json::object* ref = get_object(request, "ref")) {
    revision = optional_string(*ref, "name").value_or("main");
    if (revision.starts_with("refs/heads/")) revision = revision.substr(11);
  }
  const hub::Repo& repo = call.repo();
  bool may_write = call.services.access->may(call.who(), repo, hub::RepoAction::kWrite);
  int64_t expires_s = call.services.clock->now_ms() / 1000 + xet::kTokenLifetimeS;
  std::string token = signer_of(call).token(
      {.user_id = call.identity ? call.identity->user_id : "",
       .credential = call.identity ? to_base64url(call.identity->credential.secret_hash) : "",
       .repo_id = repo.id,
       .revision = revision,
       .scope = xet::Scope::kWrite,
       .for_pull_request = !may_write,
       .expires_s = expires_s});
  std::string refresh = call.url(
      fmt::format("/api/{}/{}/xet-write-token/{}{}", hub::api_plural(repo.type),
                  repo.repo_id.full(), percent_encode(revision), may_write ? "" : "?create_pr=1"));
  json::object header{{"X-Xet-Cas-Url", call.url(kCasPath)},
                      {"X-Xet-Access-Token", token},
                      {"X-Xet-Token-Expiration", std::to_string(expires_s)}};
  if (auto session = call.head.headers.get(http::kXetSessionId)) {
    header["X-Xet-Session-Id"] = *session;
  } else {
    header["X-Xet-Session-Id"] = call.head.request_id;
  }
  return {{"upload", json::object{{"href", refresh}, {"header", std::move(header)}}}};
}

json::object upload_answer(const Call& call, const json::object& request, Transfer transfer,
                           const Wanted& wanted, const xet::LargeObject* known) {
  json::object answer;
  if (known != nullptr) {
    if (known->size_bytes != wanted.size_bytes) {
      answer["error"] = error_json(422, "This object is stored with another size.");
    }
    return answer;  // Without actions: there is nothing to send.
  }
  switch (transfer) {
    case Transfer::kBasic:
      answer["actions"] = basic_upload(call, wanted);
      break;
    case Transfer::kMultipart:
      answer["actions"] = multipart_upload(call, wanted);
      break;
    case Transfer::kXet:
      answer["actions"] = xet_upload(call, request);
      break;
  }
  return answer;
}

json::object download_answer(const Call& call, const Wanted& wanted,
                             const xet::LargeObject* known) {
  json::object answer;
  if (known == nullptr) {
    answer["error"] = error_json(404, "Object does not exist on the server");
    return answer;
  }
  std::string href = sign_link(
      call,
      {.purpose = kDownloadPurpose, .path = object_path(wanted.oid), .lifetime_s = kDownloadLinkS});
  answer["actions"] =
      json::object{{"download", json::object{{"href", href}, {"expires_in", kDownloadLinkS}}}};
  return answer;
}

http::Response batch(Call& call) {
  json::object request = call.json_body();
  std::string operation = require_string(request, "operation");
  bool upload = operation == "upload";
  if (!upload && operation != "download") {
    throw Error(ErrorKind::kUnprocessable, "The operation must be upload or download.");
  }
  std::string algorithm = optional_string(request, "hash_algo").value_or("sha256");
  if (algorithm != "sha256" && algorithm != "sha_256") {  // The second is what JS says.
    throw Error(ErrorKind::kConflict, "Objects are named by their SHA-256 here.");
  }
  // The row lets in whoever sees the repository; what they want stands in the body.
  call.services.access->require(call.who(), call.repo(),
                                upload ? hub::RepoAction::kDiscuss : hub::RepoAction::kReadFiles);
  const json::array* items = get_array(request, "objects");
  if (items == nullptr) throw Error(ErrorKind::kInvalid, "The field 'objects' must be a list.");
  if (items->size() > kBatchObjectsMax) {
    throw Error(ErrorKind::kTooLarge, "Ask for at most 1000 objects at once.");
  }
  std::vector<Wanted> objects;
  std::vector<std::string> oids;
  for (const json::value& item : *items) {
    objects.push_back(wanted_from(item));
    if (objects.back().problem.empty()) oids.push_back(objects.back().oid);
  }
  auto known = upload ? call.services.xet->promise(call.repo().id, oids)
                      : call.services.lfs_files->readable(call.repo(), oids);
  std::set<std::string> refused;
  if (upload) {
    std::vector<hub::Ledger::WantedFile> files;
    for (const Wanted& wanted : objects) {
      if (wanted.problem.empty()) files.push_back({wanted.oid, wanted.size_bytes});
    }
    for (std::string& oid : call.services.ledger->without_room(call.repo(), files)) {
      refused.insert(std::move(oid));
    }
  }
  Transfer transfer = upload ? choose_transfer(call, request, objects) : Transfer::kBasic;
  json::array answers;
  for (const Wanted& wanted : objects) {
    json::object answer{{"oid", wanted.oid}, {"size", wanted.size_bytes}};
    if (!wanted.problem.empty()) {
      answer["error"] = error_json(422, wanted.problem);
    } else if (refused.contains(wanted.oid)) {
      answer["error"] = error_json(
          413, full_text(call, call.services.ledger->no_room(call.repo(), wanted.size_bytes)));
    } else {
      auto found = known.find(wanted.oid);
      const xet::LargeObject* object = found == known.end() ? nullptr : &found->second;
      answer["authenticated"] = true;
      json::object rest = upload ? upload_answer(call, request, transfer, wanted, object)
                                 : download_answer(call, wanted, object);
      for (auto& entry : rest) answer[entry.key()] = std::move(entry.value());
    }
    answers.push_back(std::move(answer));
  }
  return lfs_reply(json::object{
      {"transfer", name_of(transfer)}, {"objects", std::move(answers)}, {"hash_algo", "sha256"}});
}

// ---- Uploads ----

blob::Expected expected_of(const Call& call) {
  auto size_bytes = call.query.number("size");
  if (!size_bytes) throw Error(ErrorKind::kInvalid, "The link names no size.");
  bool completing = call.params.find("oid") == call.params.end();
  return {.sha256 = blob::BlobStore::checked_sha256(completing ? call.query.get("oid").value_or("")
                                                               : call.param("oid")),
          .size_bytes = *size_bytes};
}

/// The object belongs to the repository from here on, and will be chunked by a task.
void link_object(Call& call, const blob::Expected& object) {
  const std::string& repo_id = call.repo().id;
  call.services.xet->link_whole(repo_id, object, [&](db::Tx& tx) {
    if (object.size_bytes == 0) return;
    if (!call.services.chunk_lfs_uploads) return;
    call.services.tasks->enqueue(tx, {.kind = "xet.ingest",
                                      .payload = {{"repo_id", repo_id}, {"sha256", object.sha256}},
                                      .unique_key = "xet.ingest:" + repo_id + ":" + object.sha256,
                                      .owner_id = call.identity ? call.identity->user_id : ""});
  });
}

class ObjectSink : public http::BodySink {
 public:
  explicit ObjectSink(blob::BlobStore::Upload upload) : upload_(std::move(upload)) {}
  void write(std::span<const uint8_t> block) override { upload_.write(block); }
  void finish() override { upload_.commit(); }

 private:
  blob::BlobStore::Upload upload_;
};

void check_upload(Call& call) {
  check_link(call, kUploadPurpose, hub::RepoAction::kDiscuss);
}

std::unique_ptr<http::BodySink> object_sink(Call& call) {
  return std::make_unique<ObjectSink>(call.services.blobs->begin(expected_of(call)));
}

http::Response put_object(Call& call) {
  link_object(call, expected_of(call));
  return http::Response::empty(200);
}

class PartSink : public http::BodySink {
 public:
  explicit PartSink(blob::BlobStore::PartUpload upload) : upload_(std::move(upload)) {}
  void write(std::span<const uint8_t> block) override { upload_.write(block); }
  void finish() override { etag_ = upload_.commit(); }
  const std::string& etag() const { return etag_; }

 private:
  blob::BlobStore::PartUpload upload_;
  std::string etag_;
};

void check_part(Call& call) {
  check_link(call, kPartPurpose, hub::RepoAction::kDiscuss);
}

std::unique_ptr<http::BodySink> part_sink(Call& call) {
  const std::string& text = call.param("number");
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) number = 0;
  return std::make_unique<PartSink>(
      call.services.blobs->begin_part({.upload_id = call.param("upload"),
                                       .number = number,
                                       .size_bytes = call.query.number("size").value_or(0)}));
}

http::Response put_part(Call& call) {
  http::Response response = http::Response::empty(200);
  response.headers.set(http::kEtag, "\"" + call.sink<PartSink>().etag() + "\"");
  return response;
}

void check_complete(Call& call) {
  check_link(call, kCompletePurpose, hub::RepoAction::kDiscuss);
}

http::Response complete_upload(Call& call) {
  // The list of ETags in the body says nothing that the hash of the whole does not say better.
  blob::Expected expected = expected_of(call);
  auto part_count = call.query.number("parts").value_or(0);
  // The client asks again when the first answer was lost, and the parts are gone by then. Only what
  // this repository has already counts: that the hub has the object somewhere proves nothing of who
  // asks (a hash and a size are all that the public tree of a gated repository tells).
  auto owned = call.services.xet->find(call.repo().id, expected.sha256);
  if (owned && owned->size_bytes == expected.size_bytes) {
    return lfs_reply(json::object{{"success", true}});
  }
  call.services.blobs->complete_parts(call.param("upload"), static_cast<uint32_t>(part_count),
                                      expected);
  link_object(call, expected);
  return lfs_reply(json::object{{"success", true}});
}

http::Response verify_object(Call& call, const std::string& oid) {
  json::object request = call.json_body();
  auto object = call.services.xet->find(call.repo().id, blob::BlobStore::checked_sha256(oid));
  if (!object) throw Error(ErrorKind::kNotFound, "This object was not uploaded.");
  auto size = optional_int(request, "size");
  if (size && static_cast<uint64_t>(*size) != object->size_bytes) {
    throw Error(ErrorKind::kUnprocessable, "This object is stored with another size.");
  }
  return lfs_reply(json::object{{"oid", object->sha256}, {"size", object->size_bytes}});
}

void check_verify(Call& call) {
  check_link(call, kVerifyPurpose, hub::RepoAction::kDiscuss);
}

http::Response verify_by_link(Call& call) {
  return verify_object(call, call.param("oid"));
}

http::Response verify(Call& call) {
  return verify_object(call, require_string(call.json_body(), "oid"));
}

// ---- Downloads ----

void check_download(Call& call) {
  check_link(call, kDownloadPurpose, hub::RepoAction::kReadFiles);
}

http::Response get_object(Call& call) {
  std::string oid = blob::BlobStore::checked_sha256(call.param("oid"));
  std::shared_ptr<const blob::Source> source = call.services.xet->open_large(call.repo().id, oid);
  http::Ranged thing;
  thing.size_bytes = source->size_bytes();
  thing.etag = "\"" + oid + "\"";
  thing.append = [&source](http::ByteRange range, http::Body& body) {
    append_source(source, range, body);
  };
  http::Response response = http::serve_ranged(call.head, thing);
  response.headers.set(http::kContentTypeOptions, "nosniff");
  return response;
}

// ---- Locks ----

http::Response no_locks(Call&) {
  // git-lfs takes a 404 as "not supported" and goes on.
  return lfs_reply(json::object{{"message", "File locking is not supported here."}}, 404);
}

constexpr std::string_view kGitLfs = "git-lfs 3.3; huggingface_hub lfs.py; @huggingface/hub commit";

constexpr QueryParameter kSize{.name = "size",
                               .type = QueryParameter::Type::kNumber,
                               .what = "How many bytes come.",
                               .required = true};
constexpr std::array kLinkQuery = {kLinkRepo, kLinkWho, kLinkExpiry, kLinkSignature};
constexpr std::array kObjectQuery = {kSize, kLinkRepo, kLinkWho, kLinkExpiry, kLinkSignature};
constexpr std::array kCompletionQuery = {kSize,
                                         QueryParameter{.name = "parts",
                                                        .type = QueryParameter::Type::kNumber,
                                                        .what = "How many parts were sent.",
                                                        .required = true},
                                         QueryParameter{.name = "oid",
                                                        .type = QueryParameter::Type::kText,
                                                        .what = "The SHA-256 of the whole.",
                                                        .required = true},
                                         kLinkRepo,
                                         kLinkWho,
                                         kLinkExpiry,
                                         kLinkSignature};

constexpr Route lock_row(std::string_view method, std::string_view pattern) {
  return {.method = method,
          .pattern = pattern,
          .allow = Allow::kRepoSee,
          .handler = no_locks,
          .summary = "Always 404: locks are not offered.",
          .source = "git-lfs 3.3 locking/locks.go",
          .request = method == "POST" ? "*/*" : "",
          .answer = "none",
          .refusal = "application/vnd.git-lfs+json LfsRefusal|Error",
          .body_bytes_max = method == "POST" ? uint64_t{64 * 1024} : 0,
          .rate = RateClass::kGit};
}

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/{prefix}/{repo.git}/info/lfs/objects/batch",
          .allow = Allow::kRepoSee,
          .handler = batch,
          .summary = "Where to send or fetch large files: basic, multipart or xet.",
          .source = kGitLfs,
          .request = "application/vnd.git-lfs+json LfsBatch|LfsBatch",
          .answer = "application/vnd.git-lfs+json LfsBatched",
          .body_bytes_max = kBatchBytesMax,
          .rate = RateClass::kGit},
    Route{.method = "POST",
          .pattern = "/{prefix}/{repo.git}/info/lfs/verify",
          .allow = Allow::kRepoSee,
          .handler = verify,
          .summary = "Whether a large file arrived with its size.",
          .source = kGitLfs,
          .request = "application/vnd.git-lfs+json LfsObject|LfsObject",
          .answer = "application/vnd.git-lfs+json LfsVerified",
          .body_bytes_max = 64 * 1024,
          .rate = RateClass::kGit},
    lock_row("POST", "/{prefix}/{repo.git}/info/lfs/locks/verify"),
    lock_row("POST", "/{prefix}/{repo.git}/info/lfs/locks"),
    lock_row("GET", "/{prefix}/{repo.git}/info/lfs/locks"),

    Route{.method = "PUT",
          .pattern = "/api/lfs/objects/{oid}",
          .allow = Allow::kSignedUrl,
          .handler = put_object,
          .summary = "Receives a large file whole, by a link of the batch.",
          .source = kGitLfs,
          .query = kObjectQuery,
          .request = "*/*",
          .answer = "none",
          .body_bytes_max = kObjectBytesMax,
          .make_sink = object_sink,
          .check = check_upload,
          .rate = RateClass::kTransfers,
          .handler_wait_s = 600},
    Route{.method = "PUT",
          .pattern = "/api/lfs/parts/{upload}/{number}",
          .allow = Allow::kSignedUrl,
          .handler = put_part,
          .summary = "Receives one part of a large file, by a link of the batch.",
          .source = "huggingface_hub lfs.py _upload_multi_part; @huggingface/hub commit",
          .query = kObjectQuery,
          .request = "*/*",
          .answer = "none",
          .answer_headers = "ETag",
          .body_bytes_max = kObjectBytesMax,
          .make_sink = part_sink,
          .check = check_part,
          .rate = RateClass::kTransfers,
          .handler_wait_s = 600},
    Route{.method = "POST",
          .pattern = "/api/lfs/complete/{upload}",
          .allow = Allow::kSignedUrl,
          .handler = complete_upload,
          .summary = "Puts the parts of a large file together and checks the whole.",
          .source = "huggingface_hub lfs.py _upload_multi_part; @huggingface/hub commit",
          .query = kCompletionQuery,
          .request = "*/*",
          .answer = "application/vnd.git-lfs+json Success",
          .body_bytes_max = kCompletionBytesMax,
          .check = check_complete,
          .rate = RateClass::kTransfers,
          .handler_wait_s = 3600},
    Route{.method = "POST",
          .pattern = "/api/lfs/verify/{oid}",
          .allow = Allow::kSignedUrl,
          .handler = verify_by_link,
          .summary = "Whether a large file arrived with its size, by a link of the batch.",
          .source = kGitLfs,
          .query = kLinkQuery,
          .request = "application/vnd.git-lfs+json LfsSize|LfsSize",
          .answer = "application/vnd.git-lfs+json LfsVerified",
          .body_bytes_max = 64 * 1024,
          .check = check_verify,
          .rate = RateClass::kTransfers},
    Route{.method = "GET",
          .pattern = "/api/lfs/objects/{oid}",
          .allow = Allow::kSignedUrl,
          .handler = get_object,
          .summary = "A large file, or ranges of it, by a link of the batch.",
          .source = kGitLfs,
          .query = kLinkQuery,
          .answer = "application/octet-stream",
          .answer_headers = "ETag Accept-Ranges?",
          .check = check_download,
          .rate = RateClass::kTransfers},
};

}  // namespace

std::span<const Route> lfs_routes() {
  return kRoutes;
}

}  // namespace hearth::api
