#pragma once
// What proves a right without a look-up: tokens of the CAS, and URLs for ranges of a xorb.
//
// Both are signed with HMAC-SHA-256 by keys that follow from one secret, one for each purpose, so
// that one can never be taken for the other.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xet/reconstruction.h"

namespace hearth::xet {

/// Lifetime that clients are told: hf-xet renews 30 s before, Python and JS 60 s before.
inline constexpr int64_t kTokenLifetimeS = 15 * 60;
/// Accepted for this long afterwards, because a 401 from the CAS is fatal to a transfer.
inline constexpr int64_t kTokenGraceS = 5 * 60;
/// Long enough for a slow piece of 256 MB; a client whose URL has run out asks for a new plan.
inline constexpr int64_t kDataUrlLifetimeS = 3600;

enum class Scope { kRead, kWrite };  // Write includes read.

struct Claims {
  std::string user_id;     // Empty: a stranger.
  std::string credential;  // What the hub finds the caller's credential again by.
  std::string repo_id;
  std::string revision;
  Scope scope = Scope::kRead;
  bool for_pull_request = false;  // Write, but only what a pull request may bring.
  int64_t expires_s = 0;          // Unix seconds.
};

class Signer {
 public:
  /// `secret`: 32 bytes or more.
  explicit Signer(std::string_view secret);

  std::string token(const Claims& claims) const;
  /// The claims of a token of ours that is not out of its grace period; nothing otherwise.
  std::optional<Claims> claims_of(std::string_view token, int64_t now_s) const;

  /// The query of a data URL: `r=0-99,200-299&e=<unix s>&u=<user id>&s=<signature>`, without `u`
  /// for a stranger. It gives no right: requests for the data are counted for that user.
  std::string data_query(const MerkleHash& xorb, std::span<const FetchRange> ranges,
                         int64_t expires_s, std::string_view user_id) const;
  /// The values of such a query, as they came.
  struct DataQuery {
    std::string_view ranges;
    std::string_view expires;
    std::string_view user_id;
    std::string_view signature;
  };
  struct ByteSpan {
    uint64_t begin = 0;
    uint64_t last = 0;  // Inclusive.
  };
  /// The signed ranges, when the signature is ours and the time has not come; nothing otherwise.
  std::optional<std::vector<ByteSpan>> signed_ranges(const MerkleHash& xorb, const DataQuery& query,
                                                     int64_t now_s) const;

 private:
  std::string sign(const Bytes& key, std::string_view message) const;
  Bytes token_key_;
  Bytes url_key_;
};

}  // namespace hearth::xet
