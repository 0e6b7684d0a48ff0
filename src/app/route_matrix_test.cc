// Every route, called in every role. What a row says about who may call it is compared with what
// the server does: a handler that can be reached by someone else fails here, whoever wrote it.

#include <map>

#include <gtest/gtest.h>

#include "api/api.h"
#include "api/request_log.h"
#include "app/instance.h"
#include "base/text.h"
#include "base/time.h"

namespace hearth::app {
namespace {

using api::Allow;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "hearth-routes-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { remove_tree(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class NeverGone : public http::Peer {
 public:
  bool gone() const noexcept override { return false; }
};

/// The roles of the matrix. All but the first carry a token.
enum class Role {
  kStranger,
  kOther,   // signed in, no member
  kReader,  // member with the role read
  kWriter,
  kOwner,
  kAdministrator,
  kReadToken,      // the owner's, for reading only
  kReaderOfOther,  // the owner's, fine-grained, for reading another repository
  kRevoked,        // was the owner's
  kExpired,        // was the owner's
};
constexpr Role kRoles[] = {
    Role::kStranger,      Role::kOther,     Role::kReader,        Role::kWriter,  Role::kOwner,
    Role::kAdministrator, Role::kReadToken, Role::kReaderOfOther, Role::kRevoked, Role::kExpired};

bool is_dead(Role role) {
  return role == Role::kRevoked || role == Role::kExpired;
}

std::string name_of(Role role) {
  switch (role) {
    case Role::kStranger:
      return "stranger";
    case Role::kOther:
      return "other";
    case Role::kReader:
      return "reader";
    case Role::kWriter:
      return "writer";
    case Role::kOwner:
      return "owner";
    case Role::kAdministrator:
      return "administrator";
    case Role::kReadToken:
      return "read token";
    case Role::kReaderOfOther:
      return "fine-grained token of another repository";
    case Role::kRevoked:
      return "revoked token";
    case Role::kExpired:
      return "expired token";
  }
  return "";
}

/// A hub with an organisation that has a private repository of each type and one member per role.
class RouteMatrix : public ::testing::Test {
 protected:
  RouteMatrix() : instance_({.data_dir = folder_.path()}, clock_), app_(instance_.services()) {
    auto by = hub::Actor::command_line();
    auto& accounts = instance_.accounts;
    for (const char* name : {"other", "reader", "writer", "owner"}) {
      accounts.create_user(by, {.name = name});
    }
    accounts.create_user(by, {.name = "root", .is_admin = true});
    accounts.create_organisation(by, {.name = "acme", .owner = "owner"});
    accounts.set_member(by, "acme", "reader", hub::OrgRole::kRead);
    accounts.set_member(by, "acme", "writer", hub::OrgRole::kWrite);
    auto token = [&](const char* user, hub::TokenRole role, const char* name = "t") {
      return accounts.create_token(by, user, {.display_name = name, .role = role}).value;
    };
    tokens_[Role::kOther] = token("other", hub::TokenRole::kWrite);
    tokens_[Role::kReader] = token("reader", hub::TokenRole::kWrite);
    tokens_[Role::kWriter] = token("writer", hub::TokenRole::kWrite);
    tokens_[Role::kOwner] = token("owner", hub::TokenRole::kWrite);
    tokens_[Role::kAdministrator] = token("root", hub::TokenRole::kWrite);
    tokens_[Role::kReadToken] = token("owner", hub::TokenRole::kRead, "r");
    tokens_[Role::kRevoked] = token("owner", hub::TokenRole::kWrite, "gone");
    accounts.revoke_token(by, "owner", "gone");
    constexpr int64_t kLong = 1000;
    tokens_[Role::kExpired] = accounts
                                  .create_token(by, "owner",
                                                {.display_name = "old",
                                                 .role = hub::TokenRole::kWrite,
                                                 .expires_ms = clock_.now_ms() + kLong})
                                  .value;
    clock_.advance_ms(2 * kLong);

    auto owner = accounts.authenticate_token(tokens_[Role::kOwner]);
    hub::Caller caller{.identity = *owner, .remote_address = "127.0.0.1"};
    auto gated = instance_.parts.repositories.create(caller, {.repo_id = {"acme", "gated"}});
    instance_.parts.repositories.update(by, gated, {.gated = hub::Gated::kManual});
    tokens_[Role::kReaderOfOther] =
        accounts
            .create_token(by, "owner",
                          {.display_name = "one",
                           .role = hub::TokenRole::kFineGrained,
                           .scopes = {.scopes = {{.entity_type = "model",
                                                  .entity_id = gated.id,
                                                  .entity_name = "acme/gated",
                                                  .permissions = {"repo.content.read"}}}}})
            .value;
    for (auto type : {hub::RepoType::kModel, hub::RepoType::kDataset, hub::RepoType::kSpace}) {
      instance_.parts.repositories.create(caller,
                                          {.type = type,
                                           .repo_id = {"acme", "tiny"},
                                           .is_private = true,
                                           .sdk = type == hub::RepoType::kSpace ? "static" : ""});
    }
  }

