// The plain pages of signing in: login, logout, the approval of a device login, the set-up of a new
// hub, and one's own access tokens. They work without scripts.

#include <array>

#include "api/api.h"
#include "api/page.h"
#include "base/text.h"
#include "hub/accounts.h"

namespace hearth::api {
namespace {

constexpr uint64_t kFormBytesMax = 16 * 1024;
// The client that huggingface_hub names itself as: constants.py DEVICE_CODE_OAUTH_CLIENT_ID.
constexpr std::string_view kHfClient = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";

std::string hidden(std::string_view name, std::string_view value) {
  return "<input type=\"hidden\" name=\"" + std::string(name) + "\" value=\"" + html_escape(value) +
         "\">";
}

std::string problem_html(std::string_view problem) {
  return problem.empty() ? std::string() : "<p class=\"problem\">" + html_escape(problem) + "</p>";
}

std::string login_path(std::string_view next) {
  return "/login?next=" + percent_encode(next, "/");
}

std::string program_html(std::string_view client_id) {
  return client_id == kHfClient
             ? std::string("The Hugging Face command line (hf)")
             : "A program that calls itself <code>" + html_escape(client_id) + "</code>";
}

int status_of(const Error& error) {
  if (error.kind() == ErrorKind::kUnauthenticated) return 401;
  if (error.kind() == ErrorKind::kNotFound) return 404;
  if (error.kind() == ErrorKind::kConflict) return 409;
  if (error.kind() == ErrorKind::kRateLimited) return 429;
  return 400;
}

/// Whether the person at the page can mend it: the page then shows the sentence and the form again.
bool is_for_the_page(const Error& error) {
  return error.kind() == ErrorKind::kInvalid || error.kind() == ErrorKind::kUnauthenticated ||
         error.kind() == ErrorKind::kRateLimited || error.kind() == ErrorKind::kConflict;
}

// --- /login, /logout ---

http::Response login_form(Call& call, std::string_view next, std::string_view name,
                          std::string_view problem, int status) {
  std::string new_cookie;
  const std::string csrf = csrf_token(call, new_cookie);
  const std::string body =
      problem_html(problem) + "<form method=\"post\" action=\"/login\">" + hidden("csrf", csrf) +
      hidden("next", next) +
      "<label>Name<input name=\"name\" autocomplete=\"username\" required autofocus value=\"" +
      html_escape(name) +
      "\"></label><label>Password<input name=\"password\" type=\"password\" "
      "autocomplete=\"current-password\" required></label><button>Log in</button></form>";
  http::Response response = page("Log in", body, status);
  add_csrf_cookie(response, call, new_cookie);
  return response;
}

http::Response show_login(Call& call) {
  const std::string next = safe_next(call.query.get("next").value_or(""));
  if (person_of(call) != nullptr) return see_other(next);
  return login_form(call, next, {}, {}, 200);
}

http::Response log_in(Call& call) {
  const Query form = call.form_body();
  require_own_form(call, form);
  const std::string next = safe_next(form.get("next").value_or(""));
  const std::string name = form.get("name").value_or("");
  try {
    const hub::IssuedSession session = call.services.accounts->sign_in(
        name, form.get("password").value_or(""), call.remote_address());
    http::Response response = see_other(next);
    set_cookie(
        response, call,
        {.name = kSessionCookie, .value = session.value, .max_age_s = hub::kSessionMs / 1000});
    return response;
  } catch (const Error& error) {
    if (!is_for_the_page(error)) throw;
    http::Response response = login_form(call, next, name, error.message(), status_of(error));
    if (error.retry_after_s() > 0) {
      response.headers.set("Retry-After", std::to_string(error.retry_after_s()));
    }
    return response;
  }
}

http::Response show_logout(Call& call) {
  if (person_of(call) == nullptr) return see_other("/login");
  std::string unused;
  return page("Log out", "<form method=\"post\" action=\"/logout\">" +
                             hidden("csrf", csrf_token(call, unused)) +
                             "<button>Log out</button></form>");
}

http::Response log_out(Call& call) {
  if (person_of(call) != nullptr) {
    require_own_form(call, call.form_body());
    call.services.accounts->sign_out(cookie_of(call.head, kSessionCookie).value_or(""));
  }
  http::Response response = see_other("/login");
  set_cookie(response, call, {.name = kSessionCookie, .value = {}});
  return response;
}

// --- /device ---

http::Response code_form(std::string_view problem, int status) {
  return page("Log a program in",
              problem_html(problem) +
                  "<form method=\"get\" action=\"/device\"><label>The code that the program shows"
                  "<input name=\"user_code\" required autofocus autocomplete=\"off\" "
                  "placeholder=\"ABCD-EFGH\"></label><button>Continue</button></form>",
              status);
}

http::Response show_device(Call& call) {
  const auto code = call.query.get("user_code");
  const hub::Identity* person = person_of(call);
  if (person == nullptr) {
    return see_other(
        login_path(code ? "/device?user_code=" + percent_encode(*code) : std::string("/device")));
  }
  if (!code) return code_form({}, 200);
  const auto request = call.services.accounts->find_device_request(*code);
  if (!request) {
    return code_form("This code is not known, was answered already, or has expired.", 404);
  }
  std::string unused;
  const std::string body =
      "<p>" + program_html(request->client_id) + " asks to act for you, <strong>" +
      html_escape(person->name) +
      "</strong>: it could read and write everything that you can.</p><p>It shows the code <code>" +
      html_escape(request->user_code) +
      "</code>. Approve only if you started it yourself and see this code there.</p>"
      "<form method=\"post\" action=\"/device\">" +
      hidden("csrf", csrf_token(call, unused)) + hidden("user_code", request->user_code) +
      "<button name=\"answer\" value=\"approve\">Approve</button>"
      "<button name=\"answer\" value=\"deny\">Deny</button></form>";
  return page("Log a program in", body);
}

http::Response answer_device(Call& call) {
  const hub::Identity* person = person_of(call);
  if (person == nullptr) return see_other("/login?next=/device");
  const Query form = call.form_body();
  require_own_form(call, form);
  const std::string answer = form.get("answer").value_or("");
  if (answer != "approve" && answer != "deny") {
    throw Error(ErrorKind::kInvalid, "The answer is 'approve' or 'deny'.");
  }
  const bool approve = answer == "approve";
  if (!call.services.accounts->answer_device_request(*person, form.get("user_code").value_or(""),
                                                     approve, call.remote_address())) {
    return code_form("This code is not known, was answered already, or has expired.", 404);
  }
  return message_page(approve ? "Approved" : "Denied",
                      approve ? "The program is logged in. You can close this page."
                              : "The program was not logged in. You can close this page.");
}

// --- /setup ---

http::Response setup_form(std::string_view name, std::string_view problem, int status) {
  // The address itself is the secret that another site cannot know: no other field is needed.
  return page(
      "Set up this hub",
      "<p>Choose the name and the password of the administrator. This link works once.</p>" +
          problem_html(problem) +
          "<form method=\"post\"><label>Name<input name=\"name\" required autofocus "
          "autocomplete=\"username\" value=\"" +
          html_escape(name) +
          "\"></label><label>Password (8 characters or more)<input name=\"password\" "
          "type=\"password\" required minlength=\"8\" autocomplete=\"new-password\"></label>"
          "<button>Create the administrator</button></form>",
      status);
}

http::Response setup_not_valid() {
  return message_page(
      "This link is not valid",
      "It was used already, or an administrator was made by other means. Log in "
      "instead; who runs the server can reset a password with 'hearth user passwd'.",
      404);
}

http::Response show_setup(Call& call) {
  if (!call.services.accounts->is_setup_token(call.param("token"))) return setup_not_valid();
  return setup_form({}, {}, 200);
}

http::Response set_up(Call& call) {
  const Query form = call.form_body();
  hub::Accounts& accounts = *call.services.accounts;
  const hub::NewUser admin{.name = form.get("name").value_or(""),
                           .password = form.get("password").value_or(""),
                           .is_admin = true};
  try {
    accounts.use_setup_token(call.param("token"), admin, call.remote_address());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return setup_not_valid();
    if (!is_for_the_page(error)) throw;
    return setup_form(admin.name, error.message(), status_of(error));
  }
  const hub::IssuedSession session =
      accounts.sign_in(admin.name, *admin.password, call.remote_address());
  http::Response response = see_other("/settings/tokens");
  set_cookie(response, call,
             {.name = kSessionCookie, .value = session.value, .max_age_s = hub::kSessionMs / 1000});
  return response;
}

// --- /settings/tokens ---

std::string date_of(const std::optional<int64_t>& time_ms, std::string_view otherwise) {
  return time_ms ? iso8601_day(*time_ms) : std::string(otherwise);
}

http::Response tokens_page(Call& call, const hub::Identity& person, std::string_view notice_html,
                           std::string_view problem, int status) {
  std::string unused;
  const std::string csrf = hidden("csrf", csrf_token(call, unused));
  std::string rows;
  for (const hub::AccessToken& token : call.services.accounts->list_tokens(person.name)) {
    rows += "<tr><td>" + html_escape(token.display_name) + "</td><td>" +
            std::string(hub::to_string(token.role)) + "</td><td>" + iso8601_day(token.created_ms) +
            "</td><td>" + date_of(token.last_used_ms, "never") +
            "</td><td><form class=\"inline\" method=\"post\" action=\"/settings/tokens\">" + csrf +
            hidden("name", token.display_name) +
            "<button name=\"do\" value=\"revoke\">Revoke</button></form></td></tr>";
  }
  std::string programs;
  for (const hub::SignIn& sign_in : call.services.accounts->list_sign_ins(person.name)) {
    programs += "<tr><td>" + program_html(sign_in.client_id) + "</td><td>" +
                iso8601_day(sign_in.created_ms) +
                "</td><td><form class=\"inline\" method=\"post\" action=\"/settings/tokens\">" +
                csrf + hidden("id", sign_in.id) +
                "<button name=\"do\" value=\"end\">Log out</button></form></td></tr>";
  }
  if (!programs.empty()) {
    programs =
        "<h2>Programs that you logged in</h2><table><tr><th>Program</th><th>Since</th>"
        "<th></th></tr>" +
        programs + "</table>";
  }
  const std::string table =
      rows.empty() ? std::string("<p>You have no tokens yet.</p>")
                   : "<table><tr><th>Name</th><th>Role</th><th>Made</th><th>Last used</th><th></th>"
                     "</tr>" +
                         rows + "</table>";
  const std::string body =
      "<p>Signed in as <strong>" + html_escape(person.name) +
      "</strong>. <a href=\"/logout\">Log out</a></p>" + std::string(notice_html) +
      problem_html(problem) + table +
      "<h2>New token</h2><form method=\"post\" action=\"/settings/tokens\">" + csrf +
      "<label>Name<input name=\"name\" required maxlength=\"100\"></label>"
      "<label>Role<select name=\"role\"><option>read</option><option>write</option></select>"
      "</label><button name=\"do\" value=\"create\">Create</button></form>" +
      programs;
  return page("Access tokens", body, status);
}

http::Response show_tokens(Call& call) {
  const hub::Identity* person = person_of(call);
  if (person == nullptr) return see_other("/login?next=/settings/tokens");
  return tokens_page(call, *person, {}, {}, 200);
}

http::Response change_tokens(Call& call) {
  const hub::Identity* person = person_of(call);
  if (person == nullptr) return see_other("/login?next=/settings/tokens");
  const Query form = call.form_body();
  require_own_form(call, form);
  const hub::Actor by = hub::Actor::of(*person, call.remote_address());
  const std::string name = form.get("name").value_or("");
  const std::string what = form.get("do").value_or("");
  try {
    if (what == "revoke") {
      call.services.accounts->revoke_token(by, person->name, name);
      return see_other("/settings/tokens");
    }
    if (what == "end") {
      call.services.accounts->end_sign_in(by, person->name, form.get("id").value_or(""));
      return see_other("/settings/tokens");
    }
    const std::string role_text = form.get("role").value_or("");
    const auto role = hub::parse_token_role(role_text);
    if (what != "create" || !role || *role == hub::TokenRole::kFineGrained) {
      throw Error(ErrorKind::kInvalid, "The role of a token made here is 'read' or 'write'.");
    }
    const hub::IssuedToken issued = call.services.accounts->create_token(
        by, person->name, {.display_name = name, .role = *role});
    const std::string notice = "<p>Copy the new token now, it is not shown again:</p><p><code>" +
                               html_escape(issued.value) + "</code></p>";
    return tokens_page(call, *person, notice, {}, 200);
  } catch (const Error& error) {
    if (!is_for_the_page(error) && error.kind() != ErrorKind::kNotFound) throw;
    return tokens_page(call, *person, {}, error.message(), status_of(error));
  }
}

constexpr std::array kLoginQuery = {
    QueryParameter{.name = "next",
                   .type = QueryParameter::Type::kText,
                   .what = "The path of this hub to go on to."},
};

constexpr std::array kDeviceQuery = {
    QueryParameter{.name = "user_code",
                   .type = QueryParameter::Type::kText,
                   .what = "The code that the program shows."},
};

}  // namespace

std::span<const Route> session_routes() {
  constexpr std::string_view kBrowser = "a browser";
  static const Route rows[] = {
      {.method = "GET",
       .pattern = "/login",
       .allow = Allow::kAnyone,
       .handler = show_login,
       .summary = "The page to log in; `next` is the path to go on to.",
       .source = kBrowser,
       .query = kLoginQuery,
       .answer = "text/html",
       .rate = RateClass::kPages},
      {.method = "POST",
       .pattern = "/login",
       .allow = Allow::kAnyone,
       .handler = log_in,
       .summary = "Name and password for a session cookie.",
       .source = kBrowser,
       .request = "application/x-www-form-urlencoded",
       .answer = "text/html",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kLogin},
      {.method = "GET",
       .pattern = "/logout",
       .allow = Allow::kAnyone,
       .handler = show_logout,
       .summary = "The page to log out.",
       .source = kBrowser,
       .answer = "text/html",
       .rate = RateClass::kPages},
      {.method = "POST",
       .pattern = "/logout",
       .allow = Allow::kAnyone,
       .handler = log_out,
       .summary = "Ends the session.",
       .source = kBrowser,
       .request = "application/x-www-form-urlencoded",
       .answer = "text/html",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kPages},
      {.method = "GET",
       .pattern = "/device",
       .allow = Allow::kAnyone,
       .handler = show_device,
       .summary = "The page where someone approves a device login; asks for a session first.",
       .source = "verification_uri of POST /oauth/device",
       .query = kDeviceQuery,
       .answer = "text/html",
       .rate = RateClass::kLogin},
      {.method = "POST",
       .pattern = "/device",
       .allow = Allow::kAnyone,
       .handler = answer_device,
       .summary = "Approves or denies a device login; needs a session and the form of the page.",
       .source = kBrowser,
       .request = "application/x-www-form-urlencoded",
       .answer = "text/html",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kLogin},
      {.method = "GET",
       .pattern = "/setup/{token}",
       .allow = Allow::kAnyone,
       .handler = show_setup,
       .summary = "The page of the single-use link that a new hub prints.",
       .source = kBrowser,
       .answer = "text/html",
       .rate = RateClass::kLogin},
      {.method = "POST",
       .pattern = "/setup/{token}",
       .allow = Allow::kAnyone,
       .handler = set_up,
       .summary = "Makes the first administrator.",
       .source = kBrowser,
       .request = "application/x-www-form-urlencoded",
       .answer = "text/html",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kLogin},
      {.method = "GET",
       .pattern = "/settings/tokens",
       .allow = Allow::kAnyone,
       .handler = show_tokens,
       .summary = "One's own access tokens; asks for a session first.",
       .source = "huggingface_hub _login.py names this page",
       .answer = "text/html",
       .rate = RateClass::kPages},
      {.method = "POST",
       .pattern = "/settings/tokens",
       .allow = Allow::kAnyone,
       .handler = change_tokens,
       .summary = "Makes or revokes a token, or ends a program's sign-in; needs a session and the "
                  "form of the page.",
       .source = kBrowser,
       .request = "application/x-www-form-urlencoded",
       .answer = "text/html",
       .body_bytes_max = kFormBytesMax,
       .rate = RateClass::kLogin},
  };
  return rows;
}

}  // namespace hearth::api
