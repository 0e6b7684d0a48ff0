// Refs: reading by libgit2, changing by our own compare-and-swap.
//
// libgit2 1.5 compares the old value under the ref's lock only for updates, not for creations, and
// a process that dies between making `x.lock` and renaming it leaves a ref that nobody can change
// any more. So a change here holds flock(2) on `hearth-refs.lock` (gone with its process, seen by
// every process on the data), and under it git's own `x.lock`, so that plain git stays out as well.
// Our `x.lock` is a hard link to `hearth-refs.lock`: one found while we hold the flock is the rest
// of a dead process, and is told from git's own by its inode.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <thread>

#include <fcntl.h>
#include <git2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "git/git_command.h"
#include "git/object_writer.h"
#include "git/quarantine.h"
#include "git/repository_state.h"
#include "git/signature_text.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::own_if_found;
using internal::to_git;

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kLockWait = std::chrono::seconds(5);
constexpr auto kLockRetry = std::chrono::milliseconds(2);
constexpr std::string_view kRefsLock = "hearth-refs.lock";

[[noreturn]] void throw_busy(const fs::path& path) {
  throw Error(ErrorKind::kUnavailable, "The repository is busy. Try again in a moment.",
              {.detail = "held lock " + path.string()});
}

/// Keeps other Hearth processes and threads from changing refs of this repository.
class RefsLock {
 public:
  RefsLock(const fs::path& repo_dir, SteadyClock::time_point deadline) {
    fs::path path = repo_dir / kRefsLock;
    fd_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd_) throw_errno("open " + path.string(), errno);
    while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) throw_errno("flock", errno);
      if (SteadyClock::now() > deadline) throw_busy(path);
      std::this_thread::sleep_for(kLockRetry);
    }
  }

 private:
  Fd fd_;
};

/// A lock file that plain git honours. Made while RefsLock is held.
class GitLock {
 public:
  GitLock(const fs::path& repo_dir, const fs::path& locked, SteadyClock::time_point deadline)
      : path_(locked) {
    path_ += ".lock";
    fs::path mark = repo_dir / kRefsLock;
    while (::link(mark.c_str(), path_.c_str()) != 0) {
      int why = errno;
      if (SteadyClock::now() > deadline) throw_busy(path_);
      // `git pack-refs --prune` removes folders that have become empty, also between their being
      // made and this.
      if (why == ENOENT && fs::exists(mark)) {
        make_dirs(path_.parent_path());
        continue;
      }
      if (why != EEXIST) throw_errno("link " + path_.string(), why);
      std::error_code error;
      if (fs::equivalent(mark, path_, error)) {
        ::unlink(path_.c_str());
        continue;
      }
      std::this_thread::sleep_for(kLockRetry);
    }
  }
  GitLock(const GitLock&) = delete;
  GitLock& operator=(const GitLock&) = delete;
  ~GitLock() { ::unlink(path_.c_str()); }

 private:
  fs::path path_;
};

Handle<git_reference> lookup(git_repository* repo, const std::string& full_name) {
  return own_if_found<git_reference>("read a ref", [&](git_reference** out) {
    int code = git_reference_lookup(out, repo, full_name.c_str());
    return code == GIT_EINVALIDSPEC ? GIT_ENOTFOUND : code;
  });
}

std::optional<Oid> peel(const git_reference* ref) {
  git_object* raw = nullptr;
  int code = git_reference_peel(&raw, ref, GIT_OBJECT_COMMIT);
  Handle<git_object> object(raw);
  if (code == GIT_ENOTFOUND || code == GIT_EPEEL || code == GIT_EINVALIDSPEC) return std::nullopt;
  check(code, "follow a ref");
  return from_git(git_object_id(raw));
}

/// The files below refs/ whose names begin with `prefix`.
std::vector<std::string> loose_names(const fs::path& dir, const std::string& prefix) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::recursive_directory_iterator at(dir / "refs", error), end; !error && at != end;
         at.increment(error)) {
      std::string name = at->path().lexically_relative(dir).string();
      if (name.starts_with(prefix) && at->is_regular_file(error)) names.push_back(std::move(name));
      if (error.value() == ENOENT) error.clear();  // The file went away.
    }
    if (!error) return names;
    // A folder that is gone was emptied by `git pack-refs`: once more.
    if (error.value() != ENOENT) throw_errno("list " + dir.string() + "/refs", error.value());
  }
  throw_busy(dir / "refs");
}

