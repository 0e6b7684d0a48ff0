// Objects that leave a repository for a backup, and come back: packs, made and read by plain git.

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "git/git_command.h"
#include "git/repository_state.h"

namespace hearth::git {
namespace {

// A pack of some hundred GB takes hours on a slow disk; a child that hangs must end all the same.
constexpr auto kCopyTime = std::chrono::hours(12);
constexpr size_t kListBytesMax = size_t{8} << 30;  // 41 bytes an object: 200 million of them.
constexpr int kTries = 3;

[[noreturn]] void throw_failed(const char* doing, const ChildResult& result) {
  throw Error(ErrorKind::kCorrupt, "The objects of a repository cannot be copied.",
              {.detail = std::string(doing) + ": " + internal::error_line(result.err)});
}

/// How many objects a pack says that it has: bytes 8 to 11 of its head.
uint64_t count_in_head(const fs::path& pack) {
  uint8_t head[12];
  if (read_at(open_read(pack), 0, head) != sizeof head) return 0;
  return uint64_t{head[8]} << 24 | uint64_t{head[9]} << 16 | uint64_t{head[10]} << 8 | head[11];
}

}  // namespace

std::optional<fs::path> GitRepo::write_pack(const std::vector<Oid>& tips,
                                            const std::vector<Oid>& known,
                                            const fs::path& folder) const {
  std::string wanted;
  for (const Oid& tip : tips) wanted += tip.hex() + "\n";
  for (const Oid& oid : known) {
    if (has_object(oid)) wanted += "^" + oid.hex() + "\n";
  }
  for (int attempt = 1;; ++attempt) {
    // git finds objects again that a repack moves under its hands, but not more often than once.
    bool last = attempt == kTries;
    ChildResult listed =
        run_child(internal::child_options(
                      {.arguments = {"rev-list", "--objects", "--no-object-names", "--stdin"},
                       .repo_dir = state_->dir}),
                  wanted, kCopyTime, kListBytesMax);
    if (listed.status != 0) {
      if (!last) continue;
      throw_failed("rev-list", listed);
    }
    if (listed.out.empty()) return std::nullopt;
    // git writes below its folder of objects and then renames: from one disk to another it cannot,
    // and a backup belongs on another disk. So that folder is the one where the pack is to stand.
    ChildResult packed = run_child(
        internal::child_options(
            {.arguments = {"pack-objects", "-q", "--delta-base-offset", (folder / "new").string()},
             .repo_dir = state_->dir,
             .quarantine_dir = folder}),
        listed.out, kCopyTime);
    remove_tree(folder / "pack");
    std::string name(trim(packed.out));
    if (packed.status != 0 || name.size() != 40) {
      if (!last) continue;
      throw_failed("pack-objects", packed);
    }
    fs::path pack = folder / ("new-" + name + ".pack");
    fs::path index = folder / ("new-" + name + ".idx");
    // The index names the objects as they were asked for; this reads the pack and compares.
    ChildResult checked =
        internal::run_git({.arguments = {"index-pack", "--verify", pack.string()}}, {}, kCopyTime);
    remove_tree(index);
    auto asked = static_cast<uint64_t>(std::count(listed.out.begin(), listed.out.end(), '\n'));
    if (checked.status == 0 && count_in_head(pack) == asked) return pack;
    remove_tree(pack);
    if (last) throw_failed("index-pack --verify", checked);
  }
}

void GitRepo::adopt_pack(const fs::path& pack) {
  fs::path folder = state_->dir / "objects/pack";
  Fd fd = open_read(pack);
  uint64_t size_bytes = file_size_bytes(fd);
  Bytes trailer(20);
  if (size_bytes < 32 || read_at(fd, size_bytes - 20, trailer) != trailer.size()) {
    throw Error(ErrorKind::kCorrupt, "A pack of a repository is too short.");
  }
  std::string name = "pack-" + to_hex(trailer);
  ChildResult indexed = internal::run_git(
      {.arguments = {"index-pack", "-o", (folder / (name + ".idx")).string(), pack.string()},
       .repo_dir = state_->dir},
      {}, kCopyTime);
  if (indexed.status != 0) throw_failed("index-pack", indexed);
  rename_durably(pack, folder / (name + ".pack"));
}

void GitRepo::set_first_refs(const std::map<std::string, Oid>& refs) {
  std::string text = "# pack-refs with: sorted \n";
  std::string tips;
  for (const auto& [name, target] : refs) {
    text += target.hex() + " " + name + "\n";
    tips += target.hex() + "\n";
  }
  ChildResult reached =
      internal::run_git({.arguments = {"rev-list", "--objects", "--quiet", "--stdin"},
                         .repo_dir = state_->dir},
                        tips, kCopyTime);
  if (reached.status != 0) throw_failed("rev-list", reached);
  write_durably(state_->dir / "packed-refs", text);
}

}  // namespace hearth::git
