// The routes of signing in, called as the router calls them.

#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "api/api.h"
#include "api/page.h"
#include "base/text.h"
#include "db/test_database.h"
#include "hub/accounts.h"

namespace hearth::api {
namespace {

constexpr std::string_view kClient = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";

class NeverGone : public http::Peer {
 public:
  bool gone() const noexcept override { return false; }
};

std::string text_of(const http::Response& response) {
  std::string text;
  for (const http::Part& part : response.body) {
    if (const auto* piece = std::get_if<std::string>(&part)) text += *piece;
  }
  return text;
}

std::string header(const http::Response& response, std::string_view name) {
  return std::string(response.headers.get(name).value_or(""));
}

/// What a browser keeps: cookies, and the hidden field of the last page.
class Browser {
 public:
  explicit Browser(const Services& services) : services_(services) {}

  http::Response get(std::string_view pattern, std::string query = {}) {
    return send("GET", pattern, std::move(query), {});
  }

  /// Sends the fields, with the last page's csrf value in front.
  http::Response post(std::string_view pattern, const std::string& fields) {
    return send("POST", pattern, {}, "csrf=" + percent_encode(csrf) + "&" + fields);
  }

  http::Response send(std::string_view method, std::string_view pattern, std::string query,
                      std::string body) {
    http::RequestHead head;
    head.method = method;
    head.raw_path = pattern;
    head.raw_query = std::move(query);
    head.host = "hub.test:8080";
    head.remote_address = "127.0.0.1";
    head.peer = std::make_shared<NeverGone>();
    if (!origin.empty()) head.headers.set("Origin", origin);
    if (!content_type.empty()) head.headers.set("Content-Type", content_type);
    std::vector<std::string> pairs;
    for (const auto& [name, value] : cookies) pairs.push_back(name + "=" + value);
    if (!pairs.empty()) head.headers.set("Cookie", join(pairs, "; "));

    Call call(services_.get(), head);
    call.set_route(row(method, pattern));
    call.params = params;
    call.body = std::move(body);
    if (!token.empty()) {
      call.identity = services_.get().accounts->authenticate_token(token);
    } else if (const auto session = cookies.find("token"); session != cookies.end()) {
      call.identity = services_.get().accounts->authenticate_session(session->second);
    }
    http::Response response;
    try {
      if (call.route->check != nullptr) call.route->check(call);
      response = call.route->handler(call);
    } catch (...) {
      response = error_reply(std::current_exception(), head);
    }
    keep(response);
    return response;
  }

  std::map<std::string, std::string> cookies;
  std::map<std::string, std::string, std::less<>> params;
  std::string csrf;
  std::string origin;
  std::string content_type;
  std::string token;  // A bearer token instead of the cookie.

 private:
  static const Route& row(std::string_view method, std::string_view pattern) {
    for (const auto rows : {account_routes(), oauth_routes(), session_routes()}) {
      for (const Route& route : rows) {
        if (route.method == method && route.pattern == pattern) return route;
      }
    }
    HEARTH_ASSERT(false, "the test names a route that is there");
    std::abort();
  }

  void keep(const http::Response& response) {
    for (std::string_view text : response.headers.get_all("Set-Cookie")) {
      const size_t equals = text.find('=');
      const std::string name(text.substr(0, equals));
      const std::string value(text.substr(equals + 1, text.find(';') - equals - 1));
      if (value.empty()) {
        cookies.erase(name);
      } else {
        cookies[name] = value;
      }
    }
    const std::string html = text_of(response);
    constexpr std::string_view kField = "name=\"csrf\" value=\"";
    if (const size_t field = html.find(kField); field != std::string::npos) {
      const size_t begin = field + kField.size();
      csrf = html.substr(begin, html.find('"', begin) - begin);
    }
  }

  std::reference_wrapper<const Services> services_;
};

class SigningIn : public testing::Test {
 protected:
  SigningIn() : database(db::Engine::kSqlite), accounts(*database, clock) {
    services.database = &*database;
    services.clock = &clock;
    services.accounts = &accounts;
    services.access = &access;
    services.signing_key = std::string(32, 'k');
  }