  /// The row's path with values in it. `type` spells {types} and {prefix}.
  static std::string path_of(const api::Route& route, hub::RepoType type,
                             std::string_view repo_id = "acme/tiny") {
    std::string path;
    for (std::string_view part : split(route.pattern.substr(1), '/')) {
      if (part == "{prefix}") {
        if (type != hub::RepoType::kModel) path += "/" + std::string(hub::api_plural(type));
      } else if (part == "{types}") {
        path += "/" + std::string(hub::api_plural(type));
      } else if (part == "{repo}" || part == "{repo.git}") {
        path += "/" + std::string(repo_id);
      } else if (part == "{rev}" || part == "{branch}") {
        path += "/main";
      } else if (part.starts_with('{') && part.find("path") != std::string_view::npos) {
        path += "/.gitattributes";
      } else if (part.starts_with('{')) {
        path += "/1";
      } else {
        path += "/" + std::string(part);
      }
    }
    return path;
  }

  /// The status that the admission gives; 0 when the handler would run.
  int admitted(const api::Route& route, hub::RepoType type, Role role,
               std::string_view repo_id = "acme/tiny",
               const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    auto head = std::make_shared<http::RequestHead>();
    head->method = route.method;
    head->raw_path = path_of(route, type, repo_id);
    if (head->raw_path.ends_with("/info/refs")) head->raw_query = "service=git-upload-pack";
    head->target = head->raw_path;
    head->http_version = "1.1";
    head->host = route.host == api::VirtualHost::kViewer ? "datasets-server.hub" : "hub";
    head->remote_address = "127.0.0.1";
    head->request_id = "test";
    head->peer = std::make_shared<NeverGone>();
    head->note = app_.make_note();
    if (auto it = tokens_.find(role); it != tokens_.end()) {
      head->headers.add_raw("Authorization", "Bearer " + it->second);
    }
    for (const auto& [name, value] : headers) head->headers.add_raw(name, value);
    heads_.push_back(head);
    try {
      auto decided = app_.begin(*head);
      if (auto* response = std::get_if<http::Response>(&decided)) return response->status;
      return 0;
    } catch (...) {
      return app_.on_error(std::current_exception(), *head).status;
    }
  }

  /// Whom the last request was taken for; empty: a stranger.
  std::string user_of_last() const { return api::note_of(*heads_.back()).user(); }

