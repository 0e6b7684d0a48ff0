#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hearth {

Error::Error(ErrorKind kind, std::string message, ErrorExtra extra)
    : kind_(kind), message_(std::move(message)), extra_(std::move(extra)), what_(message_) {
  if (!extra_.detail.empty()) what_ += " (" + extra_.detail + ")";
}

void throw_errno(std::string_view doing, int error_number) {
  std::string detail = std::string(doing) + ": " + std::strerror(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    throw Error(
        ErrorKind::kUnavailable,
        "The server's disk is full. Nothing was stored; ask the administrator to make room.",
        {.detail = std::move(detail)});
  }
  throw Error(ErrorKind::kInternal, "The server could not read or write its data.",
              {.detail = std::move(detail)});
}

void internal::assert_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "hearth: broken promise at %s:%d: %s (%s)\n", file, line, why, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace hearth
