#pragma once
// Handles of libgit2, without its headers. Private to the module.

#include <memory>
#include <string_view>

#include "git/oid.h"

struct git_blob;
struct git_commit;
struct git_config;
struct git_diff;
struct git_index;
struct git_index_conflict_iterator;
struct git_object;
struct git_odb;
struct git_odb_object;
struct git_oid;
struct git_patch;
struct git_reference;
struct git_reference_iterator;
struct git_repository;
struct git_revwalk;
struct git_tree;
struct git_tree_entry;

namespace hearth::git::internal {

struct Release {
  void operator()(git_commit* p) const noexcept;
  void operator()(git_config* p) const noexcept;
  void operator()(git_diff* p) const noexcept;
  void operator()(git_index* p) const noexcept;
  void operator()(git_index_conflict_iterator* p) const noexcept;
  void operator()(git_object* p) const noexcept;
  void operator()(git_odb* p) const noexcept;
  void operator()(git_odb_object* p) const noexcept;
  void operator()(git_patch* p) const noexcept;
  void operator()(git_reference* p) const noexcept;
  void operator()(git_reference_iterator* p) const noexcept;
  void operator()(git_repository* p) const noexcept;
  void operator()(git_revwalk* p) const noexcept;
  void operator()(git_tree* p) const noexcept;
};

template <typename T>
using Handle = std::unique_ptr<T, Release>;

/// Starts the library once, with settings that make it ignore the machine's git configuration.
void start_library();

/// Throws Error for the library's last error: kCorrupt when an object is missing or damaged (what a
/// ref leads to must be there), kUnavailable for a held lock, else kInternal.
[[noreturn]] void throw_git(int code, std::string_view doing);

inline void check(int code, std::string_view doing) {
  if (code < 0) throw_git(code, doing);
}

git_oid to_git(const Oid& oid);

/// The mode of an entry as git reads it: the kind by its high bits alone, of a file whether it may
/// be executed. libgit2's own takes a link or a submodule with permission bits, which can be
/// pushed, for a file.
uint32_t mode_of(const git_tree_entry* entry);
Oid from_git(const git_oid* oid);

/// Runs a call that fills a raw pointer, and owns what it made.
template <typename T, typename Call>
Handle<T> own(std::string_view doing, Call call) {
  T* raw = nullptr;
  check(call(&raw), doing);
  return Handle<T>(raw);
}

/// As own, but "not found" is an empty handle.
template <typename T, typename Call>
Handle<T> own_if_found(std::string_view doing, Call call) {
  constexpr int kNotFound = -3;  // GIT_ENOTFOUND; libgit.cc checks it
  T* raw = nullptr;
  int code = call(&raw);
  if (code != kNotFound) check(code, doing);
  return Handle<T>(code == kNotFound ? nullptr : raw);
}

}  // namespace hearth::git::internal