/// Calls `visit` for each ref whose name begins with `prefix` (which ends in '/').
template <typename Visit>
void for_each_ref(git_repository* repo, const std::string& prefix, Visit visit) {
  git_reference_iterator* raw = nullptr;
  check(git_reference_iterator_new(&raw, repo), "list refs");
  Handle<git_reference_iterator> iterator(raw);
  std::set<std::string> seen;
  git_reference* ref = nullptr;
  int code = 0;
  while ((code = git_reference_next(&ref, iterator.get())) == 0) {
    Handle<git_reference> owned(ref);
    seen.insert(git_reference_name(ref));
    if (std::string_view(git_reference_name(ref)).starts_with(prefix)) visit(ref);
  }
  if (code != GIT_ITEROVER) check(code, "list refs");
  // The iterator passes over a file that it cannot read, and a failing disk would look like a ref
  // that is not there: those are looked up once more, which says why.
  for (const std::string& name : loose_names(git_repository_path(repo), prefix)) {
    if (seen.contains(name)) continue;
    if (Handle<git_reference> found = lookup(repo, name)) visit(found.get());
  }
}

void refuse_name_clash(git_repository* repo, const std::string& full_name) {
  auto refuse = [&](std::string_view other) {
    throw Error(ErrorKind::kConflict, "Reference " + full_name +
                                          " cannot be created: " + std::string(other) + " exists.");
  };
  for (size_t at = full_name.rfind('/'); at > 4; at = full_name.rfind('/', at - 1)) {
    std::string parent = full_name.substr(0, at);
    if (std::count(parent.begin(), parent.end(), '/') < 2) break;
    if (lookup(repo, parent)) refuse(parent);
  }
  for_each_ref(repo, full_name + "/", [&](git_reference* ref) { refuse(git_reference_name(ref)); });
}

/// Removes empty folders that a deleted `a/b` left where a ref `a` shall be. Folders with anything
/// in them stay.
void remove_empty_folders(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return;
  std::vector<fs::path> folders = {path};
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_directory(error)) folders.push_back(entry.path());
  }
  std::sort(folders.rbegin(), folders.rend());  // the deepest first
  for (const fs::path& folder : folders) ::rmdir(folder.c_str());
}

/// Removes the folders of a deleted `a/b/c` that are empty now, up to refs/heads.
void remove_empty_parents(const fs::path& repo_dir, std::string name) {
  for (name.erase(name.rfind('/')); std::count(name.begin(), name.end(), '/') >= 2;
       name.erase(name.rfind('/'))) {
    if (::rmdir((repo_dir / name).c_str()) != 0) return;
  }
}

/// Takes a ref out of packed-refs, durably. The caller holds the lock of that file.
void remove_packed(const fs::path& path, const std::string& full_name) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return;
  std::string text = read_file(path, uint64_t{1} << 30);
  std::string kept;
  bool found = false;
  bool skipping = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size() - 1);
    std::string_view line = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    if (!line.starts_with('^')) {  // a '^' line belongs to the ref before it
      skipping = line.size() > 41 && trim(line.substr(41)) == full_name && line.front() != '#';
    }
    found = found || skipping;
    if (!skipping) kept += line;
  }
  if (found) write_durably(path, kept);
}

/// What packed-refs says of a ref; nothing when it is not in there.
std::optional<Oid> packed_value(const fs::path& path, std::string_view full_name) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  std::string text = read_file(path, uint64_t{1} << 30);
  std::string wanted = " " + std::string(full_name) + "\n";
  for (size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    // "<40 hex digits> <name>": the whole line, not the end of a longer one.
    if (at < 40 || (at > 40 && text[at - 41] != '\n')) continue;
    if (auto oid = Oid::parse(std::string_view(text).substr(at - 40, 40))) return oid;
  }
  return std::nullopt;
}

std::string short_name(const std::string& full_name, std::string_view prefix) {
  return full_name.substr(prefix.size());
}

}  // namespace

RefList GitRepo::refs() const {
  RefList list;
  for_each_ref(state_->raw(), "refs/", [&](git_reference* raw) {
    Ref ref;
    ref.full_name = git_reference_name(raw);
    std::vector<Ref>* group = nullptr;
    for (auto [prefix, target] :
         {std::pair{kBranchPrefix, &list.branches}, std::pair{kTagPrefix, &list.tags},
          std::pair{kPullRequestPrefix, &list.pull_requests},
          std::pair{kConvertPrefix, &list.converts}}) {
      if (!ref.full_name.starts_with(prefix)) continue;
      ref.name = short_name(ref.full_name, prefix);
      group = target;
    }
    std::optional<Oid> commit = group == nullptr ? std::nullopt : peel(raw);
    if (!commit) return;
    const git_oid* target = git_reference_target(raw);
    ref.target = target != nullptr ? from_git(target) : *commit;
    ref.commit = *commit;
    group->push_back(std::move(ref));
  });
  for (std::vector<Ref>* group :
       {&list.branches, &list.tags, &list.pull_requests, &list.converts}) {
    std::sort(group->begin(), group->end(),
              [](const Ref& a, const Ref& b) { return a.full_name < b.full_name; });
  }
  return list;
}

