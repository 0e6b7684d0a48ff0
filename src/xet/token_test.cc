#include "xet/token.h"

#include <gtest/gtest.h>

#include "base/url.h"

namespace hearth::xet {
namespace {

const Signer kSigner(std::string(32, 'k'));
const Claims kClaims{.user_id = "u1",
                     .credential = "c1",
                     .repo_id = "r1",
                     .revision = "refs/pr/1",
                     .scope = Scope::kWrite,
                     .for_pull_request = true,
                     .expires_s = 1000};

TEST(XetToken, SaysWhatWasSigned) {
  auto claims = kSigner.claims_of(kSigner.token(kClaims), 999);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->user_id, "u1");
  EXPECT_EQ(claims->credential, "c1");
  EXPECT_EQ(claims->repo_id, "r1");
  EXPECT_EQ(claims->revision, "refs/pr/1");
  EXPECT_EQ(claims->scope, Scope::kWrite);
  EXPECT_TRUE(claims->for_pull_request);
  EXPECT_EQ(claims->expires_s, 1000);
}

TEST(XetToken, IsAcceptedForFiveMinutesLonger) {
  std::string token = kSigner.token(kClaims);
  EXPECT_TRUE(kSigner.claims_of(token, 1000 + kTokenGraceS));
  EXPECT_FALSE(kSigner.claims_of(token, 1001 + kTokenGraceS));
}

TEST(XetToken, EveryChangeIsNoticed) {
  std::string token = kSigner.token(kClaims);
  for (size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(kSigner.claims_of(other, 1)) << i;
  }
  EXPECT_FALSE(kSigner.claims_of("", 1));
  EXPECT_FALSE(kSigner.claims_of("xet1.", 1));
  EXPECT_FALSE(kSigner.claims_of("hf_abc", 1));
  EXPECT_FALSE(Signer(std::string(32, 'x')).claims_of(token, 1));
}

class DataUrl : public ::testing::Test {
 protected:
  std::optional<std::vector<Signer::ByteSpan>> check(const MerkleHash& xorb, int64_t now_s) {
    return kSigner.signed_ranges(xorb,
                                 {.ranges = *query_.get("r"),
                                  .expires = *query_.get("e"),
                                  .user_id = query_.get("u").value_or(""),
                                  .signature = *query_.get("s")},
                                 now_s);
  }
  MerkleHash xorb_ = MerkleHash::from_text(std::string(64, 'a')).value();
  std::vector<FetchRange> ranges_ = {{0, 2, 0, 99}, {5, 6, 300, 399}};
  Query query_{kSigner.data_query(xorb_, ranges_, 1000, "0123")};
};

TEST_F(DataUrl, GivesItsRangesUntilItsTime) {
  auto spans = check(xorb_, 1000);
  ASSERT_TRUE(spans);
  ASSERT_EQ(spans->size(), 2u);
  EXPECT_EQ((*spans)[1].begin, 300u);
  EXPECT_EQ((*spans)[1].last, 399u);
  EXPECT_FALSE(check(xorb_, 1001));
}

TEST_F(DataUrl, OtherXorbsRangesAndTimesAreRefused) {
  EXPECT_FALSE(check(MerkleHash{}, 1));
  query_.set("r", "0-99,300-400");
  EXPECT_FALSE(check(xorb_, 1));
  query_.set("r", "0-99,300-399");
  EXPECT_TRUE(check(xorb_, 1));
  query_.set("e", "2000");
  EXPECT_FALSE(check(xorb_, 1));
  query_.set("e", "1000");
  for (const char* other : {"", "0124"}) {
    query_.set("u", other);
    EXPECT_FALSE(check(xorb_, 1)) << "counted for someone else";
  }
}

TEST_F(DataUrl, StaysUnderEightKilobytesWithAllItsRanges) {
  std::vector<FetchRange> many;
  for (uint32_t i = 0; i < kRangesPerUrlMax; ++i) many.push_back({i, i + 1, 67000000, 67000001});
  EXPECT_LT(kSigner.data_query(xorb_, many, 9'999'999'999, "").size(), 7500u);
}

}  // namespace
}  // namespace hearth::xet
