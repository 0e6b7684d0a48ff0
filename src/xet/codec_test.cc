#include "xet/codec.h"

#include <gtest/gtest.h>
#include <lz4frame.h>

#include "xet/chunker.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::text_of;

Bytes frame_of(ByteView plain, const LZ4F_preferences_t& preferences) {
  Bytes out(LZ4F_compressFrameBound(plain.size(), &preferences));
  out.resize(LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), &preferences));
  return out;
}

TEST(Codec, GroupingAgreesWithTheVectors) {
  for (const json::value& item : expected().at("unit").as_object().at("bg4").as_array()) {
    Bytes raw = from_hex(text_of(item.at("raw"))).value();
    Bytes grouped(raw.size());
    group_bytes(raw, grouped);
    EXPECT_EQ(to_hex(grouped), text_of(item.at("grouped")));
    Bytes back(raw.size());
    ungroup_bytes(grouped, back);
    EXPECT_EQ(back, raw);
  }
}

TEST(Codec, EverySchemeComesBackAsItWent) {
  Encoder encoder;
  Decoder decoder;
  for (const Bytes& chunk :
       {testing::split_mix(3, 65536), testing::repeated("abcdefg ", 131072), Bytes{7},
        testing::repeated("x", 65537), testing::vector_input("v3")}) {
    ByteView view = ByteView(chunk).first(std::min(chunk.size(), kChunkBytesMax));
    encoder.start_file();
    Encoder::Packed packed = encoder.encode(view);
    Bytes plain(view.size());
    ASSERT_TRUE(decoder.decode(packed.scheme, packed.payload, plain));
    EXPECT_TRUE(std::equal(plain.begin(), plain.end(), view.begin()));
    EXPECT_LE(packed.payload.size(), view.size());
  }
}

TEST(Codec, ChoosesAsTheClientDidForTheVectors) {
  EXPECT_EQ(choose_scheme(testing::vector_input("v3")), Scheme::kGroupedLz4);
  EXPECT_EQ(choose_scheme(testing::repeated("The quick brown fox. ", 60000)), Scheme::kLz4);
  EXPECT_EQ(choose_scheme(testing::split_mix(1, 60000)), Scheme::kLz4);
}

TEST(Codec, AcceptsAnyLegalFrame) {
  Bytes plain = testing::repeated("linked blocks, large blocks, checksums ", 131072);
  Decoder decoder;
  for (auto size : {LZ4F_max64KB, LZ4F_max256KB, LZ4F_max1MB, LZ4F_max4MB}) {
    for (auto mode : {LZ4F_blockLinked, LZ4F_blockIndependent}) {
      LZ4F_preferences_t preferences = {};
      preferences.frameInfo.blockSizeID = size;
      preferences.frameInfo.blockMode = mode;
      preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
      preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
      preferences.frameInfo.contentSize = plain.size();
      Bytes out(plain.size());
      ASSERT_TRUE(decoder.decode(Scheme::kLz4, frame_of(plain, preferences), out));
      EXPECT_EQ(out, plain);
    }
  }
}

TEST(Codec, RefusesFramesThatDoNotFillTheChunkExactly) {
  Bytes plain = testing::repeated("abc", 50000);
  Bytes frame = frame_of(plain, {});
  Decoder decoder;
  Bytes shorter(plain.size() - 1), longer(plain.size() + 1), exact(plain.size());
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, frame, shorter));
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, frame, longer));
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, ByteView(frame).first(frame.size() - 1), exact));
  Bytes trailing = frame;
  trailing.push_back(0);
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, trailing, exact));
  Bytes twice = testing::joined({frame, frame});
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, twice, exact));
  EXPECT_FALSE(decoder.decode(Scheme::kLz4, {}, exact));
  EXPECT_FALSE(decoder.decode(Scheme::kNone, frame, exact));
  EXPECT_TRUE(decoder.decode(Scheme::kLz4, frame, exact)) << "usable after errors";
}

}  // namespace
}  // namespace hearth::xet
