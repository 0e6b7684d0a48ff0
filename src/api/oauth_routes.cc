// The device login of `hf auth login` and what goes with it. Source: RFC 8628, RFC 6749 and
// huggingface_hub 2.4.0 utils/_oauth_device.py.

#include "api/api.h"
#include "api/page.h"
#include "base/text.h"
#include "hub/accounts.h"

namespace hearth::api {
namespace {

constexpr uint64_t kFormBytesMax = 16 * 1024;
constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
constexpr std::string_view kExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";

http::Response no_store(http::Response response) {
  response.headers.set("Cache-Control", "no-store");
  return response;
}

/// RFC 6749 5.2. Clients read `error`, people the description.
http::Response oauth_error(std::string_view error, std::string_view description, int status = 400) {
  json::object body;
  body["error"] = error;
  body["error_description"] = description;
  http::Response response = no_store(reply(body, status));
  response.headers.set("X-Error-Message", description);
  return response;
}

/// Turns OAuth's own errors into their form; all others take the usual way.
template <typename Fn>
http::Response answer_oauth(Fn fn) {
  try {
    return fn();
  } catch (const hub::OAuthError& error) {
    return oauth_error(error.error(), error.message(),
                       error.error() == "invalid_client" ? 401 : 400);
  }
}

std::string require_field(const Query& form, std::string_view name) {
  auto value = form.get(name);
  if (!value || value->empty()) {
    throw hub::OAuthError("invalid_request", "The field '" + std::string(name) + "' is missing.");
  }
  return *value;
}

http::Response start_device(Call& call) {
  return answer_oauth([&] {
    const Query form = call.form_body();
    const std::string client_id = require_field(form, "client_id");
    const hub::DeviceCode code =
        call.services.accounts->start_device_login(client_id, form.get("scope").value_or(""));
    json::object body;
    body["device_code"] = code.device_code;
    body["user_code"] = code.user_code;
    body["verification_uri"] = call.url("/device");
    body["verification_uri_complete"] = call.url("/device?user_code=" + code.user_code);
    body["expires_in"] = code.expires_in_s;
    body["interval"] = code.interval_s;
    return no_store(reply(body));
  });
}

http::Response tokens(const hub::OAuthTokens& issued) {
  json::object body;
  body["access_token"] = issued.access_token;
  body["token_type"] = "bearer";
  body["expires_in"] = issued.expires_in_s;
  body["refresh_token"] = issued.refresh_token;
  body["scope"] = issued.scope;
  return no_store(reply(body));
}

http::Response token(Call& call) {
  return answer_oauth([&] {
    // Only the exchange of a CI's identity, which is not offered, is asked for as JSON.
    std::string grant;
    Query form;
    if (call.head.content_type_is("application/json")) {
      grant = optional_string(call.json_body(), "grant_type").value_or("");
    } else {
      form = call.form_body();
      grant = form.get("grant_type").value_or("");
    }
    hub::Accounts& accounts = *call.services.accounts;
    if (grant == kDeviceGrant && form.has("device_code")) {
      return tokens(accounts.poll_device_login(require_field(form, "device_code"),
                                               require_field(form, "client_id")));
    }
    if (grant == "refresh_token" && form.has("refresh_token")) {
      return tokens(accounts.refresh_oauth(require_field(form, "refresh_token"),
                                           require_field(form, "client_id")));
    }
    if (grant == "authorization_code" || grant == kExchangeGrant) {
      http::Response response = oauth_error(
          "unsupported_grant_type", "This hub does not offer this way to sign in yet.", 501);
      response.headers.set("X-Error-Code", "NotImplemented");
      return response;
    }
    if (grant == kDeviceGrant || grant == "refresh_token" || grant.empty()) {
      return oauth_error("invalid_request", "The grant_type or what belongs to it is missing.");
    }
    return oauth_error("unsupported_grant_type", "The grant_type is not known.");
  });
}

http::Response userinfo(Call& call) {
  const hub::Identity& who = *call.who();
  json::object body;
  body["sub"] = who.user_id;
  body["name"] = who.fullname;
  body["preferred_username"] = who.name;
  body["profile"] = call.url("/" + who.name);
  body["picture"] = call.url("/avatars/" + who.name + ".svg");
  if (who.email) {
    body["email"] = *who.email;
    body["email_verified"] = false;
  }
  body["isPro"] = false;
  body["canPay"] = false;
  json::array orgs;
  for (const hub::Membership& membership : who.orgs) {
    json::object org;
    org["sub"] = membership.org_id;
    org["name"] = membership.org_fullname;
    org["preferred_username"] = membership.org_name;
    org["picture"] = call.url("/avatars/" + membership.org_name + ".svg");
    org["roleInOrg"] = hub::to_string(membership.role);
    org["isEnterprise"] = false;
    orgs.emplace_back(std::move(org));
  }
  body["orgs"] = std::move(orgs);
  return no_store(reply(body));
}

http::Response openid_configuration(Call& call) {
  json::object body;
  body["issuer"] = call.public_url();
  body["authorization_endpoint"] = call.url("/oauth/authorize");
  body["token_endpoint"] = call.url("/oauth/token");
  body["device_authorization_endpoint"] = call.url("/oauth/device");
  body["userinfo_endpoint"] = call.url("/oauth/userinfo");
  body["jwks_uri"] = call.url("/oauth/jwks");
  body["response_types_supported"] = json::array{"code"};
  body["subject_types_supported"] = json::array{"public"};
  body["id_token_signing_alg_values_supported"] = json::array{"RS256"};
  body["code_challenge_methods_supported"] = json::array{"S256"};
  body["grant_types_supported"] = json::array{kDeviceGrant, "refresh_token"};
  body["token_endpoint_auth_methods_supported"] = json::array{"none"};
  json::array scopes;
  for (const std::string_view scope : hub::oauth_scopes()) scopes.emplace_back(scope);
  body["scopes_supported"] = std::move(scopes);
  return reply(body);
}

/// No id_token is issued, so there is no key to check one with.
http::Response jwks(Call&) {
  json::object body;
  body["keys"] = json::array();
  return reply(body);
}

http::Response authorize(Call&) {
  throw Error(ErrorKind::kUnsupported,
              "This hub offers the device login (hf auth login) but not the sign-in of apps yet.",
              {.code = "NotImplemented"});
}

}  // namespace

std::span<const Route> oauth_routes() {
  static const Route rows[] = {
      {.method = "POST",
       .pattern = "/oauth/device",
       .allow = Allow::kAnyone,
       .handler = start_device,
       .summary = "Begins a device login: a code for the program and one for the person.",
       .source = "huggingface_hub utils/_oauth_device.py request_device_code; RFC 8628 3.1",
       .request = "application/x-www-form-urlencoded DeviceLogin",
       .answer = "DeviceCode",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kLogin},
      {.method = "POST",
       .pattern = "/oauth/token",
       .allow = Allow::kAnyone,
       .handler = token,
       .summary = "Tokens for an approved device login or for a refresh token.",
       .source = "huggingface_hub utils/_oauth_device.py poll_device_token, refresh_access_token",
       .request = "application/x-www-form-urlencoded TokenGrant|TokenGrant",
       .answer = "OAuthTokens",
       .not_built =
           "For grants that are known and not offered: authorization_code and token-exchange.",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kPoll},
      {.method = "GET",
       .pattern = "/oauth/userinfo",
       .allow = Allow::kSignedIn,
       .handler = userinfo,
       .summary = "The caller, with OpenID's field names.",
       .source = "@huggingface/hub oauth-handle-redirect.ts; gradio oauth.py",
       .answer = "UserInfo"},
      {.method = "POST",
       .pattern = "/oauth/userinfo",
       .allow = Allow::kSignedIn,
       .handler = userinfo,
       .summary = "The same as GET.",
       .source = "OpenID Connect Core 5.3.1",
       .request = "application/x-www-form-urlencoded",
       .answer = "UserInfo",
       .body_bytes_max = kFormBytesMax},
      {.method = "GET",
       .pattern = "/oauth/jwks",
       .allow = Allow::kAnyone,
       .handler = jwks,
       .summary = "The keys that id_tokens are signed with: none, as none are issued.",
       .source = "authlib, through openid-configuration",
       .answer = "Keys"},
      {.method = "GET",
       .pattern = "/oauth/authorize",
       .allow = Allow::kAnyone,
       .handler = authorize,
       .summary = "The sign-in of apps: not built, 501.",
       .source = "@huggingface/hub oauth-login-url.ts",
       .answer = "none",
       .not_built = "Always."},
      {.method = "GET",
       .pattern = "/.well-known/openid-configuration",
       .allow = Allow::kAnyone,
       .handler = openid_configuration,
       .summary = "Where the addresses of signing in are, and what they offer.",
       .source = "@huggingface/hub oauth-login-url.ts; gradio oauth.py (authlib)",
       .answer = "OpenIdConfiguration"},
  };
  return rows;
}

}  // namespace hearth::api
