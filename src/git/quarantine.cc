#include "git/quarantine.h"

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "git/repository_state.h"

namespace hearth::git {
namespace {

constexpr std::string_view kFolderPrefix = "tmp_objdir-incoming-";

void flush(const fs::path& path) {
  Fd fd = open_read(path);
  fsync_file(fd);
}

/// Renames without flushing folders: the caller flushes each once.
void move_into(const fs::path& from, const fs::path& to) {
  failpoint("rename");
  if (::chmod(from.c_str(), 0444) != 0) throw_errno("chmod " + from.string(), errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw_errno("rename " + from.string() + " to " + to.string(), errno);
  }
}

bool is_fan_out(const std::string& name) {
  return name.size() == 2 && is_hex(name);
}

}  // namespace

Quarantine::Quarantine(const fs::path& repo_dir) : objects_dir_(repo_dir / "objects") {
  dir_ = objects_dir_ / (std::string(kFolderPrefix) + random_alphanumeric(12));
  // Not durable on purpose: what a crash leaves of it is rubbish anyway.
  for (const fs::path& dir : {dir_, dir_ / "pack"}) {
    if (::mkdir(dir.c_str(), 0700) != 0) throw_errno("mkdir " + dir.string(), errno);
  }
}

Quarantine::Quarantine(Quarantine&& other) noexcept
    : objects_dir_(std::move(other.objects_dir_)), dir_(std::move(other.dir_)) {
  other.dir_.clear();
}

Quarantine::~Quarantine() {
  if (!dir_.empty()) remove_tree(dir_);
}

uint64_t Quarantine::bytes() const {
  return dir_.empty() ? 0 : internal::folder_bytes(dir_);
}

void Quarantine::migrate() {
  if (dir_.empty()) return;
  std::vector<fs::path> packs, indexes, loose;
  for (const auto& top : fs::directory_iterator(dir_)) {
    std::string folder = top.path().filename().string();
    if (folder != "pack" && !is_fan_out(folder)) continue;
    for (const auto& file : fs::directory_iterator(top.path())) {
      std::string name = file.path().filename().string();
      if (name.starts_with("tmp_") || name.starts_with(".") || name.ends_with(".keep")) continue;
      fs::path relative = fs::path(folder) / name;
      (folder != "pack" ? loose : name.ends_with(".idx") ? indexes : packs).push_back(relative);
      flush(file.path());
    }
  }
  if (!packs.empty()) {
    make_dirs(objects_dir_ / "pack");
    for (const fs::path& path : packs) move_into(dir_ / path, objects_dir_ / path);
    fsync_dir(objects_dir_ / "pack");  // a pack must be there before the index that announces it
    for (const fs::path& path : indexes) move_into(dir_ / path, objects_dir_ / path);
    fsync_dir(objects_dir_ / "pack");
  }
  std::set<fs::path> touched;
  for (const fs::path& path : loose) {
    fs::path folder = objects_dir_ / path.parent_path();
    if (touched.insert(folder).second) make_dirs(folder);
    move_into(dir_ / path, objects_dir_ / path);
  }
  for (const fs::path& folder : touched) fsync_dir(folder);
  remove_tree(dir_);
  dir_.clear();
}

size_t remove_stale_quarantines(const fs::path& repo_dir, int64_t age_s) {
  size_t count = 0;
  std::error_code error;
  auto limit = fs::file_time_type::clock::now() - std::chrono::seconds(age_s);
  for (const auto& folder : fs::directory_iterator(repo_dir / "objects", error)) {
    if (!folder.path().filename().string().starts_with(kFolderPrefix)) continue;
    bool is_recent = false;
    for (const fs::path& path : {folder.path(), folder.path() / "pack"}) {
      fs::file_time_type changed = fs::last_write_time(path, error);
      is_recent = is_recent || (!error && changed > limit);
    }
    if (is_recent) continue;
    remove_tree(folder.path());
    ++count;
  }
  return count;
}

}  // namespace hearth::git
