// Opening, making and caring for a repository; revisions.

#include "git/repository.h"

#include <algorithm>

#include <git2.h>
#include <git2/sys/repository.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "git/git_command.h"
#include "git/quarantine.h"
#include "git/repository_state.h"

namespace hearth::git {

using internal::check;
using internal::from_git;
using internal::Handle;
using internal::own;
using internal::own_if_found;
using internal::to_git;

namespace {

constexpr auto kConfigWait = std::chrono::seconds(10);
constexpr std::string_view kDefaultBranch = "refs/heads/main";
constexpr std::string_view kHead = "HEAD";

/// A value as git's config files take it.
std::string quote(std::string_view value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string head_text() {
  return "ref: " + std::string(kDefaultBranch) + "\n";
}

std::string config_text(const RepoConfig& config) {
  return "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
         "[uploadpack]\n\tallowFilter = true\n"
         "[receive]\n\tfsckObjects = true\n"
         "[hearth]\n\trepoid = " +
         quote(config.repo_id) + "\n\ttype = " + quote(config.type) +
         "\n\tname = " + quote(config.name) + "\n\towner = " + quote(config.owner) + "\n";
}

}  // namespace

namespace internal {

std::string to_utf8(std::string_view text) {
  bool has_nul = text.find('\0') != std::string_view::npos;
  if (!has_nul && is_utf8(text)) return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    while (length <= 4 && i + length <= text.size() && !is_utf8(text.substr(i, length))) ++length;
    if (length > 4 || i + length > text.size() || text[i] == '\0') {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

Handle<git_commit> find_commit(git_repository* repo, const Oid& oid) {
  git_oid id = to_git(oid);
  git_commit* raw = nullptr;
  int code = git_commit_lookup(&raw, repo, &id);
  if (code == GIT_ENOTFOUND) return nullptr;  // also: an object of another type
  check(code, "read a commit");
  return Handle<git_commit>(raw);
}

Handle<git_commit> require_commit(git_repository* repo, const Oid& oid) {
  Handle<git_commit> commit = find_commit(repo, oid);
  if (!commit) {
    throw Error(ErrorKind::kNotFound, "Invalid rev id: " + oid.hex(), {.code = "RevisionNotFound"});
  }
  return commit;
}

Handle<git_tree> require_tree(git_repository* repo, const Oid& oid) {
  git_oid id = to_git(oid);
  return own<git_tree>("read a tree",
                       [&](git_tree** out) { return git_tree_lookup(out, repo, &id); });
}

}  // namespace internal

void GitRepo::init(const fs::path& dir, const RepoConfig& config) {
  struct stat info;
  if (::stat(dir.c_str(), &info) == 0) {
    throw Error(ErrorKind::kConflict, "The repository exists already.", {.detail = dir.string()});
  }
  // Made beside its place and renamed, so that a crash leaves no half repository.
  fs::path temporary = dir;
  temporary += std::string(kUnfinishedMark) + random_alphanumeric(8);
  make_dirs(dir.parent_path());
  try {
    for (std::string_view folder :
         {"objects/info", "objects/pack", "refs/heads", "refs/tags", "info"}) {
      make_dirs(temporary / folder);
    }
    write_durably(temporary / kHead, head_text());
    write_durably(temporary / "config", config_text(config));
    rename_durably(temporary, dir);
  } catch (...) {
    remove_tree(temporary);
    throw;
  }
}

GitRepo GitRepo::open(const fs::path& dir) {
  return GitRepo(std::make_unique<State>(dir));
}

GitRepo GitRepo::open_with(const fs::path& dir, const Quarantine& quarantine) {
  GitRepo repo = open(dir);
  repo.state_->quarantine_dir = quarantine.dir();
  // The quarantine first: libgit2 writes into the first place that is no alternate.
  Handle<git_odb> odb = own<git_odb>("open the quarantine", [&](git_odb** out) {
    return git_odb_open(out, quarantine.dir().c_str());
  });
  check(git_odb_add_disk_alternate(odb.get(), (dir / "objects").c_str()), "add an alternate");
  check(git_repository_set_odb(repo.state_->raw(), odb.get()), "use the quarantine");
  return repo;
}

GitRepo::GitRepo(std::unique_ptr<State> state) : state_(std::move(state)) {}
GitRepo::GitRepo(GitRepo&&) noexcept = default;
GitRepo& GitRepo::operator=(GitRepo&&) noexcept = default;
GitRepo::~GitRepo() = default;

const fs::path& GitRepo::dir() const {
  return state_->dir;
}

RepoConfig GitRepo::config() const {
  Handle<git_config> config = own<git_config>("read the configuration", [&](git_config** out) {
    return git_repository_config_snapshot(out, state_->raw());
  });
  auto get = [&](const char* key) {
    const char* value = nullptr;
    int code = git_config_get_string(&value, config.get(), key);
    if (code == GIT_ENOTFOUND) return std::string();
    check(code, "read the configuration");
    return std::string(value);
  };
  return {.repo_id = get("hearth.repoid"),
          .type = get("hearth.type"),
          .name = get("hearth.name"),
          .owner = get("hearth.owner")};
}

bool GitRepo::head_is_main() const {
  return read_file(state_->dir / kHead) == head_text();
}

void GitRepo::point_head_to_main() {
  write_durably(state_->dir / kHead, head_text());
}

void GitRepo::update_config(const std::function<RepoConfig()>& now) {
  // One after the other, so that what a killed one left behind can be told and removed: its own
  // file, and the lock that libgit2 made beside it.
  Fd alone = internal::lock_file(state_->dir / "hearth-refs.lock", LOCK_EX, kConfigWait);
  if (!alone) {
    throw Error(ErrorKind::kUnavailable, "The repository is being changed. Try again in a moment.",
                {.retry_after_s = 1});
  }
  for (const auto& entry : fs::directory_iterator(state_->dir)) {
    if (entry.path().filename().string().starts_with(".tmp-")) fs::remove(entry.path());
  }
  // Asked for here: of two that wait, the one with the older name may come last.
  const RepoConfig config = now();
  // Through a file of our own, so that what an operator added stays and the change is one step.
  fs::path path = state_->dir / "config";
  DurableFile file(path);
  file.write(read_file(path, 1u << 20));
  {
    Handle<git_config> handle = own<git_config>("open the configuration", [&](git_config** out) {
      return git_config_open_ondisk(out, file.temporary_path().c_str());
    });
    check(git_config_set_string(handle.get(), "hearth.repoid", config.repo_id.c_str()), "config");
    check(git_config_set_string(handle.get(), "hearth.type", config.type.c_str()), "config");
    check(git_config_set_string(handle.get(), "hearth.name", config.name.c_str()), "config");
    check(git_config_set_string(handle.get(), "hearth.owner", config.owner.c_str()), "config");
  }
  // libgit2 replaces the file by a rename: what counts is what stands under the name now.
  std::string text = read_file(file.temporary_path(), 1u << 20);
  write_durably(path, text);
  *this = open(state_->dir);
}

std::optional<Revision> GitRepo::resolve_revision(std::string_view text) const {
  if (text.empty() || text.size() > 512 || !is_utf8(text) || has_control_characters(text)) {
    return std::nullopt;
  }
  if (std::optional<Oid> oid = Oid::parse(text)) {
    if (internal::find_commit(state_->raw(), *oid)) return Revision{*oid, {}};
    return std::nullopt;  // no ref may look like that
  }
  std::string name(text);
  for (const std::string& ref : {std::string(kBranchPrefix) + name, std::string(kTagPrefix) + name,
                                 name, std::string(kDefaultBranch)}) {
    if (ref == name && !name.starts_with("refs/")) continue;
    if (ref == kDefaultBranch && name != ref && name != "HEAD" && name != "main") continue;
    if (why_bad_ref_name(ref)) continue;
    if (std::optional<Oid> commit = ref_commit(ref)) return Revision{*commit, ref};
  }
  if (text.size() < 7 || text.size() > 39 || !is_hex(name + std::string(name.size() % 2, '0'))) {
    return std::nullopt;
  }
  git_oid prefix;
  if (git_oid_fromstrn(&prefix, name.c_str(), name.size()) < 0) return std::nullopt;
  git_object* raw = nullptr;
  int code = git_object_lookup_prefix(&raw, state_->raw(), &prefix, name.size(), GIT_OBJECT_COMMIT);
  if (code == GIT_ENOTFOUND || code == GIT_EAMBIGUOUS) return std::nullopt;
  check(code, "look up an abbreviated commit");
  Handle<git_object> object(raw);
  return Revision{from_git(git_object_id(raw)), {}};
}

Revision GitRepo::require_revision(std::string_view text) const {
  std::optional<Revision> revision = resolve_revision(text);
  if (revision) return *revision;
  bool printable = is_utf8(text) && !has_control_characters(text);
  throw Error(ErrorKind::kNotFound,
              "Invalid rev id: " + (printable ? std::string(cut_utf8(text, 200)) : "?"),
              {.code = "RevisionNotFound"});
}

std::vector<std::string> GitRepo::fsck() const {
  ChildResult result = internal::run_git(
      {.arguments = {"fsck", "--full", "--strict", "--no-dangling", "--no-progress"},
       .repo_dir = state_->dir},
      {}, std::chrono::hours(1));
  std::vector<std::string> problems;
  std::string output = result.out + "\n" + result.err;
  for (std::string_view line : split(output, '\n')) {
    line = trim(line);
    // An empty repository has neither a branch nor refs; that is no damage. Nor is what someone has
    // written into a whole object ("error in blob 12ab…: gitmodulesName: …"): a bit that has
    // flipped shows by the object's hash.
    if (line.empty() || line.starts_with("notice: ")) continue;
    if (line.starts_with("error in ") || line.starts_with("warning in ")) continue;
    problems.emplace_back(line);
  }
  // Its exit status is a sum of bits: 1 says only what was left out above, or is in the list.
  if (problems.empty() && (result.status & ~1) != 0) {
    problems.push_back("git fsck ended with status " + std::to_string(result.status));
  }
  return problems;
}

void GitRepo::maintain() {
  // git's own thresholds: gc.auto 6700 loose objects (seen in one of 256 folders), 50 packs.
  constexpr size_t kLooseInOneFolder = 27;
  constexpr size_t kPacks = 50;
  constexpr size_t kLooseRefs = 500;  // each is a file that a listing opens
  auto count = [](const fs::path& folder, std::string_view suffix) {
    size_t found = 0;
    std::error_code error;
    for (const auto& file : fs::directory_iterator(folder, error)) {
      if (file.path().filename().string().ends_with(suffix)) ++found;
    }
    return found;
  };
  Fd alone = internal::lock_file(state_->dir / "hearth-packing.lock", LOCK_EX, {});
  if (!alone) return;  // It is being packed.
  remove_stale_quarantines(state_->dir);
  size_t loose_refs = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(state_->dir / "refs", error)) {
    if (entry.is_regular_file(error)) ++loose_refs;
  }
  if (loose_refs > kLooseRefs) pack_refs();
  if (count(state_->dir / "objects/pack", ".pack") > kPacks) {
    pack_objects(/*again=*/true);
  } else if (count(state_->dir / "objects/17", "") > kLooseInOneFolder) {
    pack_objects(/*again=*/false);
  }
}

/// What `git repack -d` does, but nothing is removed before its copy is on the disk: git flushes no
/// folders, and after a power cut the new pack could be gone with the old objects. `again`: packs
/// too, into one.
void GitRepo::pack_objects(bool again) {
  fs::path folder = state_->dir / "objects/pack";
  auto run = [&](std::vector<std::string> arguments) {
    ChildResult result = internal::run_git(
        {.arguments = std::move(arguments), .repo_dir = state_->dir}, {}, std::chrono::hours(1));
    if (result.status == 0) return std::string(trim(result.out));
    throw Error(ErrorKind::kInternal, "The repository could not be packed.",
                {.detail = internal::error_line(result.err)});
  };
  std::vector<fs::path> old_packs;
  std::string made;
  if (again) {
    for (const auto& file : fs::directory_iterator(folder)) {
      if (file.path().extension() == ".pack") old_packs.push_back(file.path());
    }
    // As git repack -a -d --keep-unreachable calls it: objects that were moved in a moment ago have
    // no ref yet.
    made =
        run({"pack-objects", "-q", "--all", "--reflog", "--indexed-objects", "--keep-unreachable",
             "--pack-loose-unreachable", "--keep-true-parents", "--honor-pack-keep", "--non-empty",
             "--local", "--delta-base-offset", (folder / "pack").string()});
    if (made.empty()) return;
  } else {
    run({"repack", "-l", "-q"});
  }
  fsync_dir(folder);
  for (fs::path& pack : old_packs) {
    if (pack.stem() == "pack-" + made || fs::exists(fs::path(pack).replace_extension(".keep"))) {
      continue;
    }
    // The index first: whoever finds it expects the pack.
    for (const char* suffix : {".idx", ".rev", ".bitmap", ".pack"}) {
      ::unlink(pack.replace_extension(suffix).c_str());
    }
  }
  run({"prune-packed", "-q"});
}

}  // namespace hearth::git
