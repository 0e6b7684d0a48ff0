#include "hub/accounts_password.h"

#include <chrono>
#include <semaphore>

#include <argon2.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "hub/accounts.h"

namespace hearth::hub {
namespace {

// OWASP password storage cheat sheet: argon2id with 19 MiB, two passes, one lane.
constexpr uint32_t kPasses = 2;
constexpr uint32_t kMemoryKib = 19 * 1024;
constexpr uint32_t kLanes = 1;
constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;

// Bounds the memory that sign-ins may take together.
constexpr int kAtOnceMax = 4;
constexpr std::chrono::seconds kWaitMax{10};
std::counting_semaphore<kAtOnceMax> g_slots{kAtOnceMax};

struct Slot {
  Slot() {
    if (!g_slots.try_acquire_for(kWaitMax)) {
      throw Error(ErrorKind::kUnavailable, "Too many people sign in just now. Try again.",
                  {.retry_after_s = 5});
    }
  }
  ~Slot() { g_slots.release(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
};

/// The hash of a password that nobody knows, with today's parameters.
const std::string& nobodys_hash() {
  static const std::string hash = hash_password(random_alphanumeric(40));
  return hash;
}

}  // namespace

void check_new_password(std::string_view password) {
  if (password.size() < kPasswordBytesMin) {
    throw Error(ErrorKind::kInvalid,
                "A password has at least " + std::to_string(kPasswordBytesMin) + " characters.");
  }
  if (password.size() > kPasswordBytesMax) {
    throw Error(ErrorKind::kInvalid,
                "A password has at most " + std::to_string(kPasswordBytesMax) + " bytes.");
  }
  if (!is_utf8(password)) throw Error(ErrorKind::kInvalid, "A password is UTF-8 text.");
}

std::string hash_password(std::string_view password) {
  const Slot slot;
  const Bytes salt = random_bytes(kSaltBytes);
  std::string encoded(
      argon2_encodedlen(kPasses, kMemoryKib, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const int rc =
      argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(), password.size(),
                            salt.data(), salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (rc != ARGON2_OK) {
    throw Error(ErrorKind::kInternal, "The password could not be stored.",
                {.detail = argon2_error_message(rc)});
  }
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool verify_password(std::string_view password, std::string_view hash) {
  if (password.size() > kPasswordBytesMax) return false;
  const std::string encoded(hash.empty() ? std::string_view(nobodys_hash()) : hash);
  const Slot slot;
  const int rc = argon2id_verify(encoded.c_str(), password.data(), password.size());
  return rc == ARGON2_OK && !hash.empty();
}

}  // namespace hearth::hub
