#include "hub/wrong_passwords.h"

#include <algorithm>
#include <string>

#include "base/address.h"
#include "base/error.h"
#include "base/hash.h"
#include "hub/accounts_secret.h"
#include "hub/wrong_passwords_store.h"

namespace hearth::hub {
namespace {

namespace store = wrong_passwords_store;

constexpr std::string_view kNewAddresses = "*";

Bytes name_hash_of(std::string_view name_key) {
  return secret_hash(name_key);
}

int64_t wait_ms(int64_t wrong_count) {
  if (wrong_count < kFreeWrongPasswords) return 0;
  const int64_t doublings = std::min<int64_t>(wrong_count - kFreeWrongPasswords, 20);
  return std::min(kPasswordWaitMsMax, int64_t{1000} << doublings);
}

void throw_if_blocked(const store::Tries& tries, int64_t now_ms) {
  if (tries.blocked_until_ms <= now_ms) return;
  const auto wait_s = static_cast<int>((tries.blocked_until_ms - now_ms + 999) / 1000);
  throw Error(ErrorKind::kRateLimited,
              "Too many wrong passwords. Try again in " + std::to_string(wait_s) + " s.",
              {.retry_after_s = wait_s});
}

}  // namespace

void begin_password_try(db::Tx& tx, std::string_view name_key, std::string_view remote_address,
                        int64_t now_ms) {
  const Bytes name = name_hash_of(name_key);
  const std::string address = caller_network(remote_address);
  store::Tries here = store::find(tx, name, address).value_or(store::Tries{.since_ms = now_ms});
  throw_if_blocked(here, now_ms);
  if (here.known_until_ms <= now_ms) {
    store::Tries all = store::find(tx, name, kNewAddresses).value_or(store::Tries{});
    throw_if_blocked(all, now_ms);
    if (all.since_ms + kPasswordDayMs <= now_ms) all = {.since_ms = now_ms};
    ++all.wrong_count;
    if (all.wrong_count >= kFreeFromNewAddresses) {
      all.blocked_until_ms = now_ms + kWaitFromNewAddressesMs;
    }
    all.forget_ms = all.since_ms + kPasswordDayMs;
    store::set(tx, name, kNewAddresses, all);
  }
  ++here.wrong_count;
  here.blocked_until_ms = now_ms + wait_ms(here.wrong_count);
  here.forget_ms = std::max(here.known_until_ms, now_ms + kPasswordDayMs);
  store::set(tx, name, address, here);
}

void end_password_try(db::Tx& tx, std::string_view name_key, std::string_view remote_address,
                      int64_t now_ms) {
  const Bytes name = name_hash_of(name_key);
  const std::string address = caller_network(remote_address);
  const auto here = store::find(tx, name, address);
  if (!here || here->known_until_ms <= now_ms) {
    // It was no guess, so it does not count as one.
    if (auto all = store::find(tx, name, kNewAddresses); all && all->wrong_count > 0) {
      --all->wrong_count;
      if (all->wrong_count < kFreeFromNewAddresses) all->blocked_until_ms = 0;
      store::set(tx, name, kNewAddresses, *all);
    }
  }
  store::set(tx, name, address,
             {.since_ms = now_ms,
              .known_until_ms = now_ms + kKnownAddressMs,
              .forget_ms = now_ms + kKnownAddressMs});
}

void forget_password_tries(db::Tx& tx, std::string_view name_key) {
  store::remove(tx, name_hash_of(name_key));
}

void remove_old_password_tries(db::Tx& tx, int64_t now_ms, int64_t rows_max) {
  store::remove_forgotten(tx, now_ms);
  store::remove_beyond(tx, now_ms, rows_max);
}

}  // namespace hearth::hub
