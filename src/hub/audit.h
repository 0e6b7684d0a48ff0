#pragma once
// Who did what: one row for each change to accounts, rights and repositories, written in the
// transaction of the change itself.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "db/db.h"
#include "hub/identity.h"

namespace hearth::hub {

/// Who changes something, and from where.
struct Actor {
  std::string user_id;  // Empty: not a person with an account.
  std::string name;     // For people who read the audit.
  std::string remote_address;

  static Actor of(const Identity& identity, std::string_view remote_address);
  /// Someone with a shell on the machine.
  static Actor command_line() {
    return {.user_id = {}, .name = "(command line)", .remote_address = {}};
  }
  /// The hub's own housekeeping.
  static Actor system() { return {.user_id = {}, .name = "(hub)", .remote_address = {}}; }
  /// Someone who has not signed in: a sign-in attempt.
  static Actor stranger(std::string_view remote_address);
};

struct AuditEntry {
  int64_t seq = 0;
  int64_t time_ms = 0;
  Actor actor;
  std::string action;
  std::string target;
  json::object detail;
};

struct AuditFilter {
  std::optional<std::string> target = {};
  std::optional<std::string> actor_id = {};
  std::optional<int64_t> before_seq = {};  // For the next page: the last seq of this one.
  int64_t limit = 100;
};

/// Safe from any thread.
class Audit {
 public:
  Audit(db::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  /// `action` is a word of the form "repo.delete"; `target` names what was changed (an id or a
  /// name); `detail` never holds secrets.
  void append(db::Tx& tx, const Actor& actor, std::string_view action, std::string_view target,
              const json::object& detail = {}) const;

  /// The newest first.
  std::vector<AuditEntry> list(const AuditFilter& filter = {}) const;

 private:
  db::Database& database_;
  const Clock& clock_;
};

}  // namespace hearth::hub
