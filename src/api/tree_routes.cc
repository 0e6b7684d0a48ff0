// What a revision holds: the tree, and single paths (hub-api 4.3).

#include <array>

#include "api/answer_memory.h"
#include "api/api.h"
#include "hub/contents.h"
#include "hub/limits.h"

namespace hearth::api {
namespace {

constexpr uint64_t kPathsBodyBytesMax = 4u << 20;  // 1,000 paths of 1 KiB, percent-encoded.

json::object entry_json(const hub::TreeEntry& entry, bool expand) {
  json::object object;
  switch (entry.type) {
    case hub::EntryType::kFile:
      object["type"] = "file";
      break;
    case hub::EntryType::kDirectory:
      object["type"] = "directory";
      break;
    case hub::EntryType::kSubmodule:
      object["type"] = "unknown";
      break;
  }
  object["oid"] = entry.oid;
  object["size"] = entry.size_bytes;
  if (entry.large) {
    object["lfs"] = json::object{{"oid", entry.large->sha256},
                                 {"size", entry.large->size_bytes},
                                 {"pointerSize", entry.large->pointer_bytes}};
    if (!entry.large->xet_hash.empty()) object["xetHash"] = entry.large->xet_hash;
  }
  object["path"] = entry.path;
  if (!expand) return object;
  if (entry.last_commit) {
    object["lastCommit"] = json::object{{"id", entry.last_commit->oid},
                                        {"title", entry.last_commit->title},
                                        {"date", iso8601_ms(entry.last_commit->time_ms)}};
  }
  if (entry.type == hub::EntryType::kFile) {
    // Python reads these three keys by [] access.
    object["securityFileStatus"] =
        json::object{{"status", "unscanned"}, {"avScan", nullptr}, {"pickleImportScan", nullptr}};
  }
  return object;
}

http::Response make_tree(Call& call, const hub::Revision& revision) {
  hub::Contents& contents = *call.services.contents;
  const std::string& rev = call.param("rev");
  hub::TreeRequest request;
  if (auto it = call.params.find("path"); it != call.params.end()) request.path = it->second;
  request.recursive = call.query.flag("recursive");
  request.expand = call.query.flag("expand");
  request.cursor = call.query.get("cursor").value_or("");
  request.limit = call.query.number("limit").value_or(1000);
  hub::TreePage page = contents.tree(call.repo(), revision, request, rev);
  json::array entries;
  for (const hub::TreeEntry& entry : page.entries) {
    entries.push_back(entry_json(entry, request.expand));
  }
  http::Response response = reply(entries);
  response.headers.set("X-Repo-Commit", revision.commit_oid);
  if (!page.next_cursor.empty()) add_next_link(response, call, page.next_cursor);
  return response;
}

http::Response tree(Call& call) {
  hub::Revision revision = call.services.contents->resolve(call.repo(), call.param("rev"));
  return call.services.answers->answer(call, revision.commit_oid,
                                       [&] { return make_tree(call, revision); });
}

http::Response tree_size(Call& call) {
  hub::Contents& contents = *call.services.contents;
  hub::Revision revision = contents.resolve(call.repo(), call.param("rev"));
  std::string path;
  if (auto it = call.params.find("path"); it != call.params.end()) path = it->second;
  uint64_t size_bytes = contents.tree_size_bytes(call.repo(), revision, path, call.param("rev"));
  http::Response response = reply(json::object{{"path", path}, {"size", size_bytes}});
  response.headers.set("X-Repo-Commit", revision.commit_oid);
  return response;
}

/// Python sends a form, JavaScript JSON (hub-api trap 9).
http::Response paths_info(Call& call) {
  hub::Revision revision = call.services.contents->resolve(call.repo(), call.param("rev"));
  std::vector<std::string> paths;
  bool expand = false;
  if (call.head.content_type_is("application/json")) {
    json::object body = call.json_body();
    if (const json::array* listed = get_array(body, "paths")) {
      for (const json::value& path : *listed) {
        if (path.is_string()) paths.emplace_back(as_view(path.get_string()));
      }
    } else {
      paths.push_back(require_string(body, "paths"));
    }
    expand = optional_bool(body, "expand").value_or(false);
  } else {
    Query form = call.form_body();
    paths = form.get_all("paths");
    expand = form.flag("expand");
  }
  json::array entries;
  for (const hub::TreeEntry& entry :
       call.services.contents->paths_info(call.repo(), revision, paths, {.expand = expand})) {
    entries.push_back(entry_json(entry, expand));
  }
  return reply(entries);
}

constexpr std::array kTreeQuery = {
    QueryParameter{.name = "recursive",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether what is in folders below is told, too."},
    QueryParameter{.name = "expand",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether each entry comes with its last commit."},
    kCursorParameter,
    QueryParameter{.name = "limit",
                   .type = QueryParameter::Type::kNumber,
                   .what = "How many in a page; at most 100 with expand.",
                   .min = 1,
                   .max = hub::kTreePageMax},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/tree/{rev}",
          .allow = Allow::kRepoSee,
          .handler = tree,
          .summary = "The files and folders at a revision's root.",
          .source = "huggingface_hub hf_api.py list_repo_tree",
          .query = kTreeQuery,
          .answer = "TreeEntries",
          .answer_headers = "X-Repo-Commit Link?"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/tree/{rev}/{path*}",
          .allow = Allow::kRepoSee,
          .handler = tree,
          .summary = "The files and folders of one folder.",
          .source = "huggingface_hub hf_api.py list_repo_tree",
          .query = kTreeQuery,
          .answer = "TreeEntries",
          .answer_headers = "X-Repo-Commit Link?"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/treesize/{rev}",
          .allow = Allow::kRepoSee,
          .handler = tree_size,
          .summary = "How many bytes the files of a revision take up.",
          .source = "operations.tsv, Get folder size",
          .answer = "TreeSize",
          .answer_headers = "X-Repo-Commit"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/treesize/{rev}/{path*}",
          .allow = Allow::kRepoSee,
          .handler = tree_size,
          .summary = "How many bytes the files of a folder take up.",
          .source = "operations.tsv, Get folder size",
          .answer = "TreeSize",
          .answer_headers = "X-Repo-Commit"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/paths-info/{rev}",
          .allow = Allow::kRepoSee,
          .handler = paths_info,
          .summary = "What is known of some paths; those that do not exist are left out.",
          .source = "huggingface_hub hf_api.py get_paths_info; @huggingface/hub paths-info",
          .request = "PathsInfo|application/x-www-form-urlencoded",
          .answer = "TreeEntries",
          .body_bytes_max = kPathsBodyBytesMax},
};

}  // namespace

std::span<const Route> tree_routes() {
  return kRoutes;
}

}  // namespace hearth::api
