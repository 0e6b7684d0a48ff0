// Large files of a repository as things of their own (hub-api 4.1, lfs-files).

#include <algorithm>
#include <array>

#include "api/api.h"
#include "api/limits.h"
#include "base/bytes.h"
#include "hub/lfs_files.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;
constexpr int kHistoryWaitS = 600;  // All of a long history is read, or written.

/// The row lets in who may read the source's files; what is changed is another repository.
void check_signed_in_to_write(Call& call) {
  call.services.access->require_signed_in(call.who(), true);
}

/// The repository that a body names as {"type", "name"}, with the right to bring files into it: as
/// for uploads, that of a pull request is enough, since only a commit makes them visible.
hub::Repo require_target(const Call& call, const json::object& body) {
  const json::object* target = get_object(body, "target");
  if (target == nullptr) throw Error(ErrorKind::kInvalid, "The field 'target' must be an object.");
  std::string kind = optional_string(*target, "type").value_or("model");
  auto type = hub::parse_repo_type(kind);
  if (!type) {
    throw Error(ErrorKind::kUnsupported,
                "This hub has no repositories of the type '" + kind + "' to copy files to.",
                {.code = "NotImplemented"});
  }
  std::string name = require_string(*target, "name");
  auto id = value_or_throw(hub::RepoId::parse(name), "Invalid repository name '" + name + "'");
  auto found = call.services.repositories->find(*type, id);
  if (!found) hub::Access::throw_repo_not_found(call.who());
  call.services.access->require(call.who(), found->repo, hub::RepoAction::kDiscuss);
  return std::move(found->repo);
}

http::Response duplicate(Call& call) {
  json::object body = call.json_body();
  hub::Repo target = require_target(call, body);
  const json::array* listed = get_array(body, "files");
  if (listed == nullptr || listed->size() > kSharedFilesMax) {
    throw Error(ErrorKind::kInvalid, "The field 'files' must be a list of at most 1,000.");
  }
  std::vector<hub::SharedFile> files;
  for (const json::value& value : *listed) {
    const json::object* file = value.if_object();
    if (file == nullptr) throw Error(ErrorKind::kInvalid, "Each of 'files' must be an object.");
    files.push_back({.sha256 = require_string(*file, "sha256"),
                     .xet_hash = optional_string(*file, "xetHash").value_or("")});
  }
  json::array failed;
  for (const hub::SharingFailure& failure :
       call.services.lfs_files->share(call.repo(), target, files)) {
    failed.push_back(json::object{{"sha256", failure.sha256}, {"error", failure.reason}});
  }
  return reply(json::object{{"success", failed.empty()}, {"failed", std::move(failed)}});
}

http::Response list(Call& call) {
  size_t limit = std::clamp<uint64_t>(call.query.number("limit").value_or(kLfsFilesPageMax), 1,
                                      kLfsFilesPageMax);
  hub::LfsFilePage page =
      call.services.lfs_files->list(call.repo(), call.query.get("cursor").value_or(""), limit);
  json::array files;
  for (const hub::LfsFile& file : page.files) {
    json::object item{{"fileOid", file.sha256}};
    // Clients want a name also of what no commit names.
    item["filename"] = file.path.empty() ? file.sha256 : file.path;
    item["oid"] = file.sha256;
    item["pushedAt"] = iso8601_ms(file.pushed_ms);
    if (!file.ref.empty()) item["ref"] = file.ref;
    item["size"] = file.size_bytes;
    if (!file.xet_hash.empty()) item["xetHash"] = file.xet_hash;
    files.push_back(std::move(item));
  }
  http::Response response = reply(files);
  if (!page.next_cursor.empty()) add_next_link(response, call, page.next_cursor);
  return response;
}

http::Response remove_many(Call& call) {
  json::object body = call.json_body();
  const json::object* deletions = get_object(body, "deletions");
  const json::array* listed = deletions == nullptr ? nullptr : get_array(*deletions, "sha");
  if (listed == nullptr || listed->size() > kLfsDeletionsMax) {
    throw Error(ErrorKind::kInvalid, "'deletions' must hold a list 'sha' of at most 1,000.");
  }
  hub::LfsFiles::Deletion deletion{.rewrite_history =
                                       optional_bool(*deletions, "rewriteHistory").value_or(false)};
  for (const json::value& value : *listed) {
    std::string sha256(value.is_string() ? as_view(value.get_string()) : std::string_view());
    if (!is_sha256_hex(sha256)) throw Error(ErrorKind::kInvalid, "A 'sha' is a SHA-256.");
    deletion.sha256s.push_back(std::move(sha256));
  }
  call.services.lfs_files->remove(call.caller(), call.repo(), deletion);
  return reply(json::object{{"success", true}});
}

http::Response remove_one(Call& call) {
  const std::string& sha256 = call.param("sha");
  if (!is_sha256_hex(sha256)) throw Error(ErrorKind::kInvalid, "The file is named by its SHA-256.");
  call.services.lfs_files->remove(
      call.caller(), call.repo(),
      {.sha256s = {sha256}, .rewrite_history = call.query.flag("rewriteHistory")});
  return reply(json::object{{"success", true}});
}

constexpr std::array kListQuery = {
    kCursorParameter,
    QueryParameter{.name = "limit",
                   .type = QueryParameter::Type::kNumber,
                   .what = "How many in a page.",
                   .min = 1,
                   .max = kLfsFilesPageMax},
};

constexpr std::array kDeletionQuery = {
    QueryParameter{.name = "rewriteHistory",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether the file is taken out of every commit, too."},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/lfs-files",
          .allow = Allow::kRepoWrite,
          .handler = list,
          .summary = "The large files that a repository has, with a path of each, in pages.",
          .source = "huggingface_hub hf_api.py list_lfs_files",
          .query = kListQuery,
          .answer = "LfsFiles",
          .answer_headers = "Link?",
          .handler_wait_s = kHistoryWaitS},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/lfs-files/batch",
          .allow = Allow::kRepoWrite,
          .handler = remove_many,
          .summary = "Deletes large files for good; with rewriteHistory out of every commit, too.",
          .source = "huggingface_hub hf_api.py permanently_delete_lfs_files",
          .request = "DeleteLfsFiles",
          .answer = "Success",
          .body_bytes_max = kBodyBytesMax,
          .handler_wait_s = kHistoryWaitS},
    Route{.method = "DELETE",
          .pattern = "/api/{types}/{repo}/lfs-files/{sha}",
          .allow = Allow::kRepoWrite,
          .handler = remove_one,
          .summary = "Deletes one large file for good.",
          .source = "operations.tsv, Delete Large file",
          .query = kDeletionQuery,
          .answer = "Success",
          .handler_wait_s = kHistoryWaitS},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/lfs-files/duplicate",
          .allow = Allow::kRepoFiles,
          .handler = duplicate,
          .summary = "Gives another repository large files of this one, without copying them.",
          .source = "huggingface_hub hf_api.py _duplicate_lfs_files (copy_files)",
          .request = "DuplicateLfsFiles",
          .answer = "DuplicatedLfsFiles",
          .not_built = "For targets that are not built: kernels and buckets.",
          .body_bytes_max = kBodyBytesMax,
          .check = check_signed_in_to_write},
};

}  // namespace

std::span<const Route> lfs_files_routes() {
  return kRoutes;
}

}  // namespace hearth::api