std::optional<Oid> GitRepo::read_ref(std::string_view full_name) const {
  if (why_bad_ref_name(full_name)) return std::nullopt;
  // From the files, not by libgit2: that keeps packed-refs parsed, tells changes by the file's time
  // and size, and misses one within a step of the file system's clock. Here a swap depends on it.
  // The loose file first: `git pack-refs` removes it after it has written the packed value.
  std::error_code error;
  fs::path loose = state_->dir / full_name;
  if (fs::is_regular_file(loose, error)) {
    try {
      return Oid::parse(trim(read_file(loose, 4096)));
    } catch (const Error& gone) {
      if (gone.kind() != ErrorKind::kNotFound) throw;  // Packed just now.
    }
  }
  return packed_value(state_->dir / "packed-refs", full_name);
}

std::optional<Oid> GitRepo::ref_commit(std::string_view full_name) const {
  Handle<git_reference> ref = lookup(state_->raw(), std::string(full_name));
  if (!ref) return std::nullopt;
  return peel(ref.get());
}

RefUpdateResult GitRepo::update_ref_cas(const RefUpdate& update) {
  const std::string& name = update.full_name;
  if (auto why = why_bad_ref_name(name)) {
    throw Error(
        ErrorKind::kInvalid,
        "Invalid reference " + (is_utf8(name) ? name : std::string("name")) + ": " + *why + ".");
  }
  fs::path path = state_->dir / name;
  auto deadline = SteadyClock::now() + kLockWait;
  RefsLock refs_lock(state_->dir, deadline);
  if (!update.expected_old) {
    if (read_ref(name)) return RefUpdateResult::kChangedMeanwhile;
    if (!update.new_target) return RefUpdateResult::kDone;
    refuse_name_clash(state_->raw(), name);
    remove_empty_folders(path);
  } else if (read_ref(name) != update.expected_old) {
    return RefUpdateResult::kChangedMeanwhile;
  }
  make_dirs(path.parent_path());
  {
    GitLock git_lock(state_->dir, path, deadline);
    // Once more, under the lock that keeps plain git out too.
    if (read_ref(name) != update.expected_old) return RefUpdateResult::kChangedMeanwhile;
    if (update.new_target) {
      DurableFile file(path, state_->dir);
      file.write(update.new_target->hex() + "\n");
      file.commit();
    } else {
      // The packed value first: a crash in between leaves the loose one, which is the newer. And
      // under one lock with it, or `git pack-refs` could read the loose one and bring it back.
      fs::path packed = state_->dir / "packed-refs";
      GitLock packed_lock(state_->dir, packed, deadline);
      remove_packed(packed, name);
      remove_durably(path);
    }
  }
  if (!update.new_target) remove_empty_parents(state_->dir, name);
  return RefUpdateResult::kDone;
}

void GitRepo::create_ref(const std::string& full_name, const Oid& target) {
  RefUpdate update{.full_name = full_name, .expected_old = std::nullopt, .new_target = target};
  if (update_ref_cas(update) == RefUpdateResult::kDone) return;
  throw Error(ErrorKind::kConflict, "Reference " + full_name + " already exists");
}

void GitRepo::delete_ref(const std::string& full_name) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::optional<Oid> old = read_ref(full_name);
    if (!old) {
      throw Error(ErrorKind::kNotFound, "Invalid rev id: " + full_name,
                  {.code = "RevisionNotFound"});
    }
    RefUpdate update{.full_name = full_name, .expected_old = old, .new_target = std::nullopt};
    if (update_ref_cas(update) == RefUpdateResult::kDone) return;
  }
  throw_busy(state_->dir / full_name);
}

void GitRepo::pack_refs() {
  // git removes a loose ref when it still has the value that was packed. One that was deleted and
  // made again meanwhile with the same value would be lost: so nobody changes refs until it is
  // done.
  RefsLock refs_lock(state_->dir, SteadyClock::now() + kLockWait);
  // git flushes the file but not its folder, and then removes the loose refs: after a power cut
  // both could be gone. So a first run packs, and the second removes what is on the disk by then.
  for (const char* prune : {"--no-prune", "--prune"}) {
    ChildResult result =
        internal::run_git({.arguments = {"pack-refs", "--all", prune}, .repo_dir = state_->dir}, {},
                          std::chrono::minutes(5));
    if (result.status != 0) {
      throw Error(ErrorKind::kInternal, "The refs could not be packed.",
                  {.detail = internal::error_line(result.err)});
    }
    fsync_dir(state_->dir);
  }
}

Oid GitRepo::write_tag_object(const std::string& tag_name, const Oid& commit,
                              const Signature& tagger, std::string_view message) {
  if (auto why = why_bad_tag_name(tag_name)) {
    throw Error(ErrorKind::kInvalid, "Invalid tag name: " + *why + ".");
  }
  internal::require_commit(state_->raw(), commit);
  std::string text = "object " + commit.hex() + "\ntype commit\ntag " + tag_name + "\ntagger " +
                     internal::signature_text(tagger) + "\n\n" + internal::message_text(message);
  Quarantine quarantine(state_->dir);
  internal::ObjectWriter writer(quarantine.dir());
  Oid oid = writer.write(internal::ObjectType::kTag, as_bytes(text));
  writer.finish();
  quarantine.migrate();
  return oid;
}

}  // namespace hearth::git
