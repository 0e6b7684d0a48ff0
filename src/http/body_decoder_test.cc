#include "http/body_decoder.h"

#include <string>

#include <gtest/gtest.h>

namespace hearth::http {
namespace {

struct Decoded {
  std::string body;
  std::string rest;
  std::string error;
  bool done = false;
};

/// Decodes with input in pieces of `step` bytes and output blocks of `room` bytes.
Decoded decode(std::string_view wire, size_t step = 1000, size_t room = 1000) {
  BodyDecoder decoder = BodyDecoder::chunked(Limits{});
  Decoded result;
  std::vector<uint8_t> out(room);
  while (!wire.empty() && !decoder.done()) {
    std::string_view input = wire.substr(0, step);
    const size_t before = input.size();
    auto count = decoder.decode(input, out);
    if (!count) {
      result.error = count.error().message;
      return result;
    }
    result.body.append(out.begin(), out.begin() + static_cast<ptrdiff_t>(*count));
    wire.remove_prefix(before - input.size());
  }
  result.done = decoder.done();
  result.rest = wire;
  return result;
}

TEST(BodyDecoder, TakesChunksApartHoweverTheyArrive) {
  const std::string wire =
      "5\r\nhello\r\n00006;name=v\r\n world\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nGET /";
  for (size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    for (size_t room : {1u, 4u, 1000u}) {
      Decoded result = decode(wire, step, room);
      EXPECT_EQ(result.body, "hello world0123456789");
      EXPECT_TRUE(result.done);
      EXPECT_EQ(result.rest, "GET /");
    }
  }
  EXPECT_TRUE(decode("0\r\n\r\n").done);
  EXPECT_FALSE(decode("5\r\nhello\r\n").done);
}

TEST(BodyDecoder, RefusesMalformedChunks) {
  for (std::string wire :
       {"\r\n", "g\r\n", "-1\r\n", "0x5\r\n", " 5\r\n", "5 \r\n", "5\n", "5\r5\n", "5;a\n\r\n",
        "5;a=\"\r\n", "1000000000000000\r\n", "2\r\nabc\r\n", "2\r\nab\n", "2\r\nabXX", "0\r\n\n",
        "0\r\n X\r\n", "0\r\nX\n\r\n", "5;\x01\r\n"}) {
    EXPECT_NE(decode(wire).error, "") << wire;
    EXPECT_NE(decode(wire, 1).error, "") << wire;
  }
  EXPECT_EQ(decode("5;" + std::string(256, 'x') + "\r\n").error, "");
  EXPECT_NE(decode("5;" + std::string(257, 'x') + "\r\n").error, "");
  EXPECT_NE(decode("0\r\n" + std::string(5000, 'x')).error, "");
}

TEST(BodyDecoder, StopsAtTheKnownLength) {
  BodyDecoder decoder = BodyDecoder::with_length(5);
  std::array<uint8_t, 100> out;
  std::string_view input = "abc";
  EXPECT_EQ(*decoder.decode(input, out), 3u);
  EXPECT_EQ(decoder.direct_bytes(), 2u);
  input = "deGET";
  EXPECT_EQ(*decoder.decode(input, out), 2u);
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(input, "GET");
  EXPECT_TRUE(BodyDecoder::with_length(0).done());
}

}  // namespace
}  // namespace hearth::http
