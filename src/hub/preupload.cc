// What a client shall do with each file before it commits (hub-api 4.4).

#include <set>

#include "base/text.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/commits.h"
#include "hub/ledger.h"
#include "hub/lfs_files_store.h"
#include "hub/limits.h"
#include "hub/repositories.h"

namespace hearth::hub {
namespace {

constexpr uint64_t kRulesBytesMax = 1u << 20;
/// Binary files above it go to LFS. Source: hub-api 4.4, rule 4.
constexpr uint64_t kSmallBinaryBytesMax = 100u << 10;

/// A sample may end in the middle of a character.
bool is_text(std::string_view sample) {
  if (sample.find('\0') != std::string_view::npos) return false;
  for (size_t cut = 0; cut <= 3 && cut <= sample.size(); ++cut) {
    if (is_utf8(sample.substr(0, sample.size() - cut))) return true;
  }
  return sample.empty();
}

bool is_lfs(const PreuploadFile& file, const git::Attributes& attributes) {
  if (file.size_bytes == 0) return false;
  if (attributes.is_lfs(file.path)) return true;
  if (file.size_bytes > kRegularBytesMax) return true;
  return file.size_bytes > kSmallBinaryBytesMax && !is_text(file.sample);
}

}  // namespace

std::vector<PreuploadAnswer> Commits::preupload(const Repo& repo, std::string_view revision,
                                                const PreuploadRequest& request, bool create_pr) {
  if (request.files.size() > kPreuploadFilesMax) {
    throw Error(ErrorKind::kInvalid, "At most 1,000 files may be asked for at once.");
  }
  git::GitRepo git = repositories_.open_git(repo);
  git::Revision base = git.require_revision(revision);
  if (create_pr && !base.ref.starts_with(git::kBranchPrefix)) {
    throw Error(ErrorKind::kNotFound, "Invalid rev id: " + std::string(revision),
                {.code = "RevisionNotFound"});
  }
  auto rules = [&](const std::optional<std::string>& sent, std::string_view path) {
    if (sent) return *sent;
    return git.read_file_at(base.commit, path, kRulesBytesMax).value_or("");
  };
  auto attributes = git::Attributes::parse(rules(request.git_attributes, ".gitattributes"));
  auto ignore = git::Ignore::parse(rules(request.git_ignore, ".gitignore"));
  auto deleted = context_.database->read([&](db::Tx& tx) { return lfs_deletions(tx, repo.id); });
  std::vector<PreuploadAnswer> answers;
  std::set<std::string_view> seen;
  std::vector<uint64_t> sizes_bytes;  // Of large files
  for (const PreuploadFile& file : request.files) {
    git::RepoPath path = git::RepoPath::require(file.path);
    if (!seen.insert(file.path).second) continue;
    PreuploadAnswer answer;
    answer.path = file.path;
    answer.is_lfs = is_lfs(file, attributes);
    answer.should_ignore = ignore.matches(path.text());
    auto entry = git.entry(base.commit, path.text());
    if (entry && entry->type == git::EntryType::kFile) {
      answer.oid = entry->pointer ? entry->pointer->sha256 : entry->oid.hex();
      // The client would leave out what is there, and this is not.
      if (deleted.contains(answer.oid)) answer.oid.clear();
    }
    if (answer.is_lfs && !answer.should_ignore) sizes_bytes.push_back(file.size_bytes);
    answers.push_back(std::move(answer));
  }
  Ledger(context_).require_room_for_sizes(repo, sizes_bytes);
  return answers;
}

}  // namespace hearth::hub
