#include <gtest/gtest.h>

#include "http/compress.h"
#include "http/http.h"
#include "http/response_head.h"

namespace hearth::http {
namespace {

TEST(Headers, ComparesNamesWithoutCaseAndKeepsOrder) {
  Headers headers{{"A", "1"}, {"b", "2"}};
  headers.add("a", "3");
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_EQ(headers.get_all("A"), (std::vector<std::string_view>{"1", "3"}));
  headers.set("a", "4");
  EXPECT_EQ(headers.get_all("A"), (std::vector<std::string_view>{"4"}));
  headers.remove("B");
  EXPECT_FALSE(headers.has("b"));
}

TEST(Headers, MakesValuesSafeForTheWire) {
  Headers headers;
  auto wire = [&](std::string_view value) {
    headers.set("X", value);
    return std::string(*headers.get("X"));
  };
  EXPECT_EQ(wire("a\r\nSet-Cookie: b"), "a  Set-Cookie: b");
  EXPECT_EQ(wire(std::string_view("a\0b\x7f", 4)), "a b");
  EXPECT_EQ(wire("caf\xc3\xa9"), "caf\xe9");
  EXPECT_EQ(wire("\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\xa4\x97!"), "?? ?!");
  EXPECT_EQ(wire("bad \xff\xc3"), "bad ??");
  EXPECT_EQ(wire("\xc2\x85"), "?");
  EXPECT_EQ(wire("  x  "), "x");
  EXPECT_THROW(headers.set("a b", "c"), Error);
  EXPECT_THROW(headers.add("", "c"), Error);
}

TEST(StringSink, RefusesMoreThanItsLimit) {
  StringSink sink(3);
  const uint8_t bytes[] = {'a', 'b', 'c', 'd'};
  sink.write({bytes, 2});
  sink.write({bytes, 1});
  EXPECT_EQ(sink.text(), "aba");
  EXPECT_THROW(sink.write({bytes, 1}), Error);
}

TEST(RequestHead, ComparesMediaTypesOnly) {
  RequestHead head;
  head.headers.set(kContentType, "Application/JSON ; charset=utf-8");
  EXPECT_TRUE(head.content_type_is("application/json"));
  EXPECT_FALSE(head.content_type_is("application/x-ndjson"));
}

std::string head_text(const Response& response, Exchanged exchanged = {.method = "GET"}) {
  exchanged.date = "now";
  return write_response_head(response, exchanged).text;
}

TEST(ResponseHead, FramesByStatusMethodAndLength) {
  EXPECT_EQ(head_text(Response::text("abc")),
            "HTTP/1.1 200 OK\r\nDate: now\r\nServer: hearth\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(head_text(Response::empty(204)),
            "HTTP/1.1 204 No Content\r\nDate: now\r\nServer: hearth\r\n\r\n");
  EXPECT_EQ(head_text(Response::empty(404)),
            "HTTP/1.1 404 Not Found\r\nDate: now\r\nServer: hearth\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(head_text(Response::empty(200).with(kContentLength, "7"), {.method = "HEAD"}),
            "HTTP/1.1 200 OK\r\nDate: now\r\nServer: hearth\r\nContent-Length: 7\r\n\r\n");
}

TEST(ResponseHead, DropsFieldsThatAreTheEdgesOwn) {
  Response response = Response::text("abc")
                          .with(kContentLength, "99")
                          .with(kTransferEncoding, "chunked")
                          .with(kConnection, "upgrade")
                          .with(kRequestId, "handler's");
  EXPECT_EQ(head_text(response, {.method = "GET", .request_id = "edge's", .keep_alive = false}),
            "HTTP/1.1 200 OK\r\nDate: now\r\nServer: hearth\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nX-Request-Id: handler's\r\n"
            "Content-Length: 3\r\nConnection: close\r\n\r\n");
}

TEST(ResponseHead, WritesDates) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Compress, ReadsAcceptEncoding) {
  for (std::string_view yes : {"gzip", "br, GZIP", "gzip;q=0.1", "*", "gzip;q=1, *;q=0"}) {
    EXPECT_TRUE(accepts_coding(yes, "gzip")) << yes;
  }
  for (std::string_view no : {"", "identity", "br", "gzip;q=0", "gzip;q=0.000", "gzip; q=0.0",
                              "*;q=0", "*, gzip;q=0", "x-gzipped"}) {
    EXPECT_FALSE(accepts_coding(no, "gzip")) << no;
  }
}

}  // namespace
}  // namespace hearth::http
