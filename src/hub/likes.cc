#include "hub/likes.h"

#include <map>

#include "db/db.h"
#include "hub/likes_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {

Likes::Likes(db::Database& database, const Clock& clock, const Access& access)
    : database_(database), clock_(clock), access_(access) {}

void Likes::set(const Identity& who, const Repo& repo, bool liked) {
  database_.write([&](db::Tx& tx) {
    if (liked) {
      insert_like(tx, repo.id, who.user_id, clock_.now_ms());
    } else {
      delete_like(tx, repo.id, who.user_id);
    }
  });
}

std::vector<Liker> Likes::likers(const Repo& repo, std::string_view after, size_t limit) const {
  return database_.read([&](db::Tx& tx) { return read_likers(tx, repo.id, after, limit); });
}

std::vector<LikedRepo> Likes::liked_by(std::string_view user_id, const Identity* who,
                                       std::string_view after, size_t limit,
                                       std::string& next) const {
  return database_.read([&](db::Tx& tx) {
    auto liked = read_liked(tx, user_id, after, limit);
    next = liked.size() == limit ? liked.back().first : std::string();
    std::vector<std::string> ids;
    std::map<std::string, int64_t, std::less<>> since;
    for (auto& [id, created_ms] : liked) {
      ids.push_back(id);
      since.emplace(id, created_ms);
    }
    std::vector<LikedRepo> found;
    for (Repo& repo : find_repo_rows(tx, ids)) {
      if (!access_.may(who, repo, RepoAction::kSee)) continue;
      int64_t created_ms = since.at(repo.id);
      found.push_back({std::move(repo), created_ms});
    }
    return found;
  });
}

}  // namespace hearth::hub
