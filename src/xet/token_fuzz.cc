#include <cstdlib>

#include "xet/token.h"

// Tokens and signed ranges from strangers: nothing that we did not sign is taken. The second half
// of the input stands in the place of what is signed.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const xet::Signer signer("a secret of thirty-two bytes ...");
  static const std::string good = signer.token({.user_id = "u", .repo_id = "r", .expires_s = 1000});
  std::string_view text = as_text({data, size});
  if (signer.claims_of(text, 0) && text != good) std::abort();
  (void)signer.claims_of(good.substr(0, size % good.size()) + std::string(text), 0);
  std::string_view ranges = text.substr(0, text.find('&'));
  std::string_view rest = text.substr(std::min(ranges.size() + 1, text.size()));
  std::string_view expires = rest.substr(0, rest.find('&'));
  xet::Signer::DataQuery query{
      .ranges = ranges, .expires = expires, .user_id = rest, .signature = rest};
  if (signer.signed_ranges({}, query, 0)) std::abort();
  return 0;
}

}  // namespace hearth
