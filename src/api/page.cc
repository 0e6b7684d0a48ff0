#include "api/page.h"

#include <array>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"

namespace hearth::api {
namespace {

constexpr std::string_view kCsrfCookie = "csrf";

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}"
    "label{display:block;margin:.8rem 0}"
    "input,select{font:inherit;padding:.4rem;width:100%;box-sizing:border-box}"
    "button{font:inherit;padding:.45rem 1rem;margin:.4rem .4rem .4rem 0}"
    "code{font-size:1.1rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem .3rem 0}"
    ".problem{border-left:4px solid #c00;padding-left:.6rem}"
    ".inline{display:inline}";

/// The policy names our one style by its hash: a style or script that got in would not run.
const std::string& content_security_policy() {
  static const std::string policy = [] {
    Sha256 hash;
    hash.update(kStyle);
    const auto digest = hash.finish();
    return "default-src 'none'; style-src 'sha256-" + to_base64(digest) +
           "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
  }();
  return policy;
}

std::string signed_text(const Call& call, std::string_view kind, std::string_view secret) {
  const std::string message = "csrf\n" + std::string(kind) + "\n" + std::string(secret);
  return to_base64url(hmac_sha256(as_bytes(call.services.signing_key), as_bytes(message)));
}

/// The host of "https://hub.example:8080"; empty when it is no such address ("null").
std::string_view host_of(std::string_view origin) {
  const size_t scheme_end = origin.find("://");
  return scheme_end == std::string_view::npos ? std::string_view{} : origin.substr(scheme_end + 3);
}

}  // namespace

http::Response page(std::string_view title, std::string_view body_html, int status) {
  std::string html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
  html += html_escape(title);
  html += " - Hearth</title><meta name=\"viewport\" content=\"width=device-width\"><style>";
  html += kStyle;
  html += "</style></head><body><h1>";
  html += html_escape(title);
  html += "</h1>";
  html += body_html;
  html += "</body></html>\n";
  http::Response response = http::Response::bytes(std::move(html), "text/html; charset=utf-8");
  response.status = status;
  response.headers.set("Content-Security-Policy", content_security_policy());
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("X-Frame-Options", "DENY");
  // Not "no-referrer": browsers would then send "Origin: null" with our own forms.
  response.headers.set("Referrer-Policy", "same-origin");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response message_page(std::string_view title, std::string_view sentence, int status) {
  return page(title, "<p>" + html_escape(sentence) + "</p>", status);
}

http::Response see_other(std::string_view path_and_query) {
  http::Response response = http::Response::redirect(path_and_query, 303);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

std::optional<std::string> cookie_of(const http::RequestHead& head, std::string_view name) {
  for (std::string_view header : head.headers.get_all("Cookie")) {
    for (std::string_view pair : split(header, ';')) {
      pair = trim(pair);
      const size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        return std::string(pair.substr(equals + 1));
      }
    }
  }
  return std::nullopt;
}

void set_cookie(http::Response& response, const Call& call, const Cookie& cookie) {
  std::string text = std::string(cookie.name) + "=" + std::string(cookie.value) +
                     "; Path=/; HttpOnly; SameSite=Lax";
  if (cookie.value.empty()) {
    text += "; Max-Age=0";
  } else if (cookie.max_age_s > 0) {
    text += "; Max-Age=" + std::to_string(cookie.max_age_s);
  }
  if (call.public_url().starts_with("https://")) text += "; Secure";
  response.headers.add("Set-Cookie", text);
}

const hub::Identity* person_of(const Call& call) {
  const hub::Identity* who = call.who();
  return who != nullptr && who->credential.kind == hub::CredentialKind::kSession ? who : nullptr;
}

std::string csrf_token(const Call& call, std::string& new_cookie) {
  if (person_of(call) != nullptr) {
    return signed_text(call, "session", cookie_of(call.head, kSessionCookie).value_or(""));
  }
  auto cookie = cookie_of(call.head, kCsrfCookie);
  if (!cookie || cookie->empty()) {
    new_cookie = random_alphanumeric(32);
    cookie = new_cookie;
  }
  return signed_text(call, "stranger", *cookie);
}

void add_csrf_cookie(http::Response& response, const Call& call, std::string_view new_cookie) {
  if (!new_cookie.empty()) set_cookie(response, call, {.name = kCsrfCookie, .value = new_cookie});
}

void require_own_form(const Call& call, const Query& form) {
  const Error foreign(ErrorKind::kForbidden,
                      "This form is too old, or came from another site. Open the page again.");
  if (const auto origin = call.head.headers.get("Origin")) {
    const std::string_view host = host_of(*origin);
    if (!equals_ignoring_case(host, call.head.host) &&
        !equals_ignoring_case(host, host_of(call.public_url()))) {
      throw foreign;
    }
  }
  if (person_of(call) == nullptr && !cookie_of(call.head, kCsrfCookie)) throw foreign;
  std::string unused;
  if (!constant_time_equal(csrf_token(call, unused), form.get("csrf").value_or(""))) throw foreign;
}

std::string safe_next(std::string_view next) {
  const bool local = next.starts_with("/") && !next.starts_with("//") &&
                     next.find('\\') == std::string_view::npos && !has_control_characters(next) &&
                     is_utf8(next);
  return local ? std::string(next) : std::string("/settings/tokens");
}

}  // namespace hearth::api
