#include "http/range.h"

#include <gtest/gtest.h>

namespace hearth::http {

void PrintTo(const ByteRange& range, std::ostream* out) {
  *out << range.offset_bytes << "+" << range.length_bytes;
}

namespace {

using Kind = RangeRequest::Kind;

std::vector<ByteRange> ranges(std::string_view value, uint64_t size_bytes) {
  RangeRequest request = parse_range_header(value, size_bytes);
  EXPECT_EQ(request.kind, Kind::kRanges) << value;
  return request.ranges;
}

Kind kind(std::string_view value, uint64_t size_bytes) {
  return parse_range_header(value, size_bytes).kind;
}

TEST(RangeHeader, ReadsTheThreeForms) {
  EXPECT_EQ(ranges("bytes=0-0", 10), (std::vector<ByteRange>{{0, 1}}));
  EXPECT_EQ(ranges("bytes=2-", 10), (std::vector<ByteRange>{{2, 8}}));
  EXPECT_EQ(ranges("bytes=-3", 10), (std::vector<ByteRange>{{7, 3}}));
  EXPECT_EQ(ranges(" Bytes=1-2", 10), (std::vector<ByteRange>{{1, 2}}));
}

TEST(RangeHeader, SuffixLongerThanFileGivesWholeFile) {
  EXPECT_EQ(ranges("bytes=-11", 10), (std::vector<ByteRange>{{0, 10}}));
  EXPECT_EQ(ranges("bytes=-99999999999999999999999", 10), (std::vector<ByteRange>{{0, 10}}));
}

TEST(RangeHeader, EndPastTheFileIsCut) {
  EXPECT_EQ(ranges("bytes=9-10", 10), (std::vector<ByteRange>{{9, 1}}));
  EXPECT_EQ(ranges("bytes=0-18446744073709551615", 10), (std::vector<ByteRange>{{0, 10}}));
  EXPECT_EQ(ranges("bytes=0-99999999999999999999999", 10), (std::vector<ByteRange>{{0, 10}}));
}

TEST(RangeHeader, StartPastTheFileIsUnsatisfiable) {
  EXPECT_EQ(kind("bytes=10-", 10), Kind::kUnsatisfiable);
  EXPECT_EQ(kind("bytes=10-20,30-", 10), Kind::kUnsatisfiable);
  EXPECT_EQ(kind("bytes=-0", 10), Kind::kUnsatisfiable);
  EXPECT_EQ(kind("bytes=0-0", 0), Kind::kUnsatisfiable);
  EXPECT_EQ(kind("bytes=-5", 0), Kind::kUnsatisfiable);
}

TEST(RangeHeader, MalformedIsIgnored) {
  for (std::string_view value :
       {"", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=1-2-3",
        "bytes=0x1-2", "bytes=1 - 2", "bytes= 1-x", "items=0-1", "bytes=1", "bytes=--1",
        "bytes=0-1;2-3", "bytes=+1-2"}) {
    EXPECT_EQ(kind(value, 10), Kind::kNone) << value;
  }
}

TEST(RangeHeader, SeveralRangesKeepTheirOrderAndAreNotMerged) {
  EXPECT_EQ(ranges("bytes=5-6, 0-1,,6-7", 10), (std::vector<ByteRange>{{5, 2}, {0, 2}, {6, 2}}));
  EXPECT_EQ(ranges("bytes=0-1,20-30", 10), (std::vector<ByteRange>{{0, 2}}));
}

TEST(RangeHeader, TooManyRangesOrTooMuchOverlapIsIgnored) {
  std::string sixteen = "bytes=0-0";
  for (int i = 1; i < 16; ++i) sixteen += "," + std::to_string(i) + "-" + std::to_string(i);
  EXPECT_EQ(ranges(sixteen, 100).size(), 16u);
  EXPECT_EQ(kind(sixteen + ",50-50", 100), Kind::kNone);
  EXPECT_EQ(parse_range_header(sixteen + ",50-50", 100, {.range_count_max = 17}).ranges.size(),
            17u);
  EXPECT_EQ(kind("bytes=0-,0-", 10), Kind::kRanges);
  EXPECT_EQ(kind("bytes=0-,0-,0-,0-", 10), Kind::kNone);
}

RequestHead head_with(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  RequestHead head;
  head.method = "GET";
  head.headers = Headers(fields);
  return head;
}

Ranged thing(uint64_t size_bytes = 10) {
  Ranged thing;
  thing.size_bytes = size_bytes;
  thing.etag = "\"abc\"";
  thing.append = [](ByteRange range, Body& body) {
    body.emplace_back(std::string("0123456789").substr(range.offset_bytes, range.length_bytes));
  };
  return thing;
}

TEST(ServeRanged, AnswersWholeRangeAndUnsatisfiable) {
  Response response = serve_ranged(head_with({}), thing());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get(kAcceptRanges), "bytes");
  EXPECT_EQ(response.headers.get(kEtag), "\"abc\"");
  EXPECT_EQ(std::get<std::string>(response.body.at(0)), "0123456789");

  response = serve_ranged(head_with({{"Range", "bytes=2-3"}}), thing());
  EXPECT_EQ(response.status, 206);
  EXPECT_EQ(response.headers.get(kContentRange), "bytes 2-3/10");
  EXPECT_EQ(std::get<std::string>(response.body.at(0)), "23");

  response = serve_ranged(head_with({{"Range", "bytes=10-"}}), thing());
  EXPECT_EQ(response.status, 416);
  EXPECT_EQ(response.headers.get(kContentRange), "bytes */10");

  response = serve_ranged(head_with({}), thing(0));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(length_bytes(response.body), 0u);
}

TEST(ServeRanged, HonoursConditions) {
  auto status = [](auto fields) { return serve_ranged(head_with(fields), thing()).status; };
  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  EXPECT_EQ(status(Fields{{"If-None-Match", "\"x\", W/\"abc\""}}), 304);
  EXPECT_EQ(status(Fields{{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(status(Fields{{"If-None-Match", "\"x\""}}), 200);
  EXPECT_EQ(status(Fields{{"Range", "bytes=0-1"}, {"If-Range", "\"abc\""}}), 206);
  EXPECT_EQ(status(Fields{{"Range", "bytes=0-1"}, {"If-Range", "\"old\""}}), 200);
  EXPECT_EQ(status(Fields{{"Range", "bytes=0-1"}, {"If-Range", "W/\"abc\""}}), 200);
  EXPECT_EQ(status(Fields{{"Range", "bytes=0-1"}, {"If-Range", "Tue, 01 Jan 2030 00:00:00 GMT"}}),
            200);
}

}  // namespace
}  // namespace hearth::http
