#include "http/head_parser.h"

#include <gtest/gtest.h>

namespace hearth::http {
namespace {

tl::expected<RequestHead, Refusal> parse(std::string_view text) {
  return parse_request_head(text, Limits{});
}

int status_of(std::string_view text) {
  auto head = parse(text);
  return head ? 200 : head.error().status;
}

TEST(HeadParser, KeepsTheTargetAsItWasSent) {
  auto head = parse(
      "GET /api/models/a/b/revision/refs%2Fpr%2F1?expand[]=likes&x=%20 HTTP/1.1\r\n"
      "Host: hub.lan:8080\r\nx-Custom:\t a, b \r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->raw_path, "/api/models/a/b/revision/refs%2Fpr%2F1");
  EXPECT_EQ(head->raw_query, "expand[]=likes&x=%20");
  EXPECT_EQ(head->http_version, "1.1");
  EXPECT_EQ(head->host, "hub.lan:8080");
  EXPECT_EQ(head->headers.get("X-CUSTOM"), "a, b");
  EXPECT_FALSE(head->has_body());
}

TEST(HeadParser, TakesHostAndPathFromTheAbsoluteForm) {
  auto head = parse("GET HTTP://other:1/x?y HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->host, "other:1");
  EXPECT_EQ(head->target, "/x?y");
  EXPECT_EQ(head->raw_path, "/x");
  head = parse("GET http://other?y HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->target, "/?y");
  EXPECT_EQ(status_of("GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET http://user@evil/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

TEST(HeadParser, RefusesWhatTwoReadersCouldReadDifferently) {
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::pair<std::string, int> cases[] = {
      {start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {start + "Content-Length: 5\r\ncontent-length: 5\r\n\r\n", 400},
      {start + "Content-Length: 5, 5\r\n\r\n", 400},
      {start + "Content-Length: +5\r\n\r\n", 400},
      {start + "Content-Length: -1\r\n\r\n", 400},
      {start + "Content-Length: 0x5\r\n\r\n", 400},
      {start + "Content-Length:\r\n\r\n", 400},
      {start + "Content-Length: 9999999999999999999999\r\n\r\n", 400},
      {start + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {start + "Transfer-Encoding: identity\r\n\r\n", 501},
      {start + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {start + "Content-Length : 5\r\n\r\n", 400},
      {start + " Content-Length: 5\r\n\r\n", 400},
      {start + "X: a\r\n b\r\n\r\n", 400},
      {start + "X: a\r\n\tb\r\n\r\n", 400},
      {start + "X\r\n\r\n", 400},
      {start + ": x\r\n\r\n", 400},
      {start + "X Y: x\r\n\r\n", 400},
      {start + std::string("X: a\0b\r\n\r\n", 10), 400},
      {start + "X: a\rb\r\n\r\n", 400},
      {start + "X: a\x7f\r\n\r\n", 400},
      {start + "Host: other\r\n\r\n", 400},
      {start + "Authorization: a\r\nAuthorization: b\r\n\r\n", 400},
      {start + "Expect: 200-maybe\r\n\r\n", 417},
      {"POST / HTTP/1.1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
      {"POST  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST / /x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {std::string("POST /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 29), 400},
      {"POST /\t HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"PO(ST / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {" POST / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
      {"POST / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\n", 505},
      {"POST / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"POST /\r\n\r\n", 400},
      {"CONNECT evil:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
  };
  for (const auto& [text, status] : cases) EXPECT_EQ(status_of(text), status) << text;
}

TEST(HeadParser, ReadsFraming) {
  auto head = parse("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0007\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->content_length, 7u);
  EXPECT_TRUE(head->has_body());
  head = parse("PUT / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_TRUE(head->chunked);
  head = parse("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->raw_path, "*");
  EXPECT_EQ(head->host, "");
}

TEST(HeadParser, KnowsWhenTheConnectionMayGoOn) {
  auto keeps = [](std::string text) {
    return wants_keep_alive(*parse("GET / HTTP/" + text + "\r\nHost: h\r\n\r\n"));
  };
  EXPECT_TRUE(keeps("1.1"));
  EXPECT_FALSE(keeps("1.0"));
  EXPECT_FALSE(keeps("1.1\r\nConnection: Close"));
  EXPECT_FALSE(keeps("1.1\r\nConnection: TE, close"));
  EXPECT_FALSE(keeps("1.1\r\nConnection: keep-alive\r\nConnection: close"));
  EXPECT_TRUE(keeps("1.0\r\nConnection: Keep-Alive"));
}

TEST(HeadParser, LimitsTheNumberOfHeaders) {
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 1; i < 100; ++i) text += "X: y\r\n";
  EXPECT_EQ(status_of(text + "\r\n"), 200);
  EXPECT_EQ(status_of(text + "X: y\r\n\r\n"), 431);
}

TEST(FindHeadEnd, FindsItHoweverTheBytesArrive) {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nbody";
  size_t searched = 0;
  for (size_t length = 0; length < 27; ++length) {
    auto end = find_head_end(std::string_view(text).substr(0, length), searched, Limits{});
    ASSERT_TRUE(end);
    EXPECT_FALSE(*end) << length;
  }
  auto end = find_head_end(text, searched, Limits{});
  ASSERT_TRUE(end && *end);
  EXPECT_EQ((**end).length_bytes, 27u);
}

TEST(FindHeadEnd, StopsAtTheLimits) {
  Limits limits;
  limits.head_bytes_max = 100;
  limits.target_bytes_max = 20;
  auto status = [&](const std::string& text) {
    size_t searched = 0;
    auto end = find_head_end(text, searched, limits);
    return end ? 200 : end.error().status;
  };
  EXPECT_EQ(status("GET / HTTP/1.1\n"), 400);
  EXPECT_EQ(status("\n"), 400);
  EXPECT_EQ(status(std::string(84, 'a')), 200);
  EXPECT_EQ(status(std::string(85, 'a')), 414);
  const std::string start = "GET / HTTP/1.1\r\nX: ";
  EXPECT_EQ(status(start + std::string(77, 'a') + "\r\n\r\n"), 200);
  EXPECT_EQ(status(start + std::string(78, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(status(start + std::string(90, 'a')), 431);
}

TEST(RequestId, IsTheClientsIfPlain) {
  EXPECT_EQ(choose_request_id(Headers{{"x-amzn-trace-id", "Root=1-ab:c"}}), "Root=1-ab:c");
  EXPECT_EQ(choose_request_id(Headers{{"X-Request-Id", "a b"}}).size(), 32u);
  EXPECT_EQ(choose_request_id(Headers{{"X-Request-Id", std::string(129, 'a')}}).size(), 32u);
  EXPECT_NE(choose_request_id({}), choose_request_id({}));
}

}  // namespace
}  // namespace hearth::http
