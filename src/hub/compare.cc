// Texts that name two commits, and what lies between them.

#include <charconv>

#include "git/git.h"
#include "hub/contents.h"
#include "hub/repositories.h"

namespace hearth::hub {
namespace {

constexpr size_t kStepsMax = 10'000;  // Of "~10000".

[[noreturn]] void throw_no_revision(std::string_view text) {
  throw Error(ErrorKind::kNotFound, "Invalid rev id: " + std::string(text),
              {.code = "RevisionNotFound"});
}

/// "^" and "~2" at the end, as a number of steps to first parents; what stands before stays in
/// `text`. Neither sign can be in the name of a ref (git check-ref-format).
size_t take_steps(std::string_view& text) {
  std::string_view whole = text;
  size_t begin = std::min(text.find_first_of("^~"), text.size());
  std::string_view suffix = text.substr(begin);
  text = text.substr(0, begin);
  size_t steps = 0;
  while (!suffix.empty()) {
    bool counted = suffix.front() == '~';
    suffix.remove_prefix(1);
    size_t count = 1;
    auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), count);
    size_t digits = error == std::errc() ? static_cast<size_t>(end - suffix.data()) : 0;
    // "^2" would be the second parent.
    if ((digits > 0 && !counted && count != 1) || error == std::errc::result_out_of_range ||
        (steps += count) > kStepsMax) {
      throw_no_revision(whole);
    }
    suffix.remove_prefix(digits);
  }
  return steps;
}

/// Nothing: the step leads before the first commit.
std::optional<git::Oid> first_parent(const git::GitRepo& git, const git::Oid& commit) {
  auto parents = git.commit_info(commit).parents;
  return parents.empty() ? std::nullopt : std::optional(parents.front());
}

git::Oid require_commit(const git::GitRepo& git, std::string_view text) {
  std::string_view name = text;
  size_t steps = take_steps(name);
  git::Oid commit = git.require_revision(name.empty() ? "HEAD" : name).commit;
  for (size_t i = 0; i < steps; ++i) {
    auto parent = first_parent(git, commit);
    if (!parent) throw_no_revision(text);
    commit = *parent;
  }
  return commit;
}

}  // namespace

std::string Contents::compare(const Repo& repo, std::string_view range) {
  git::GitRepo git = repositories_.open_git(repo);
  size_t dots = range.find("..");
  if (dots == std::string_view::npos) {
    git::Oid commit = require_commit(git, range);
    auto parent = first_parent(git, commit);
    return diff(repo, parent ? parent->hex() : std::string(), commit.hex(), {});
  }
  bool three_dots = range.substr(dots).starts_with("...");
  git::Oid from = require_commit(git, range.substr(0, dots));
  git::Oid to = require_commit(git, range.substr(dots + (three_dots ? 3 : 2)));
  return diff(repo, from.hex(), to.hex(), {.three_dots = three_dots});
}

}  // namespace hearth::hub
