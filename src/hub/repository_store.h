#pragma once
// Rows of repositories. SQL of repo and repo_alias; for the files of this folder. All but those
// that say so see no deleted repository.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/db.h"
#include "hub/repo.h"

namespace hearth::hub {

std::optional<Repo> find_repo_row(db::Tx& tx, std::string_view id);
std::optional<Repo> find_repo_row(db::Tx& tx, RepoType type, const RepoId& repo_id);
/// By a former name.
std::optional<Repo> find_moved_repo_row(db::Tx& tx, RepoType type, const RepoId& repo_id);
/// Those of the ids that exist, in no order.
std::vector<Repo> find_repo_rows(db::Tx& tx, const std::vector<std::string>& ids);
std::vector<Repo> list_repo_rows(db::Tx& tx, std::string_view after_id, int64_t limit);
std::vector<Repo> list_namespace_rows(db::Tx& tx, std::string_view namespace_id);

/// Adds the row and takes its name over from a moved repository. False: the name is taken.
bool insert_repo_row(db::Tx& tx, const Repo& repo);
void update_repo_settings(db::Tx& tx, const Repo& repo);
/// Gives the row its new name (repo holds it) and keeps the old one as an alias.
void rename_repo_row(db::Tx& tx, const Repo& repo, const RepoId& old_id, int64_t now_ms);
/// Gives its name free and hides it from every other function here. False: it was gone already.
bool mark_repo_deleted(db::Tx& tx, std::string_view id, int64_t now_ms, int64_t kept_until_ms);
/// Brings it back under the name that `repo` holds, which the caller has found free.
void undelete_repo_row(db::Tx& tx, const Repo& repo);
/// Of those that were deleted before it was noted how long they are kept.
void set_missing_kept_until(db::Tx& tx, int64_t undelete_ms);
/// Those whose time to be kept ended before that (INT64_MAX: all), what was deleted last first.
std::vector<DeletedRepo> list_deleted_repo_rows(db::Tx& tx, int64_t kept_until_before_ms);
std::optional<DeletedRepo> find_deleted_repo_row(db::Tx& tx, std::string_view id);
/// For good, with every row that is about it. False: it was gone already, or is kept until later
/// than that time.
bool delete_repo_row(db::Tx& tx, std::string_view id, std::optional<int64_t> kept_until_before_ms);

void set_repo_head(db::Tx& tx, std::string_view id, std::string_view head_oid, int64_t updated_ms);
/// Waits for other writers of this repository; false: it is gone.
bool lock_repo_row(db::Tx& tx, std::string_view id);
/// The next number of its discussions and pull requests.
int64_t next_discussion_number(db::Tx& tx, std::string_view id);

}  // namespace hearth::hub