  void add_alice() {
    accounts.create_user(hub::Actor::command_line(), {.name = "alice",
                                                      .fullname = "Alice <A>",
                                                      .email = "alice@example.org",
                                                      .password = "correct horse",
                                                      .is_admin = true});
  }

  Browser signed_in() {
    Browser browser(services);
    browser.get("/login");
    browser.post("/login", "name=alice&password=correct+horse");
    return browser;
  }

  json::object json_of(const http::Response& response) {
    return parse_json_object(text_of(response));
  }

  FakeClock clock;
  db::TestDatabase database;
  hub::Accounts accounts;
  hub::Access access;
  Services services;
};

TEST_F(SigningIn, WhoamiWithoutACredentialSaysWhatTheClientsExpect) {
  Browser stranger(services);
  const http::Response response = stranger.get("/api/whoami-v2");
  EXPECT_EQ(401, response.status);
  EXPECT_EQ("Invalid username or password.", header(response, "X-Error-Message"));
  EXPECT_EQ("", header(response, "X-Error-Code"));
}

TEST_F(SigningIn, WhoamiNamesTheTokenAndTheOrganisations) {
  add_alice();
  const hub::Actor by = hub::Actor::command_line();
  accounts.create_organisation(by, {.name = "acme", .fullname = "Acme Ltd", .owner = "alice"});
  Browser client(services);
  client.token =
      accounts.create_token(by, "alice", {.display_name = "laptop", .role = hub::TokenRole::kWrite})
          .value;
  const json::object body = json_of(client.get("/api/whoami-v2"));
  EXPECT_EQ("user", get_string(body, "type"));
  EXPECT_EQ("alice", get_string(body, "name"));
  EXPECT_EQ(24u, get_string(body, "id")->size());
  EXPECT_EQ("http://hub.test:8080/avatars/alice.svg", get_string(body, "avatarUrl"));
  const json::object* auth = get_object(body, "auth");
  ASSERT_TRUE(auth);
  EXPECT_EQ("access_token", get_string(*auth, "type"));
  const json::object* token = get_object(*auth, "accessToken");
  ASSERT_TRUE(token);
  EXPECT_EQ("laptop", get_string(*token, "displayName"));
  EXPECT_EQ("write", get_string(*token, "role"));
  EXPECT_EQ(iso8601_ms(clock.now_ms()), get_string(*token, "createdAt"));
  const json::object& org = get_array(body, "orgs")->at(0).as_object();
  EXPECT_EQ("acme", get_string(org, "name"));
  EXPECT_EQ("admin", get_string(org, "roleInOrg"));
}

TEST_F(SigningIn, WhoamiShowsTheScopesOfAFineGrainedToken) {
  add_alice();
  Browser client(services);
  client.token = accounts
                     .create_token(hub::Actor::command_line(), "alice",
                                   {.display_name = "ci",
                                    .role = hub::TokenRole::kFineGrained,
                                    .scopes = {.scopes = {{.entity_type = "user",
                                                           .entity_id = {},
                                                           .entity_name = "alice",
                                                           .permissions = {"repo.write"}}}}})
                     .value;
  const json::object body = json_of(client.get("/api/whoami-v2"));
  const json::object* token = get_object(*get_object(body, "auth"), "accessToken");
  EXPECT_EQ("fineGrained", get_string(*token, "role"));
  const json::object* scopes = get_object(*token, "fineGrained");
  ASSERT_TRUE(scopes);
  EXPECT_EQ(false, get_bool(*scopes, "canReadGatedRepos"));
  const json::object& scoped = get_array(*scopes, "scoped")->at(0).as_object();
  EXPECT_EQ("alice", get_string(*get_object(scoped, "entity"), "name"));
  EXPECT_EQ("repo.write", get_array(scoped, "permissions")->at(0).as_string());
}

TEST_F(SigningIn, LoggingInSetsACookieAndGoesOnToTheNextPage) {
  add_alice();
  Browser browser(services);
  browser.get("/login", "next=%2Fdevice");
  const http::Response response =
      browser.post("/login", "name=Alice&password=correct+horse&next=%2Fdevice");
  EXPECT_EQ(303, response.status);
  EXPECT_EQ("/device", header(response, "Location"));
  const std::string cookie = header(response, "Set-Cookie");
  EXPECT_NE(std::string::npos, cookie.find("HttpOnly"));
  EXPECT_NE(std::string::npos, cookie.find("SameSite=Lax"));
  EXPECT_EQ(std::string::npos, cookie.find("Secure"));  // The hub of this test speaks http.
  EXPECT_EQ(200, browser.get("/settings/tokens").status);
}

TEST_F(SigningIn, AWrongPasswordShowsTheFormAgain) {
  add_alice();
  Browser browser(services);
  browser.get("/login");
  const http::Response response = browser.post("/login", "name=%22%3Cb%3E&password=wrong");
  EXPECT_EQ(401, response.status);
  EXPECT_NE(std::string::npos, text_of(response).find("Invalid username or password."));
  EXPECT_EQ(std::string::npos, text_of(response).find("<b>"));
  EXPECT_NE(std::string::npos, text_of(response).find("value=\"&quot;&lt;b&gt;\""));
  EXPECT_FALSE(browser.cookies.contains("token"));
}

TEST_F(SigningIn, FormsOfOtherSitesAreRefused) {
  add_alice();
  Browser browser = signed_in();
  browser.get("/settings/tokens");
  const auto create = [&] {
    return browser.post("/settings/tokens", "do=create&name=x&role=read").status;
  };
  browser.origin = "https://evil.test";
  EXPECT_EQ(403, create());
  browser.origin = "null";
  EXPECT_EQ(403, create());
  browser.origin = "http://hub.test:8080";
  const std::string csrf = std::exchange(browser.csrf, "guess");
  EXPECT_EQ(403, create());
  browser.csrf = csrf;
  EXPECT_EQ(200, create());

  // The value of one session is nothing in another.
  Browser other = signed_in();
  other.csrf = csrf;
  EXPECT_EQ(403, other.post("/logout", "").status);
  Browser fresh(services);
  EXPECT_EQ(403, fresh.post("/login", "name=alice&password=correct+horse").status);
}

TEST_F(SigningIn, NextNeverLeavesTheHub) {
  for (const char* next :
       {"//evil.test", "/\\evil.test", "https://evil.test", "evil", "", "/a\r\nSet-Cookie: x=y"}) {
    EXPECT_EQ("/settings/tokens", safe_next(next)) << next;
  }
  EXPECT_EQ("/device?user_code=A", safe_next("/device?user_code=A"));
}

TEST_F(SigningIn, PagesRunNoScriptsAndStandInNoFrame) {
  Browser browser(services);
  const http::Response response = browser.get("/login");
  const std::string policy = header(response, "Content-Security-Policy");
  EXPECT_NE(std::string::npos, policy.find("default-src 'none'"));
  EXPECT_NE(std::string::npos, policy.find("frame-ancestors 'none'"));
  EXPECT_EQ(std::string::npos, policy.find("unsafe"));
  EXPECT_EQ("no-store", header(response, "Cache-Control"));
}

TEST_F(SigningIn, LoggingOutEndsTheSession) {
  add_alice();
  Browser browser = signed_in();
  const std::string session = browser.cookies.at("token");
  browser.get("/logout");
  EXPECT_EQ(303, browser.post("/logout", "").status);
  EXPECT_FALSE(browser.cookies.contains("token"));
  EXPECT_FALSE(accounts.authenticate_session(session));
}

TEST_F(SigningIn, ADeviceLoginGoesFromCodeToToken) {
  add_alice();
  Browser program(services);
  program.content_type = "application/x-www-form-urlencoded";
  const std::string client = "client_id=" + std::string(kClient);
  const http::Response started = program.send("POST", "/oauth/device", {}, client);
  EXPECT_EQ(200, started.status);
  const json::object code = json_of(started);
  EXPECT_EQ("http://hub.test:8080/device", get_string(code, "verification_uri"));
  EXPECT_EQ(5, get_int(code, "interval"));
  EXPECT_EQ(900, get_int(code, "expires_in"));
  const std::string poll = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&" +
                           client + "&device_code=" + *get_string(code, "device_code");
  const http::Response pending = program.send("POST", "/oauth/token", {}, poll);
  EXPECT_EQ(400, pending.status);
  EXPECT_EQ("authorization_pending", get_string(json_of(pending), "error"));

  const std::string user_code = *get_string(code, "user_code");
  Browser person(services);
  const http::Response sent_away = person.get("/device", "user_code=" + user_code);
  EXPECT_EQ(303, sent_away.status);
  EXPECT_TRUE(header(sent_away, "Location").starts_with("/login?next=/device%3Fuser_code%3D"));
  person = signed_in();
  const http::Response question = person.get("/device", "user_code=" + to_lower(user_code));
  EXPECT_EQ(200, question.status);
  EXPECT_NE(std::string::npos, text_of(question).find(user_code));
  const http::Response approved = person.post("/device", "answer=approve&user_code=" + user_code);
  EXPECT_EQ(200, approved.status);
  EXPECT_EQ(404, person.post("/device", "answer=approve&user_code=" + user_code).status);

  const json::object tokens = json_of(program.send("POST", "/oauth/token", {}, poll));
  EXPECT_EQ("bearer", get_string(tokens, "token_type"));
  program.token = *get_string(tokens, "access_token");
  const json::object who = json_of(program.get("/api/whoami-v2"));
  EXPECT_EQ("alice", get_string(who, "name"));
  EXPECT_EQ("oauth", get_string(*get_object(who, "auth"), "type"));
  EXPECT_EQ("alice", get_string(json_of(program.get("/oauth/userinfo")), "preferred_username"));

  const std::string page_text = text_of(person.get("/settings/tokens"));
  EXPECT_NE(std::string::npos, page_text.find("The Hugging Face command line (hf)"));

  const http::Response refreshed =
      program.send("POST", "/oauth/token", {},
                   "grant_type=refresh_token&" + client +
                       "&refresh_token=" + *get_string(tokens, "refresh_token"));
  EXPECT_EQ(200, refreshed.status);
  EXPECT_NE(program.token, get_string(json_of(refreshed), "access_token"));

  const std::string id = accounts.list_sign_ins("alice").at(0).id;
  EXPECT_EQ(303, person.post("/settings/tokens", "do=end&id=" + id).status);
  EXPECT_EQ(404, person.post("/settings/tokens", "do=end&id=" + id).status);
  EXPECT_FALSE(accounts.authenticate_token(program.token));
}

TEST_F(SigningIn, ADeniedDeviceLoginIsTold) {
  add_alice();
  const hub::DeviceCode code = accounts.start_device_login(kClient, "");
  Browser person = signed_in();
  person.get("/device", "user_code=" + code.user_code);
  EXPECT_EQ(400, person.post("/device", "answer=perhaps&user_code=" + code.user_code).status);
  EXPECT_EQ(200, person.post("/device", "answer=deny&user_code=" + code.user_code).status);
  Browser program(services);
  const http::Response response = program.send(
      "POST", "/oauth/token", {},
      "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=" + std::string(kClient) +
          "&device_code=" + code.device_code);
  EXPECT_EQ("access_denied", get_string(json_of(response), "error"));
}

TEST_F(SigningIn, TokenRequestsThatAreNotUnderstoodSayWhy) {
  Browser program(services);
  const auto error = [&](const std::string& body) {
    const http::Response response = program.send("POST", "/oauth/token", {}, body);
    return std::to_string(response.status) + " " +
           get_string(json_of(response), "error").value_or("");
  };
  EXPECT_EQ("400 invalid_request", error(""));
  EXPECT_EQ("400 invalid_request", error("grant_type=refresh_token"));
  EXPECT_EQ("400 invalid_request", error("grant_type=refresh_token&refresh_token=x"));
  EXPECT_EQ("400 invalid_grant", error("grant_type=refresh_token&refresh_token=x&client_id=y"));
  EXPECT_EQ("400 unsupported_grant_type", error("grant_type=password"));
  EXPECT_EQ("501 unsupported_grant_type", error("grant_type=authorization_code&code=x"));
  program.content_type = "application/json";
  EXPECT_EQ("501 unsupported_grant_type",
            error(R"({"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange"})"));
  EXPECT_EQ(401, program.send("POST", "/oauth/device", {}, "client_id=%FF").status);
}

TEST_F(SigningIn, TheSetupPageMakesTheAdministrator) {
  const std::string token = accounts.create_setup_token();
  Browser browser(services);
  browser.params["token"] = "guess";
  EXPECT_EQ(404, browser.get("/setup/{token}").status);
  EXPECT_EQ(404, browser.post("/setup/{token}", "name=root&password=correct+horse").status);
  browser.params["token"] = token;
  EXPECT_EQ(200, browser.get("/setup/{token}").status);
  EXPECT_EQ(400, browser.post("/setup/{token}", "name=root&password=short").status);
  EXPECT_EQ(400, browser.post("/setup/{token}", "name=api&password=correct+horse").status);
  EXPECT_TRUE(accounts.needs_setup());
  EXPECT_EQ(303, browser.post("/setup/{token}", "name=root&password=correct+horse").status);
  EXPECT_FALSE(accounts.needs_setup());
  EXPECT_EQ(200, browser.get("/settings/tokens").status);
  EXPECT_EQ(404, browser.post("/setup/{token}", "name=other&password=correct+horse").status);
}

TEST_F(SigningIn, TokensAreMadeAndRevokedAtThePage) {
  add_alice();
  Browser browser = signed_in();
  browser.get("/settings/tokens");
  const std::string html =
      text_of(browser.post("/settings/tokens", "do=create&name=%3Ci%3E&role=write"));
  const size_t begin = html.find("<code>hf_") + 6;
  const std::string value = html.substr(begin, html.find('<', begin) - begin);
  EXPECT_EQ(hub::CredentialKind::kWriteToken, accounts.authenticate_token(value)->credential.kind);
  EXPECT_EQ(std::string::npos, html.find("<i>"));
  EXPECT_EQ(std::string::npos, text_of(browser.get("/settings/tokens")).find(value));
  EXPECT_EQ(409, browser.post("/settings/tokens", "do=create&name=%3Ci%3E&role=read").status);
  EXPECT_EQ(400, browser.post("/settings/tokens", "do=create&name=x&role=god").status);
  EXPECT_EQ(303, browser.post("/settings/tokens", "do=revoke&name=%3Ci%3E").status);
  EXPECT_FALSE(accounts.authenticate_token(value));
  EXPECT_EQ(404, browser.post("/settings/tokens", "do=revoke&name=%3Ci%3E").status);
}

TEST_F(SigningIn, ATokenOpensNoPages) {
  add_alice();
  Browser program(services);
  program.token =
      accounts.create_token(hub::Actor::command_line(), "alice", {.display_name = "t"}).value;
  EXPECT_EQ(303, program.get("/settings/tokens").status);
  EXPECT_EQ(303, program.post("/device", "answer=approve&user_code=AAAA-AAAA").status);
}

TEST_F(SigningIn, AvatarsAreHarmless) {
  Browser browser(services);
  browser.params["name"] = "Alice.svg";
  const http::Response response = browser.get("/avatars/{name}");
  EXPECT_EQ("image/svg+xml", header(response, "Content-Type"));
  EXPECT_NE(std::string::npos, text_of(response).find(">A</text>"));
  for (const char* name : {"alice", "<script>.svg", ".svg", "a b.svg"}) {
    browser.params["name"] = name;
    EXPECT_EQ(404, browser.get("/avatars/{name}").status) << name;
  }
}

TEST_F(SigningIn, OpenidConfigurationNamesTheAddresses) {
  Browser browser(services);
  const json::object body = json_of(browser.get("/.well-known/openid-configuration"));
  EXPECT_EQ("http://hub.test:8080", get_string(body, "issuer"));
  EXPECT_EQ("http://hub.test:8080/oauth/token", get_string(body, "token_endpoint"));
  EXPECT_TRUE(get_array(body, "scopes_supported"));
}

}  // namespace
}  // namespace hearth::api
