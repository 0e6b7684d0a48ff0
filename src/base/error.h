#pragma once
// The one exception type of the program, and the result type of its parsers.

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace hearth {

/// What went wrong, as the caller sees it; api/error_reply.cc turns each into a status.
enum class ErrorKind {
  kInvalid,              // 400: the request cannot be understood
  kUnprocessable,        // 422: understood, but never acceptable (a path outside the repository)
  kUnauthenticated,      // 401: who are you?
  kForbidden,            // 403: known, not allowed
  kNotFound,             // 404
  kGated,                // 401 or 403 by whether the caller is known
  kConflict,             // 409
  kPreconditionFailed,   // 412: parentCommit is not the head
  kTooLarge,             // 413
  kRangeNotSatisfiable,  // 416
  kRateLimited,          // 429
  kUnsupported,          // 501: part of the contract, not built
  kUnavailable,          // 503: try again
  kCorrupt,              // 500: stored bytes are damaged
  kInternal,             // 500
};

/// `code` becomes X-Error-Code ("RepoNotFound"); `detail` goes to the log only;
/// `retry_after_s` becomes Retry-After when positive.
struct ErrorExtra {
  std::string code = {};
  std::string detail = {};
  int retry_after_s = 0;
};

/// An error that unwinds to the one place that answers it.
///
/// `message` is for the caller: a sentence that says what to do, without secrets or our paths.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, ErrorExtra extra = {});

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& code() const noexcept { return extra_.code; }
  const std::string& detail() const noexcept { return extra_.detail; }
  int retry_after_s() const noexcept { return extra_.retry_after_s; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  ErrorExtra extra_;
  std::string what_;
};

/// Why foreign bytes were refused, and where.
struct ParseError {
  std::string message;
  uint64_t offset_bytes = 0;
};

/// The result of parsing what strangers sent.
template <typename T>
using Parsed = tl::expected<T, ParseError>;

inline tl::unexpected<ParseError> parse_error(std::string message, uint64_t offset_bytes = 0) {
  return tl::unexpected<ParseError>(ParseError{std::move(message), offset_bytes});
}

/// The value, or Error{kInvalid} with the parser's words behind `what` ("The range header …").
template <typename T>
T value_or_throw(Parsed<T> parsed, std::string_view what, ErrorKind kind = ErrorKind::kInvalid) {
  if (!parsed) throw Error(kind, std::string(what) + ": " + parsed.error().message);
  return std::move(*parsed);
}

/// Throws Error{kInternal or kUnavailable} for an errno, with what was being done in the detail.
/// ENOSPC and EDQUOT become kUnavailable with a sentence about the full disk.
[[noreturn]] void throw_errno(std::string_view doing, int error_number);

namespace internal {
[[noreturn]] void assert_failed(const char* condition, const char* why, const char* file, int line);
}

}  // namespace hearth

/// On in release: logs and aborts. Never reachable from input.
#define HEARTH_ASSERT(condition, why)                                                         \
  do {                                                                                        \
    if (!(condition)) ::hearth::internal::assert_failed(#condition, why, __FILE__, __LINE__); \
  } while (false)
