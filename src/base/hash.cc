#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/error.h"

namespace hearth {
namespace {

struct Digest {
  explicit Digest(const EVP_MD* kind) : ctx(EVP_MD_CTX_new()) {
    HEARTH_ASSERT(ctx != nullptr && EVP_DigestInit_ex(ctx, kind, nullptr) == 1,
                  "OpenSSL has no hash");
  }
  ~Digest() { EVP_MD_CTX_free(ctx); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void update(ByteView bytes) { EVP_DigestUpdate(ctx, bytes.data(), bytes.size()); }
  void finish(uint8_t* out) { EVP_DigestFinal_ex(ctx, out, nullptr); }

  EVP_MD_CTX* ctx;
};

}  // namespace

struct Sha256::State {
  Digest digest{EVP_sha256()};
};
Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;
void Sha256::update(ByteView bytes) {
  state_->digest.update(bytes);
}
std::array<uint8_t, 32> Sha256::finish() {
  std::array<uint8_t, 32> out;
  state_->digest.finish(out.data());
  return out;
}
std::string Sha256::finish_hex() {
  return to_hex(finish());
}

struct Sha1::State {
  Digest digest{EVP_sha1()};
};
Sha1::Sha1() : state_(std::make_unique<State>()) {}
Sha1::Sha1(Sha1&&) noexcept = default;
Sha1& Sha1::operator=(Sha1&&) noexcept = default;
Sha1::~Sha1() = default;
void Sha1::update(ByteView bytes) {
  state_->digest.update(bytes);
}
std::array<uint8_t, 20> Sha1::finish() {
  std::array<uint8_t, 20> out;
  state_->digest.finish(out.data());
  return out;
}

std::string sha256_hex(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish_hex();
}

std::array<uint8_t, 32> hmac_sha256(ByteView key, ByteView message) {
  std::array<uint8_t, 32> out;
  unsigned length = out.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
       out.data(), &length);
  return out;
}

}  // namespace hearth