  Folder folder_;
  FakeClock clock_;
  Instance instance_;
  api::HubApp app_;
  std::map<Role, std::string> tokens_;
  std::vector<std::shared_ptr<http::RequestHead>> heads_;
};

/// What the row promises of a private repository: 0 admitted, or the status of the refusal.
int promised(const api::Route& route, Role role) {
  bool has_repo = route.pattern.find("{repo") != std::string_view::npos;
  // A token of another repository shows no more of this one than a stranger's does.
  bool sees = role == Role::kReader || role == Role::kWriter || role == Role::kOwner ||
              role == Role::kAdministrator || role == Role::kReadToken;
  bool may_write = role == Role::kWriter || role == Role::kOwner || role == Role::kAdministrator;
  bool is_known = role != Role::kStranger && !is_dead(role);
  switch (route.allow) {
    case Allow::kAnyone:
      // Nobody takes what a stranger sees for the whole because a token has ended.
      return is_dead(role) && route.pattern.starts_with("/api/") && !route.any_credential ? 401 : 0;
    case Allow::kSignedIn:
      if (!is_known) return 401;
      return has_repo && !sees ? 404 : 0;
    case Allow::kSignedInWrite:
      if (!is_known) return 401;
      if (has_repo && !sees) return 404;
      return role == Role::kReadToken ? 403 : 0;
    case Allow::kAdministrator:
    case Allow::kScraper:
      if (!is_known) return 401;
      return role == Role::kAdministrator ? 0 : 403;
    case Allow::kRepoSee:
    case Allow::kRepoFiles:
      if (!is_known) return 401;
      return sees ? 0 : 404;
    case Allow::kRepoDiscuss:
      if (!is_known) return 401;
      if (!sees) return 404;
      return role == Role::kReadToken ? 403 : 0;
    case Allow::kRepoWrite:
    case Allow::kRepoAdminister:
      if (!is_known) return 401;
      if (!sees) return 404;
      return may_write ? 0 : 403;
    case Allow::kSignedUrl:
    case Allow::kCustom:
      return -1;  // Said per row, below.
  }
  return -1;
}

TEST_F(RouteMatrix, EachRouteAdmitsExactlyWhomItsRowSays) {
  size_t call_count = 0;
  for (const api::Route* route : api::all_routes()) {
    if (route->allow == Allow::kSignedUrl || route->allow == Allow::kCustom) continue;
    // A check of its own may refuse more than the row says, never less.
    bool may_refuse_more = route->check != nullptr;
    bool typed = route->pattern.find("{types}") != std::string_view::npos ||
                 route->pattern.find("{prefix}") != std::string_view::npos;
    for (auto type : {hub::RepoType::kModel, hub::RepoType::kDataset, hub::RepoType::kSpace}) {
      if (!typed && type != hub::RepoType::kModel) break;
      for (Role role : kRoles) {
        SCOPED_TRACE(std::string(route->method) + " " + std::string(route->pattern) + " as " +
                     name_of(role) + " (" + std::string(hub::to_string(type)) + ")");
        int status = admitted(*route, type, role);
        int expected = promised(*route, role);
        if (expected == 0 && may_refuse_more) {
          EXPECT_NE(status, 500);
        } else {
          EXPECT_EQ(status, expected);
        }
        ++call_count;
      }
    }
  }
  EXPECT_GT(call_count, 1000u);
}

TEST_F(RouteMatrix, FilesBehindAGateAreForThoseWhoWereLetIn) {
  size_t route_count = 0;
  for (const api::Route* route : api::all_routes()) {
    if (route->allow != Allow::kRepoSee && route->allow != Allow::kRepoFiles) continue;
    if (route->check != nullptr) continue;
    bool behind = route->allow == Allow::kRepoFiles;
    SCOPED_TRACE(std::string(route->method) + " " + std::string(route->pattern));
    auto status = [&](Role role) {
      return admitted(*route, hub::RepoType::kModel, role, "acme/gated");
    };
    EXPECT_EQ(status(Role::kStranger), behind ? 401 : 0);
    EXPECT_EQ(status(Role::kOther), behind ? 403 : 0);
    EXPECT_EQ(status(Role::kWriter), 0);
    EXPECT_EQ(status(Role::kReaderOfOther), 0) << "this is the one that it may read";
    EXPECT_EQ(status(Role::kRevoked), 401);
    EXPECT_EQ(status(Role::kExpired), 401);
    ++route_count;
  }
  EXPECT_GT(route_count, 20u);
}

TEST_F(RouteMatrix, NoPageOfAnotherSiteUsesACookie) {
  auto by = hub::Actor::command_line();
  instance_.accounts.set_password(by, "owner", "owner-password");
  std::string session = instance_.accounts.sign_in("owner", "owner-password", "127.0.0.1").value;
  size_t route_count = 0;
  for (const api::Route* route : api::all_routes()) {
    if (route->method == "GET" || route->method == "HEAD" || route->method == "OPTIONS") continue;
    if (route->own_credential || route->allow == Allow::kSignedUrl) continue;
    SCOPED_TRACE(std::string(route->method) + " " + std::string(route->pattern));
    auto with = [&](std::string_view name, std::string_view value) {
      return admitted(*route, hub::RepoType::kModel, Role::kStranger, "acme/tiny",
                      {{"Cookie", "token=" + session}, {std::string(name), std::string(value)}});
    };
    for (const auto& [name, value] : {std::pair("Origin", "https://elsewhere.example"),
                                      std::pair("Origin", "null"),  // As a sandboxed frame says.
                                      std::pair("Sec-Fetch-Site", "cross-site")}) {
      int status = with(name, value);
      // What strangers may ask is answered to one.
      EXPECT_TRUE(status == 403 || (status == 0 && user_of_last().empty()))
          << name << ": " << value << " gave " << status << " as \"" << user_of_last() << "\"";
    }
    EXPECT_NE(with("Origin", "http://hub"), 403) << "a page of our own";
    EXPECT_EQ(user_of_last(), "owner");
    ++route_count;
  }
  EXPECT_GT(route_count, 20u);
}

TEST_F(RouteMatrix, RoutesThatDecideThemselvesShowAPrivateRepositoryToItsMembersOnly) {
  for (const api::Route* route : api::all_routes()) {
    if (route->allow != Allow::kCustom || route->own_credential) continue;
    if (route->pattern.find("{repo") == std::string_view::npos) continue;
    SCOPED_TRACE(std::string(route->method) + " " + std::string(route->pattern));
    EXPECT_EQ(admitted(*route, hub::RepoType::kModel, Role::kStranger), 401);
    EXPECT_EQ(admitted(*route, hub::RepoType::kModel, Role::kRevoked), 401);
    EXPECT_EQ(admitted(*route, hub::RepoType::kModel, Role::kExpired), 401);
    EXPECT_EQ(admitted(*route, hub::RepoType::kModel, Role::kOther), 404);
    EXPECT_EQ(admitted(*route, hub::RepoType::kModel, Role::kReaderOfOther), 404);
  }
}

TEST_F(RouteMatrix, RoutesWithASignatureOrAForeignCredentialRefuseEveryoneWithoutIt) {
  for (const api::Route* route : api::all_routes()) {
    bool signed_url = route->allow == Allow::kSignedUrl;
    if (!signed_url && !route->own_credential) continue;
    for (Role role : kRoles) {
      SCOPED_TRACE(std::string(route->method) + " " + std::string(route->pattern) + " as " +
                   name_of(role));
      int status = admitted(*route, hub::RepoType::kModel, role);
      EXPECT_GE(status, 400);
      EXPECT_LT(status, 500);
    }
  }
}

TEST_F(RouteMatrix, AnAddressThatIsNoRouteIsNotFound) {
  api::Route nothing{.method = "GET",
                     .pattern = "/api/nothing/here",
                     .allow = Allow::kAnyone,
                     .handler = nullptr,
                     .summary = "",
                     .source = ""};
  EXPECT_EQ(admitted(nothing, hub::RepoType::kModel, Role::kStranger), 404);
}

TEST_F(RouteMatrix, ADisabledUsersTokenIsDeadAtTheNextRequest) {
  const api::Route* whoami = nullptr;
  for (const api::Route* route : api::all_routes()) {
    if (route->pattern == "/api/whoami-v2") whoami = route;
  }
  ASSERT_NE(whoami, nullptr);
  EXPECT_EQ(admitted(*whoami, hub::RepoType::kModel, Role::kOther), 0);
  instance_.accounts.set_disabled(hub::Actor::command_line(), "other", true);
  EXPECT_EQ(admitted(*whoami, hub::RepoType::kModel, Role::kOther), 401);
}

}  // namespace
}  // namespace hearth::app
