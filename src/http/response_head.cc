#include "http/response_head.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "base/text.h"

namespace hearth::http {
namespace {

bool is_ours(std::string_view name) {
  for (std::string_view ours : {kDate, std::string_view("Server"), kConnection, kContentLength,
                                kTransferEncoding, std::string_view("Keep-Alive")}) {
    if (equals_ignoring_case(name, ours)) return true;
  }
  return false;
}

}  // namespace

ResponseHead write_response_head(const Response& response, const Exchanged& exchanged) {
  ResponseHead head;
  int status = response.status;
  head.keep_alive = exchanged.keep_alive;
  const bool no_body_status = status == 204 || status == 304 || status < 200;
  const bool is_head = exchanged.method == "HEAD";
  std::optional<uint64_t> length = length_bytes(response.body);

  std::string framing;
  if (response.body.empty() && (is_head || status == 304)) {
    // The handler may know the length without opening the file.
    auto announced = response.headers.get(kContentLength);
    if (announced) framing = fmt::format("Content-Length: {}\r\n", *announced);
    if (!announced && is_head && !no_body_status) framing = "Content-Length: 0\r\n";
  } else if (no_body_status) {
    // Neither a length nor a body (RFC 9110, 8.6).
  } else if (length) {
    framing = fmt::format("Content-Length: {}\r\n", *length);
    head.framing = Framing::kLength;
    head.length_bytes = *length;
  } else if (exchanged.http_1_0) {
    head.framing = Framing::kUntilClose;
    head.keep_alive = false;
  } else {
    framing = "Transfer-Encoding: chunked\r\n";
    head.framing = Framing::kChunked;
  }
  if (is_head) head.framing = Framing::kNoBody;

  auto out = std::back_inserter(head.text);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\nServer: hearth\r\n", status,
                 reason_phrase(status), exchanged.date);
  bool has_request_id = false;
  for (const Headers::Field& field : response.headers.fields()) {
    if (is_ours(field.name)) continue;
    if (equals_ignoring_case(field.name, kRequestId)) has_request_id = true;
    fmt::format_to(out, "{}: {}\r\n", field.name, field.value);
  }
  if (!has_request_id && !exchanged.request_id.empty()) {
    fmt::format_to(out, "{}: {}\r\n", kRequestId, exchanged.request_id);
  }
  head.text += framing;
  if (!head.keep_alive) {
    head.text += "Connection: close\r\n";
  } else if (exchanged.http_1_0) {
    head.text += "Connection: keep-alive\r\n";
  }
  head.text += "\r\n";
  return head;
}

std::string http_date(int64_t time_s) {
  // Not strftime: its names follow the locale.
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t time = static_cast<std::time_t>(time_s);
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Other";
  }
}

}  // namespace hearth::http
