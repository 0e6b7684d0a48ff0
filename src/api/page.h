#pragma once
// The few plain pages that signing in needs: shell, cookies, and protection against other sites'
// forms. Nothing that someone typed gets into a page but through html_escape.

#include <optional>
#include <string>
#include <string_view>

#include "api/api.h"

namespace hearth::api {

/// The cookie of a session, as clients send it (`Cookie: token=…`).
inline constexpr std::string_view kSessionCookie = "token";

/// A whole page. `body_html` is markup; `title` is text. Nothing on it may load, frame it, or send
/// its forms elsewhere.
http::Response page(std::string_view title, std::string_view body_html, int status = 200);

/// A page that says one sentence.
http::Response message_page(std::string_view title, std::string_view sentence, int status = 200);

struct ShellOptions {
  int status = 200;
  bool is_signed_in = false;
};
/// The document of the site's pages (web/), which shows the state that it finds by itself.
http::Response page_shell(const http::RequestHead& head, const ShellOptions& options);

/// 303: the next page is fetched with GET.
http::Response see_other(std::string_view path_and_query);

std::optional<std::string> cookie_of(const http::RequestHead& head, std::string_view name);
/// An empty `value` takes the cookie away.
struct Cookie {
  std::string_view name;
  std::string_view value;
  int64_t max_age_s = 0;  // 0: until the browser closes.
};
void set_cookie(http::Response& response, const Call& call, const Cookie& cookie);

/// The person at the pages; null for strangers and for tokens.
const hub::Identity* person_of(const Call& call);

/// A value for the hidden field "csrf" that only pages of ours know: bound to the session, or,
/// before there is one, to a cookie of its own that is then added to `new_cookie`.
std::string csrf_token(const Call& call, std::string& new_cookie);
/// Throws Error{kForbidden} unless the form came from one of our pages of this browser.
void require_own_form(const Call& call, const Query& form);

/// `next` if it is a path of this hub, else "/settings/tokens": never another site's address.
std::string safe_next(std::string_view next);

/// Adds the pages' cookie for csrf_token to a page that holds a form.
void add_csrf_cookie(http::Response& response, const Call& call, std::string_view new_cookie);

}  // namespace hearth::api
