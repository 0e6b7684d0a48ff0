// Discussions and pull requests (hub-api 8.1).

#include <array>
#include <charconv>

#include "api/api.h"
#include "base/text.h"
#include "hub/access.h"
#include "hub/community.h"

namespace hearth::api {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;

int64_t number_of(const Call& call) {
  const std::string& text = call.param("num");
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) {
    throw Error(ErrorKind::kNotFound, "There is no discussion '" + text + "'.");
  }
  return number;
}

json::object body_or_empty(const Call& call) {
  return trim(call.body).empty() ? json::object{} : call.json_body();
}

http::Response list(Call& call) {
  hub::DiscussionFilter filter;
  std::string type = call.query.get("type").value_or("all");
  if (type == "pull_request") filter.is_pull_request = true;
  if (type == "discussion") filter.is_pull_request = false;
  std::string status = call.query.get("status").value_or("all");
  if (status == "open" || status == "closed") filter.status = status;
  filter.author = call.query.get("author").value_or("");
  filter.page = call.query.number("p").value_or(0);
  return reply(call.services.community->list(call.repo(), filter));
}

http::Response create(Call& call) {
  json::object body = call.json_body();
  hub::NewDiscussion wanted{.title = require_string(body, "title"),
                            .description = optional_string(body, "description").value_or(""),
                            .is_pull_request = optional_bool(body, "pullRequest").value_or(false)};
  return reply(call.services.community->create(call.caller(), call.repo(), wanted));
}

http::Response details(Call& call) {
  // A diff shows content, which may be behind a gate.
  bool with_diff = call.query.flag("diff") &&
                   call.services.access->may(call.who(), call.repo(), hub::RepoAction::kReadFiles);
  return reply(
      call.services.community->details(call.repo(), number_of(call), {.with_diff = with_diff}));
}

http::Response comment(Call& call) {
  std::string text = require_string(call.json_body(), "comment");
  json::object answer;
  answer["newMessage"] =
      call.services.community->comment(call.caller(), call.repo(), number_of(call), text);
  return reply(answer);
}

http::Response rename(Call& call) {
  std::string title = require_string(call.json_body(), "title");
  json::object answer;
  answer["newTitle"] =
      call.services.community->rename(call.caller(), call.repo(), number_of(call), title);
  return reply(answer);
}

http::Response set_status(Call& call) {
  json::object body = call.json_body();
  json::object answer;
  answer["newStatus"] = call.services.community->set_status(
      call.caller(), call.repo(), number_of(call), require_string(body, "status"),
      optional_string(body, "comment").value_or(""));
  return reply(answer);
}

http::Response merge(Call& call) {
  json::object body = body_or_empty(call);
  std::string oid = call.services.community->merge(call.caller(), call.repo(), number_of(call),
                                                   optional_string(body, "comment").value_or(""));
  return reply(json::object{{"success", true}, {"mergeCommitId", oid}});
}

http::Response edit_comment(Call& call) {
  std::string text = require_string(call.json_body(), "content");
  json::object answer;
  answer["updatedComment"] = call.services.community->edit_comment(
      call.caller(), call.repo(), number_of(call), call.param("comment"), text);
  return reply(answer);
}

http::Response hide_comment(Call& call) {
  json::object answer;
  answer["updatedComment"] = call.services.community->hide_comment(
      call.caller(), call.repo(), number_of(call), call.param("comment"));
  return reply(answer);
}

constexpr std::string_view kSource = "huggingface_hub hf_api.py, community.py";

constexpr std::array kListQuery = {
    QueryParameter{.name = "type",
                   .type = QueryParameter::Type::kText,
                   .what = "Which kinds.",
                   .values = "all|discussion|pull_request"},
    QueryParameter{.name = "status",
                   .type = QueryParameter::Type::kText,
                   .what = "Which states.",
                   .values = "all|open|closed"},
    QueryParameter{.name = "author",
                   .type = QueryParameter::Type::kText,
                   .what = "Only those of this account."},
    QueryParameter{.name = "p", .type = QueryParameter::Type::kNumber, .what = "The page, from 0."},
};

constexpr std::array kDetailsQuery = {
    QueryParameter{
        .name = "diff",
        .type = QueryParameter::Type::kFlag,
        .what = "Whether a pull request comes with its diff, if the caller may read files."},
};

constexpr std::array kRoutes = {
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/discussions",
          .allow = Allow::kRepoSee,
          .handler = list,
          .summary = "Discussions and pull requests, the newest first.",
          .source = kSource,
          .query = kListQuery,
          .answer = "Discussions"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions",
          .allow = Allow::kRepoDiscuss,
          .handler = create,
          .summary = "Opens a discussion, or a pull request as a draft.",
          .source = kSource,
          .request = "NewDiscussion",
          .answer = "Discussion",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/discussions/{num}",
          .allow = Allow::kRepoSee,
          .handler = details,
          .summary = "One discussion with its events; of a pull request also the diff.",
          .source = kSource,
          .query = kDetailsQuery,
          .answer = "Discussion"},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/comment",
          .allow = Allow::kRepoDiscuss,
          .handler = comment,
          .summary = "Comments.",
          .source = kSource,
          .request = "NewComment",
          .answer = "AddedComment",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/title",
          .allow = Allow::kRepoDiscuss,
          .handler = rename,
          .summary = "Changes the title.",
          .source = kSource,
          .request = "NewTitle",
          .answer = "ChangedTitle",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/status",
          .allow = Allow::kRepoDiscuss,
          .handler = set_status,
          .summary = "Opens or closes.",
          .source = kSource,
          .request = "NewStatus",
          .answer = "ChangedStatus",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/merge",
          .allow = Allow::kRepoWrite,
          .handler = merge,
          .summary = "Merges a pull request.",
          .source = kSource,
          .request = "MergeComment",
          .answer = "Merged",
          .body_bytes_max = kBodyBytesMax,
          .handler_wait_s = 300},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/comment/{comment}/edit",
          .allow = Allow::kRepoDiscuss,
          .handler = edit_comment,
          .summary = "Edits a comment.",
          .source = kSource,
          .request = "EditComment",
          .answer = "UpdatedComment",
          .body_bytes_max = kBodyBytesMax},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/discussions/{num}/comment/{comment}/hide",
          .allow = Allow::kRepoDiscuss,
          .handler = hide_comment,
          .summary = "Hides a comment for good.",
          .source = kSource,
          .request = "*/*",
          .answer = "UpdatedComment",
          .body_bytes_max = kBodyBytesMax},
};

}  // namespace

std::span<const Route> community_routes() {
  return kRoutes;
}

}  // namespace hearth::api
