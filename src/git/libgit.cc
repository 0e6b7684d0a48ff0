#include "git/libgit.h"

#include <string>

#include <git2.h>

#include "base/error.h"

namespace hearth::git::internal {

static_assert(GIT_ENOTFOUND == -3);

void Release::operator()(git_commit* p) const noexcept {
  git_commit_free(p);
}
void Release::operator()(git_config* p) const noexcept {
  git_config_free(p);
}
void Release::operator()(git_diff* p) const noexcept {
  git_diff_free(p);
}
void Release::operator()(git_index* p) const noexcept {
  git_index_free(p);
}
void Release::operator()(git_index_conflict_iterator* p) const noexcept {
  git_index_conflict_iterator_free(p);
}
void Release::operator()(git_object* p) const noexcept {
  git_object_free(p);
}
void Release::operator()(git_odb* p) const noexcept {
  git_odb_free(p);
}
void Release::operator()(git_odb_object* p) const noexcept {
  git_odb_object_free(p);
}
void Release::operator()(git_patch* p) const noexcept {
  git_patch_free(p);
}
void Release::operator()(git_reference* p) const noexcept {
  git_reference_free(p);
}
void Release::operator()(git_reference_iterator* p) const noexcept {
  git_reference_iterator_free(p);
}
void Release::operator()(git_repository* p) const noexcept {
  git_repository_free(p);
}
void Release::operator()(git_revwalk* p) const noexcept {
  git_revwalk_free(p);
}
void Release::operator()(git_tree* p) const noexcept {
  git_tree_free(p);
}

void start_library() {
  static const bool started = [] {
    HEARTH_ASSERT(git_libgit2_init() > 0, "libgit2 starts");
    for (int level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                      GIT_CONFIG_LEVEL_GLOBAL}) {
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    }
    // The data folder is the operator's word; whose files they are is not git's business.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    // The process shall idle below 60 MB: 16 MiB of parsed objects instead of 256 MiB.
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, static_cast<ssize_t>(16) << 20);
    return true;
  }();
  static_cast<void>(started);
}

void throw_git(int code, std::string_view doing) {
  const git_error* last = git_error_last();
  std::string detail =
      std::string(doing) + ": " +
      (last != nullptr && last->message != nullptr ? last->message : "no message") + " (" +
      std::to_string(code) + ")";
  if (code == GIT_ELOCKED) {
    throw Error(ErrorKind::kUnavailable, "The repository is busy. Try again.", {.detail = detail});
  }
  int subsystem = last != nullptr ? last->klass : GIT_ERROR_NONE;
  switch (subsystem) {
    case GIT_ERROR_NOMEMORY:
    case GIT_ERROR_OS:
    case GIT_ERROR_FILESYSTEM:
    case GIT_ERROR_INVALID:
    case GIT_ERROR_THREAD:
      throw Error(ErrorKind::kInternal, "The server could not use the repository.",
                  {.detail = detail});
    default:
      throw Error(ErrorKind::kCorrupt, "The repository is damaged. Tell the operator.",
                  {.detail = detail});
  }
}

uint32_t mode_of(const git_tree_entry* entry) {
  const auto raw = static_cast<uint32_t>(git_tree_entry_filemode_raw(entry));
  switch (raw & 0170000) {
    case 0040000:
      return 0040000;
    case 0120000:
      return 0120000;
    case 0100000:
      return (raw & 0100) != 0 ? 0100755 : 0100644;
    default:
      return 0160000;
  }
}

git_oid to_git(const Oid& oid) {
  git_oid out;
  std::memcpy(out.id, oid.bytes.data(), oid.bytes.size());
  return out;
}

Oid from_git(const git_oid* oid) {
  Oid out;
  if (oid != nullptr) std::memcpy(out.bytes.data(), oid->id, out.bytes.size());
  return out;
}

}  // namespace hearth::git::internal
