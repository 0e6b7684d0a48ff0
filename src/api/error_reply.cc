// The one place where exceptions become answers.

#include <new>

#include "api/api.h"
#include "api/page.h"
#include "api/request_log.h"
#include "base/log.h"
#include "base/text.h"
#include "base/url.h"
#include "http/headers.h"

namespace hearth::api {
namespace {

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
      return 400;
    case ErrorKind::kUnprocessable:
      return 422;
    case ErrorKind::kUnauthenticated:
      return 401;
    case ErrorKind::kForbidden:
      return 403;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kGated:
      return 403;
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kPreconditionFailed:
      return 412;
    case ErrorKind::kTooLarge:
      return 413;
    case ErrorKind::kRangeNotSatisfiable:
      return 416;
    case ErrorKind::kRateLimited:
      return 429;
    case ErrorKind::kUnsupported:
      return 501;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kCorrupt:
      return 500;
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

/// A person who opened an address in a browser. Clients and scripts take anything, or JSON.
bool is_for_a_person(const http::RequestHead& head) {
  if (head.raw_path.starts_with("/api/") || head.raw_path.starts_with("/cas/")) return false;
  return head.headers.get(http::kAccept).value_or("").find("text/html") != std::string_view::npos;
}

http::Response error_page(const Error& error, int status, const http::RequestHead& head) {
  std::string_view title = status == 404   ? "Not found"
                           : status == 401 ? "Sign in first"
                           : status == 403 ? "Not allowed"
                           : status == 501 ? "Not built yet"
                           : status == 503 ? "Not ready"
                                           : "This did not work";
  std::string body = "<p>" + html_escape(error.message()) + "</p>";
  if (status == 401) {
    body += "<p><a href=\"/login?next=" + html_escape(percent_encode(head.raw_path)) +
            "\">Log in</a></p>";
  }
  if (status == 404) {
    body += "<p><a href=\"/\">To the home page</a></p>";
  }
  return page(title, body, status);
}

bool is_page(const http::RequestHead& head) {
  const auto* note = dynamic_cast<const RequestNote*>(head.note.get());
  return note != nullptr && note->route() != nullptr && note->route()->is_page;
}

/// Sentences that clients compare as a whole (hub-api 2.3).
bool is_exact(std::string_view message) {
  return message == "Access to this resource is disabled.";
}

/// git shows a refusal's text to its user when it is plain text (remote-curl.c,
/// show_http_message).
bool is_for_git(const http::RequestHead& head) {
  std::string_view path = head.raw_path;
  return path.ends_with("/info/refs") || path.ends_with("/git-upload-pack") ||
         path.ends_with("/git-receive-pack");
}

http::Response reply_to(const Error& error, const http::RequestHead& head) {
  int status = status_of(error.kind());
  if (status >= 500 && status != 501) {
    const LogScope scope(head.request_id);
    log_error("{} {} {}: {}", head.method, loggable_path(head), status, error.what());
  }
  std::string message = error.message();
  // Python clients put a full stop behind it ("403 Forbidden: <text>.", hub-api 2.3).
  if (status == 403 && message.ends_with('.') && !is_exact(message)) message.pop_back();
  http::Response response;
  if (is_for_git(head)) {
    std::string text = message;
    if (status == 401) text += " Use an access token as the password.";
    response = http::Response::bytes(text + "\n", "text/plain; charset=utf-8");
    response.status = status;
  } else if (is_page(head)) {
    response = page_shell(head, {.status = status, .is_signed_in = !note_of(head).user().empty()});
  } else if (is_for_a_person(head)) {
    response = error_page(error, status, head);
  } else {
    // git-lfs and @huggingface/hub read `message` (hub-api 2.2).
    response = reply(json::object{{"error", message}, {"message", message}}, status);
  }
  response.headers.set("X-Error-Message", cut_utf8(message, 1000));
  if (!error.code().empty()) response.headers.set("X-Error-Code", error.code());
  if (error.retry_after_s() > 0) {
    response.headers.set("Retry-After", std::to_string(error.retry_after_s()));
  } else if (status == 503) {
    response.headers.set("Retry-After", "1");
  }
  return response;
}

}  // namespace

http::Response reply(const json::value& value, int status) {
  return http::Response::json(json::serialize(value), status);
}

http::Response error_reply(std::exception_ptr error, const http::RequestHead& head) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Error& known) {
    return reply_to(known, head);
  } catch (const std::bad_alloc&) {
    return reply_to(Error(ErrorKind::kUnavailable, "The server is out of memory. Try again later."),
                    head);
  } catch (const std::exception& unknown) {
    return reply_to(Error(ErrorKind::kInternal, "The server made a mistake. Its log says more.",
                          {.detail = unknown.what()}),
                    head);
  }
}

}  // namespace hearth::api
