#pragma once
// Who likes what (hub-api 4.1, 6.2).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "hub/access.h"
#include "hub/identity.h"
#include "hub/repo.h"

namespace hearth::db {
class Database;
}

namespace hearth::hub {

struct Liker {
  std::string user_id;
  std::string name;
  std::string fullname;
};

struct LikedRepo {
  Repo repo;
  int64_t created_ms = 0;
};

/// Likes of repositories by people. Safe from any thread.
class Likes {
 public:
  Likes(db::Database& database, const Clock& clock, const Access& access);

  /// Likes, or likes no longer; saying so twice changes nothing. The count of the repository moves
  /// in the same transaction.
  void set(const Identity& who, const Repo& repo, bool liked);

  /// Who likes it, by id, after the id `after`; at most `limit`.
  std::vector<Liker> likers(const Repo& repo, std::string_view after, size_t limit) const;

  /// What a user likes and `who` may see, by the repository's id, after the id `after`: what was
  /// looked at is at most `limit`, what is answered may be less. `next` is where to go on, or
  /// empty.
  std::vector<LikedRepo> liked_by(std::string_view user_id, const Identity* who,
                                  std::string_view after, size_t limit, std::string& next) const;

 private:
  db::Database& database_;
  const Clock& clock_;
  const Access& access_;
};

}  // namespace hearth::hub
