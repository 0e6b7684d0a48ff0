// Large files of a repository as things of their own (hub-api 4.1, lfs-files).

#include <array>

#include "api/api.h"
#include "hub/lfs_files.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;
// huggingface_hub 2.4.0 _commit_api.py, DUPLICATE_LFS_BATCH_SIZE, is 500.
constexpr size_t kSharedFilesMax = 1000;

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

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/lfs-files/duplicate",
          .allow = Allow::kRepoFiles,
          .handler = duplicate,
          .summary = "Gives another repository large files of this one, without copying them.",
          .source = "huggingface_hub hf_api.py _duplicate_lfs_files (copy_files)",
          .body_bytes_max = kBodyBytesMax,
          .check = check_signed_in_to_write,
          .rate = RateClass::kWrite},
};

}  // namespace

std::span<const Route> lfs_files_routes() {
  return kRoutes;
}

}  // namespace hearth::api
