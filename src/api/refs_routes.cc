// Branches, tags and commits (hub-api 4.2).

#include <algorithm>
#include <array>

#include "api/api.h"
#include "base/text.h"
#include "hub/commits.h"
#include "hub/contents.h"
#include "hub/limits.h"

namespace hearth::api {
namespace {

constexpr uint64_t kBodyBytesMax = 64 * 1024;

json::array refs_json(const std::vector<hub::Ref>& refs) {
  json::array list;
  for (const hub::Ref& ref : refs) {
    list.push_back(
        json::object{{"name", ref.name}, {"ref", ref.ref}, {"targetCommit", ref.target_commit}});
  }
  return list;
}

json::object body_or_empty(const Call& call) {
  return trim(call.body).empty() ? json::object{} : call.json_body();
}

http::Response refs(Call& call) {
  hub::RefList list = call.services.contents->refs(call.repo());
  json::object answer;
  answer["branches"] = refs_json(list.branches);
  answer["converts"] = refs_json(list.converts);
  answer["tags"] = refs_json(list.tags);
  if (call.query.flag("include_prs") || call.query.flag("include_pull_requests")) {
    answer["pullRequests"] = refs_json(list.pull_requests);
  }
  return reply(answer);
}

http::Response commits(Call& call) {
  hub::Contents& contents = *call.services.contents;
  hub::Revision revision = contents.resolve(call.repo(), call.param("rev"));
  uint64_t limit =
      std::clamp<uint64_t>(call.query.number("limit").value_or(50), 1, hub::kCommitsPageMax);
  // A page by number, or the cursor of our own links: how many to skip.
  uint64_t skip = call.query.number("cursor").value_or(call.query.number("p").value_or(0) * limit);
  hub::CommitPage page =
      contents.commits(call.repo(), revision, {.skip_count = skip, .limit = limit});
  auto expands = call.query.get_all("expand");
  bool formatted = std::find(expands.begin(), expands.end(), "formatted") != expands.end();
  json::array list;
  for (const hub::CommitEntry& commit : page.commits) {
    json::array authors;
    for (const std::string& user : commit.users) {
      authors.push_back(json::object{
          {"user", user}, {"avatar", call.url("/avatars/" + percent_encode(user) + ".svg")}});
    }
    json::object object{{"id", commit.oid},
                        {"title", commit.title},
                        {"message", commit.message},
                        {"authors", std::move(authors)},
                        {"date", iso8601_ms(commit.time_ms)}};
    if (formatted) {
      object["formatted"] = json::object{{"title", html_escape(commit.title)},
                                         {"message", html_escape(commit.message)}};
    }
    list.push_back(std::move(object));
  }
  http::Response response = reply(list);
  response.headers.set("X-Total-Count", std::to_string(page.total_count));
  if (page.has_more) add_next_link(response, call, std::to_string(skip + limit));
  return response;
}

http::Response compare(Call& call) {
  return http::Response::text(call.services.contents->compare(call.repo(), call.param("range")));
}

http::Response create_branch(Call& call) {
  json::object body = body_or_empty(call);
  hub::NewBranch branch{.starting_point = optional_string(body, "startingPoint").value_or(""),
                        .empty = optional_bool(body, "emptyBranch").value_or(false),
                        .overwrite = optional_bool(body, "overwrite").value_or(false)};
  call.services.commits->create_branch(call.caller(), call.repo(), call.param("branch"), branch);
  return reply(json::object{{"success", true}});
}

http::Response delete_branch(Call& call) {
  call.services.commits->delete_branch(call.caller(), call.repo(), call.param("branch"));
  return reply(json::object{{"success", true}});
}

http::Response create_tag(Call& call) {
  json::object body = call.json_body();
  call.services.commits->create_tag(call.caller(), call.repo(), require_string(body, "tag"),
                                    call.param("rev"),
                                    optional_string(body, "message").value_or(""));
  return reply(json::object{{"success", true}});
}

http::Response delete_tag(Call& call) {
  call.services.commits->delete_tag(call.caller(), call.repo(), call.param("rev"));
  return reply(json::object{{"success", true}});
}

http::Response super_squash(Call& call) {
  json::object body = body_or_empty(call);
  std::string message =
      optional_string(body, "message").value_or("Super-squash branch '" + call.param("rev") + "'");
  std::string oid =
      call.services.commits->super_squash(call.caller(), call.repo(), call.param("rev"), message);
  return reply(json::object{{"success", true}, {"commitOid", oid}});
}

constexpr std::array kRefsQuery = {
    QueryParameter{.name = "include_prs",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether the references of pull requests are told."},
    QueryParameter{
        .name = "include_pull_requests", .type = QueryParameter::Type::kFlag, .what = "The same."},
};

constexpr std::array kCommitsQuery = {
    kCursorParameter,
    QueryParameter{.name = "p", .type = QueryParameter::Type::kNumber, .what = "The page, from 0."},
    QueryParameter{.name = "limit",
                   .type = QueryParameter::Type::kNumber,
                   .what = "How many in a page.",
                   .min = 1,
                   .max = hub::kCommitsPageMax},
    QueryParameter{.name = "expand",
                   .type = QueryParameter::Type::kText,
                   .what = "\"formatted\": title and message as HTML, too.",
                   .values = "formatted",
                   .repeated = true},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/refs",
          .allow = Allow::kRepoSee,
          .handler = refs,
          .summary = "Branches, tags, converted branches and, when asked, pull requests.",
          .source = "huggingface_hub hf_api.py list_repo_refs",
          .query = kRefsQuery,
          .answer = "Refs"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/commits/{rev}",
          .allow = Allow::kRepoSee,
          .handler = commits,
          .summary = "The history of a revision, newest first, in pages.",
          .source = "huggingface_hub hf_api.py list_repo_commits; @huggingface/hub count-commits",
          .query = kCommitsQuery,
          .answer = "History",
          .answer_headers = "X-Total-Count Link?"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/compare/{range}",
          .allow = Allow::kRepoFiles,
          .handler = compare,
          .summary = "What differs between two revisions (a..b, a...b) or was changed by one, as a "
                     "diff.",
          .source = "operations.tsv, Get a compare rev",
          .answer = "text/plain"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/branch/{branch}",
          .allow = Allow::kRepoWrite,
          .handler = create_branch,
          .summary = "Makes a branch.",
          .source = "huggingface_hub hf_api.py create_branch; @huggingface/hub create-branch",
          .request = "NewBranch",
          .answer = "Success",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "DELETE",
          .pattern = "/api/{types}/{repo}/branch/{branch}",
          .allow = Allow::kRepoWrite,
          .handler = delete_branch,
          .summary = "Deletes a branch; never main.",
          .source = "huggingface_hub hf_api.py delete_branch",
          .answer = "Success"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/tag/{rev}",
          .allow = Allow::kRepoWrite,
          .handler = create_tag,
          .summary = "Tags a revision.",
          .source = "huggingface_hub hf_api.py create_tag",
          .request = "NewTag",
          .answer = "Success",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "DELETE",
          .pattern = "/api/{types}/{repo}/tag/{rev}",
          .allow = Allow::kRepoWrite,
          .handler = delete_tag,
          .summary = "Deletes a tag.",
          .source = "huggingface_hub hf_api.py delete_tag",
          .answer = "Success"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/super-squash/{rev}",
          .allow = Allow::kRepoWrite,
          .handler = super_squash,
          .summary = "Makes a branch one commit that holds its present files.",
          .source = "huggingface_hub hf_api.py super_squash_history",
          .request = "SquashMessage",
          .answer = "Squashed",
          .body_bytes_max = kBodyBytesMax},
};

}  // namespace

std::span<const Route> refs_routes() {
  return kRoutes;
}

}  // namespace hearth::api
