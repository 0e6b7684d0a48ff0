// Likes. Clients take theirs back and list; giving one is for pages (hub-api 4.1).

#include <array>

#include "api/api.h"
#include "base/time.h"
#include "hub/accounts.h"
#include "hub/likes.h"

namespace hearth::api {
namespace {

constexpr size_t kPage = 500;

http::Response like(Call& call) {
  call.services.likes->set(*call.who(), call.repo(), true);
  return reply(json::object{});
}

http::Response unlike(Call& call) {
  call.services.likes->set(*call.who(), call.repo(), false);
  return reply(json::object{});
}

http::Response likers(Call& call) {
  auto list =
      call.services.likes->likers(call.repo(), call.query.get("cursor").value_or(""), kPage);
  json::array answer;
  for (const hub::Liker& liker : list) {
    answer.push_back(json::object{{"_id", liker.user_id},
                                  {"user", liker.name},
                                  {"fullname", liker.fullname},
                                  {"avatarUrl", call.url("/avatars/" + liker.name + ".svg")},
                                  {"type", "user"},
                                  {"isPro", false}});
  }
  http::Response response = reply(answer);
  if (list.size() == kPage) add_next_link(response, call, list.back().user_id);
  return response;
}

http::Response liked(Call& call) {
  auto user = call.services.accounts->find_user(call.param("user"));
  if (!user) throw Error(ErrorKind::kNotFound, "There is no user of that name.");
  std::string next;
  auto list = call.services.likes->liked_by(user->id, call.who(),
                                            call.query.get("cursor").value_or(""), kPage, next);
  json::array answer;
  for (const hub::LikedRepo& one : list) {
    answer.push_back(
        json::object{{"createdAt", iso8601_ms(one.created_ms)},
                     {"repo", json::object{{"name", one.repo.repo_id.full()},
                                           {"type", std::string(hub::to_string(one.repo.type))}}}});
  }
  http::Response response = reply(answer);
  if (!next.empty()) add_next_link(response, call, next);
  return response;
}

constexpr std::array kCursorQuery = {kCursorParameter};

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/like",
          .allow = Allow::kSignedInWrite,
          .handler = like,
          .summary = "Likes a repository.",
          .source = "a browser",
          .request = "*/*",
          .answer = "Nothing",
          .body_bytes_max = 64 * 1024},
    Route{.method = "DELETE",
          .pattern = "/api/{types}/{repo}/like",
          .allow = Allow::kSignedInWrite,
          .handler = unlike,
          .summary = "Likes it no longer.",
          .source = "huggingface_hub hf_api.py unlike",
          .answer = "Nothing"},
    Route{.method = "GET",
          .pattern = "/api/{types}/{repo}/likers",
          .allow = Allow::kRepoSee,
          .handler = likers,
          .summary = "Who likes a repository, in pages.",
          .source = "huggingface_hub hf_api.py list_repo_likers",
          .query = kCursorQuery,
          .answer = "Users",
          .answer_headers = "Link?"},
    Route{.method = "GET",
          .pattern = "/api/users/{user}/likes",
          .allow = Allow::kAnyone,
          .handler = liked,
          .summary = "What a person likes, as far as the caller sees it, in pages.",
          .source = "huggingface_hub hf_api.py list_liked_repos",
          .query = kCursorQuery,
          .answer = "LikedRepos",
          .answer_headers = "Link?"},
};

}  // namespace

std::span<const Route> like_routes() {
  return kRoutes;
}

}  // namespace hearth::api
