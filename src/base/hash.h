#pragma once
// SHA-1, SHA-256 and HMAC, by OpenSSL.

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hearth {

/// A running hash. Not safe from several threads.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(ByteView bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  /// Ends the hash; the object may not be used afterwards.
  std::array<uint8_t, 32> finish();
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Git's object hash.
class Sha1 {
 public:
  Sha1();
  Sha1(Sha1&&) noexcept;
  Sha1& operator=(Sha1&&) noexcept;
  ~Sha1();
  void update(ByteView bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  std::array<uint8_t, 20> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
std::array<uint8_t, 32> hmac_sha256(ByteView key, ByteView message);

}  // namespace hearth
