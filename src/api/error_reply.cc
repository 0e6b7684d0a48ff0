// The one place where exceptions become answers.

#include <new>

#include "api/api.h"
#include "base/log.h"
#include "base/text.h"
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

http::Response reply_to(const Error& error, const http::RequestHead& head) {
  int status = status_of(error.kind());
  if (status >= 500 && status != 501) {
    log_error("{} {} -> {} [{}] {}", head.method, head.raw_path, status, head.request_id,
              error.what());
  }
  json::object body;
  body["error"] = error.message();
  http::Response response = reply(body, status);
  response.headers.set("X-Error-Message", cut_utf8(error.message(), 1000));
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
