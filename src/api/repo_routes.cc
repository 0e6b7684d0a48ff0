// The life of repositories, and what is known of one (hub-api 4.1, 5.1).

#include <array>

#include "api/answer_memory.h"
#include "api/api.h"
#include "api/repo_query.h"
#include "base/text.h"
#include "db/db.h"
#include "hub/contents.h"
#include "hub/large_answers.h"
#include "hub/ledger.h"
#include "hub/listing.h"
#include "hub/repo_json.h"
#include "hub/repositories.h"

namespace hearth::api {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;
// @huggingface/hub sends first files along.
constexpr uint64_t kCreateBytesMax = 32u << 20;

hub::RepoType type_of(const json::object& body) {
  std::string text = optional_string(body, "type").value_or("model");
  auto type = hub::parse_repo_type(text);
  if (type) return *type;
  std::string sentence =
      "This hub keeps models, datasets and spaces; it has no repositories of the type '" + text +
      "'.";
  // The types that clients know besides (huggingface_hub constants.py, REPO_TYPES_WITH_KERNEL).
  if (text == "kernel" || text == "bucket") {
    throw Error(ErrorKind::kUnsupported, sentence, {.code = "NotImplemented"});
  }
  throw Error(ErrorKind::kInvalid, sentence);
}

/// `name` and `organization`, or a name that holds both; without a namespace it is the caller's.
hub::RepoId id_of(const Call& call, const json::object& body) {
  std::string name = require_string(body, "name");
  std::string full = name;
  if (name.find('/') == std::string::npos) {
    full = optional_string(body, "organization").value_or(call.who()->name) + "/" + name;
  }
  return value_or_throw(hub::RepoId::parse(full), "Invalid repository name '" + full + "'");
}

/// `visibility` is today's word, `private` the older clients'. A protected Space shows its app and
/// not its files: while there are no apps, that is a private one.
std::optional<bool> privacy_of(const json::object& body, hub::RepoType type) {
  if (auto visibility = optional_string(body, "visibility")) {
    if (*visibility == "public") return false;
    if (*visibility == "private") return true;
    if (*visibility == "protected" && type == hub::RepoType::kSpace) return true;
    throw Error(ErrorKind::kInvalid,
                "A visibility is public or private; of a Space also protected.");
  }
  return optional_bool(body, "private");
}

http::Response created(const Call& call, const hub::Repo& repo, int status) {
  json::object answer{{"url", call.repo_url(repo)}, {"name", repo.repo_id.full()}, {"id", repo.id}};
  return reply(answer, status);
}

/// 409 with the `url` of what is there: exist_ok reads it (hub-api trap 12).
http::Response exists(const Call& call, const hub::RepoExists& error) {
  json::object answer{{"error", error.message()}};
  if (call.services.access->may(call.who(), error.existing(), hub::RepoAction::kSee)) {
    answer["url"] = call.repo_url(error.existing());
    answer["id"] = error.existing().id;
  }
  http::Response response = reply(answer, 409);
  response.headers.set("X-Error-Message", error.message());
  return response;
}

/// Named to the user, not dropped in silence: huggingface_hub logs X-HF-Warning.
void warn_of_what_is_not_kept(http::Response& response, const json::object& body,
                              std::string_view topic) {
  std::vector<std::string> not_kept;
  for (const char* field : {"hardware", "region", "resourceGroupId", "secrets", "sleepTimeSeconds",
                            "template", "variables", "volumes"}) {
    if (const json::value* value = find(body, field)) {
      bool is_empty = value->is_array() && value->get_array().empty();
      if (!is_empty) not_kept.push_back(field);
    }
  }
  if (not_kept.empty()) return;
  response.headers.set(http::kWarning, std::string(topic) +
                                           "; This hub does not run Spaces yet and has not kept: " +
                                           join(not_kept, ", ") + ".");
}

http::Response create(Call& call) {
  json::object body = call.json_body();
  hub::NewRepo wanted{.type = type_of(body), .repo_id = id_of(call, body)};
  wanted.is_private = privacy_of(body, wanted.type);
  wanted.sdk = optional_string(body, "sdk").value_or("");
  wanted.license = optional_string(body, "license").value_or("");
  if (const json::array* files = get_array(body, "files")) {
    for (const json::value& value : *files) {
      const json::object* file = value.if_object();
      if (file == nullptr) throw Error(ErrorKind::kInvalid, "Each of 'files' must be an object.");
      hub::InitialFile initial{.path = require_string(*file, "path"),
                               .content = require_string(*file, "content")};
      if (optional_string(*file, "encoding") == "base64") {
        auto decoded = from_base64(initial.content);
        if (!decoded) {
          throw Error(ErrorKind::kInvalid, "The content of " + initial.path + " is not base64.");
        }
        initial.content = as_text(*decoded);
      }
      wanted.files.push_back(std::move(initial));
    }
  }
  try {
    http::Response response =
        created(call, call.services.repositories->create(call.caller(), wanted), 200);
    warn_of_what_is_not_kept(response, body, "create");
    return response;
  } catch (const hub::RepoExists& error) {
    return exists(call, error);
  }
}

/// The row lets in who may read the source's files; the copy is made by someone who may write.
void check_duplicate(Call& call) {
  call.services.access->require_signed_in(call.who(), true);
}

http::Response duplicate(Call& call) {
  json::object body = call.json_body();
  std::string name = require_string(body, "repository");
  hub::DuplicateRepo wanted{
      .repo_id = value_or_throw(hub::RepoId::parse(name), "Invalid repository name '" + name + "'"),
      .is_private = privacy_of(body, call.repo().type)};
  try {
    hub::Repo copy = call.services.repositories->duplicate(call.caller(), call.repo(), wanted);
    json::object answer{{"url", call.repo_url(copy)}, {"name", copy.repo_id.full()}};
    answer["id"] = copy.id;
    answer["filesCopyPending"] = false;  // Large files are shared: they are there at once.
    http::Response response = reply(answer);
    warn_of_what_is_not_kept(response, body, "duplicate");
    return response;
  } catch (const hub::RepoExists& error) {
    return exists(call, error);
  }
}

/// The repository that a body names, with the right to administer it; a former name works too.
hub::Repo require_administered(const Call& call, hub::RepoType type, const hub::RepoId& id) {
  auto found = call.services.repositories->find(type, id);
  if (!found) hub::Access::throw_repo_not_found(call.who());
  call.services.access->require(call.who(), found->repo, hub::RepoAction::kAdminister);
  return std::move(found->repo);
}

http::Response remove(Call& call) {
  json::object body = call.json_body();
  hub::Repo repo = require_administered(call, type_of(body), id_of(call, body));
  call.services.repositories->remove(call.caller().actor(), repo);
  return reply(json::object{{"success", true}});
}

http::Response move(Call& call) {
  json::object body = call.json_body();
  hub::RepoType type = type_of(body);
  auto parse = [&](std::string_view field) {
    std::string text = require_string(body, field);
    return value_or_throw(hub::RepoId::parse(text), "Invalid repository name '" + text + "'");
  };
  hub::Repo repo = require_administered(call, type, parse("fromRepo"));
  try {
    hub::Repo moved = call.services.repositories->move(call.caller(), repo, parse("toRepo"));
    return reply(json::object{{"success", true}, {"url", call.repo_url(moved)}});
  } catch (const hub::RepoExists& error) {
    return exists(call, error);
  }
}

http::Response settings(Call& call) {
  json::object body = call.json_body();
  hub::RepoSettings changes;
  changes.is_private = privacy_of(body, call.repo().type);
  changes.discussions_disabled = optional_bool(body, "discussionsDisabled");
  if (const json::value* gated = body.if_contains("gated"); gated != nullptr) {
    std::string text = gated->is_string() ? std::string(as_view(gated->get_string())) : "";
    if (text == "auto") {
      changes.gated = hub::Gated::kAuto;
    } else if (text == "manual") {
      changes.gated = hub::Gated::kManual;
    } else if (gated->is_bool() && !gated->get_bool()) {
      changes.gated = hub::Gated::kNo;
    } else {
      throw Error(ErrorKind::kInvalid, "'gated' is \"auto\", \"manual\" or false.");
    }
  }
  hub::Repo repo = call.services.repositories->update(call.caller().actor(), call.repo(), changes);
  json::object answer{{"private", repo.is_private}};
  answer["visibility"] = repo.is_private ? "private" : "public";
  answer["gated"] = repo.gated == hub::Gated::kNo     ? json::value(false)
                    : repo.gated == hub::Gated::kAuto ? json::value("auto")
                                                      : json::value("manual");
  return reply(answer);
}

/// `room` is held while there is such a list, when it is very long.
json::array siblings_json(Call& call, const hub::Revision& revision, bool with_blobs,
                          std::shared_ptr<const void>& room) {
  const auto files = call.services.contents->files(call.repo(), revision);
  uint64_t bytes = 0;
  for (const hub::TreeEntry& file : files) bytes += file.path.size() + (with_blobs ? 100 : 0);
  // Held already where main's files are many.
  if (!room && bytes > hub::kSmallAnswerPathBytes) room = hub::large_answers().take(bytes);
  json::array siblings;
  for (const hub::TreeEntry& file : files) {
    if (!with_blobs) {
      siblings.push_back(json::object{{"rfilename", file.path}});
    } else if (file.large) {
      siblings.push_back(hub::sibling_json(file.path, file.size_bytes, file.oid, file.large->sha256,
                                           file.large->pointer_bytes));
    } else {
      siblings.push_back(hub::sibling_json(file.path, file.size_bytes, file.oid));
    }
  }
  return siblings;
}

http::Response make_info(Call& call, const hub::Revision& revision) {
  const hub::Repo& repo = call.repo();
  std::vector<std::string> names = call.query.get_all("expand");
  bool default_fields = names.empty();
  hub::FieldSet fields =
      default_fields ? hub::info_fields(repo.type) : hub::expand_fields(repo.type, names);
  hub::RepoView view =
      hub::load_view(*call.services.database, repo, fields, *call.services.access, call.who());
  view.sha = revision.commit_oid;
  if (fields.contains("lastModified")) {
    view.last_modified_ms = call.services.contents->commit_time_ms(repo, revision.commit_oid);
  }
  bool with_blobs = call.query.flag("blobs");
  bool is_indexed = view.facts.commit_oid == revision.commit_oid;
  if (fields.contains("siblings") && (with_blobs || !is_indexed)) {
    view.facts.paths.clear();
    view.siblings = siblings_json(call, revision, with_blobs, view.room);
  }
  if (fields.contains("usedStorage")) {
    view.used_storage_bytes = call.services.ledger->used_bytes(repo);
  }
  json::object answer = hub::repo_json(view, fields);
  if (call.query.flag("securityStatus")) {
    // Nothing has been scanned: so it says.
    answer["securityRepoStatus"] =
        json::object{{"scansDone", false}, {"filesWithIssues", json::array{}}};
  }
  http::Response response = reply(answer);
  response.headers.set("X-Repo-Commit", revision.commit_oid);
  return response;
}

http::Response answer_info(Call& call, std::string_view rev) {
  hub::Revision revision = call.services.contents->resolve(call.repo(), rev);
  return call.services.answers->answer(call, revision.commit_oid,
                                       [&] { return make_info(call, revision); });
}

http::Response info(Call& call) {
  return answer_info(call, "HEAD");
}

http::Response revision_info(Call& call) {
  return answer_info(call, call.param("rev"));
}

http::Response authorized(Call&) {
  return reply(json::object{{"success", true}});
}

constexpr std::array kInfoQuery = {
    kExpandParameter,
    QueryParameter{.name = "blobs",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether files come with size and object id."},
    QueryParameter{.name = "securityStatus",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether what scans have found is told: nothing was scanned."},
};

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/api/repos/create",
          .allow = Allow::kSignedInWrite,
          .handler = create,
          .summary = "Makes a repository with its first commit.",
          .source = "huggingface_hub hf_api.py create_repo; @huggingface/hub create-repo",
          .request = "CreateRepo",
          .answer = "CreatedRepo",
          .answer_headers = "X-HF-Warning?",
          .not_built = "For types of repositories that are not built: kernel and bucket.",
          .body_bytes_max = kCreateBytesMax},
    Route{.method = "DELETE",
          .pattern = "/api/repos/delete",
          .allow = Allow::kSignedInWrite,
          .handler = remove,
          .summary = "Deletes a repository.",
          .source = "huggingface_hub hf_api.py delete_repo",
          .request = "NamedRepo",
          .answer = "Success",
          .not_built = "For types of repositories that are not built: kernel and bucket.",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/repos/move",
          .allow = Allow::kSignedInWrite,
          .handler = move,
          .summary = "Gives a repository another name; the old one leads to it.",
          .source = "huggingface_hub hf_api.py move_repo",
          .request = "MoveRepo",
          .answer = "MovedRepo",
          .not_built = "For types of repositories that are not built: kernel and bucket.",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/duplicate",
          .allow = Allow::kRepoFiles,
          .handler = duplicate,
          .summary = "Makes a copy of a repository, with its history and its large files.",
          .source = "huggingface_hub hf_api.py duplicate_repo",
          .request = "DuplicateRepo",
          .answer = "DuplicatedRepo",
          .answer_headers = "X-HF-Warning?",
          .body_bytes_max = kBodyBytesMax,
          .check = check_duplicate,
          // The history is copied before the answer: some minutes for one of many GiB.
          .handler_wait_s = 600},
    Route{.method = "PUT",
          .pattern = "/api/{types}/{repo}/settings",
          .allow = Allow::kRepoAdminister,
          .handler = settings,
          .summary = "Changes visibility, gating and discussions.",
          .source = "huggingface_hub hf_api.py update_repo_settings",
          .request = "ChangeSettings",
          .answer = "Settings",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}",
          .allow = Allow::kRepoSee,
          .handler = info,
          .summary = "What is known of a repository, at its default branch.",
          .source = "huggingface_hub hf_api.py model_info, dataset_info, space_info",
          .query = kInfoQuery,
          .answer = "RepoInfo",
          .answer_headers = "X-Repo-Commit"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/revision/{rev}",
          .allow = Allow::kRepoSee,
          .handler = revision_info,
          .summary = "The same at a revision.",
          .source = "huggingface_hub hf_api.py repo_info; _snapshot_download.py",
          .query = kInfoQuery,
          .answer = "RepoInfo",
          .answer_headers = "X-Repo-Commit"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/auth-check",
          .allow = Allow::kRepoFiles,
          .handler = authorized,
          .summary = "Whether the caller may read the files.",
          .source = "huggingface_hub hf_api.py auth_check",
          .answer = "Success"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/auth-check/write",
          .allow = Allow::kRepoWrite,
          .handler = authorized,
          .summary = "Whether the caller may write.",
          .source = "huggingface_hub hf_api.py auth_check",
          .answer = "Success"},
};

}  // namespace

std::span<const Route> repo_routes() {
  return kRoutes;
}

}  // namespace hearth::api
