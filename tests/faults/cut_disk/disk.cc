#include "disk.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace cut_disk {
namespace {

constexpr uint64_t kPageBytes = 4096;   // What a kernel writes back at once.
constexpr uint64_t kSectorBytes = 512;  // What a disk writes whole or not at all.

bool chance(std::mt19937_64& dice, double of_one) {
  return std::uniform_real_distribution<>(0, 1)(dice) < of_one;
}

}  // namespace

Disk::Disk(fs::path store) : store_(std::move(store)) {
  fs::create_directories(store_);
  Inode& root = add(S_IFDIR | 0755);
  root.link_count = 1;
  root.parent = &root;
}

Inode& Disk::add(mode_t mode) {
  auto made = std::make_unique<Inode>();
  made->number = next_number_++;
  made->attributes.st_mode = mode;
  made->attributes.st_uid = getuid();
  made->attributes.st_gid = getgid();
  made->attributes.st_ino = made->number;
  touch(*made);
  return *(inodes_[made->number] = std::move(made));
}

void Disk::touch(Inode& folder) {
  clock_gettime(CLOCK_REALTIME, &folder.attributes.st_mtim);
  folder.attributes.st_ctim = folder.attributes.st_atim = folder.attributes.st_mtim;
}

int Disk::fd_of(Inode& file) {
  if (file.fd < 0) file.fd = open(path_of(file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return file.fd;
}

struct stat Disk::attributes_of(Inode& inode) {
  struct stat attributes = inode.attributes;
  attributes.st_nlink = static_cast<nlink_t>(inode.link_count + (inode.is_folder() ? 1 : 0));
  if (struct stat stored; !inode.is_folder() && fstat(fd_of(inode), &stored) == 0) {
    attributes.st_size = stored.st_size;
    attributes.st_blocks = stored.st_blocks;
    attributes.st_mtim = stored.st_mtim;
    attributes.st_atim = stored.st_atim;
    attributes.st_ctim = stored.st_ctim;
    close_if_unused(inode);
  }
  return attributes;
}

void Disk::close_if_unused(Inode& file) {
  if (file.open_count > 0 || file.fd < 0) return;
  close(file.fd);
  file.fd = -1;
}

void Disk::drop_if_unused(Inode& inode) {
  if (inode.number == kRootNumber || inode.lookup_count > 0 || inode.link_count > 0) return;
  if (inode.kept_count > 0) return;
  if (inode.fd >= 0) close(inode.fd);
  std::error_code ignored;
  if (!inode.is_folder()) fs::remove(path_of(inode), ignored);
  std::vector<Inode*> left;
  for (auto& [name, child] : inode.durable_names) {
    --child->kept_count;
    left.push_back(child);
  }
  inodes_.erase(inode.number);
  for (Inode* child : left) drop_if_unused(*child);
}

Inode* Disk::find(Inode& folder, const std::string& name) {
  auto found = folder.names.find(name);
  return found == folder.names.end() ? nullptr : found->second;
}

void Disk::change(NameChange change) {
  std::vector<Inode*> left;
  for (const auto& [folder, name, inode] : change) {
    if (Inode* before = find(*folder, name)) {
      --before->link_count;
      left.push_back(before);
    }
    if (inode != nullptr) {
      folder->names[name] = inode;
      ++inode->link_count;
      if (inode->is_folder()) inode->parent = folder;
      ++inode->kept_count;
    } else {
      folder->names.erase(name);
    }
    ++folder->kept_count;
    touch(*folder);
  }
  journal_.push_back(std::move(change));
  for (Inode* inode : left) drop_if_unused(*inode);
}

void Disk::flush_folder(Inode& folder) {
  for (const NameChange& change : journal_) {
    for (const NamedChange& one : change) {
      if (one.folder == &folder) flushed_.insert(&change);
    }
  }
  take_flushed();
}

/// Does the chosen changes on the disk, and all before them that speak of the same names.
void Disk::take_flushed() {
  std::set<std::pair<Inode*, std::string>> spoken_of;
  for (auto at = journal_.rbegin(); at != journal_.rend(); ++at) {
    bool taken = flushed_.contains(&*at);
    for (const NamedChange& one : *at) {
      taken = taken || spoken_of.contains({one.folder, one.name});
    }
    if (!taken) continue;
    flushed_.insert(&*at);
    for (const NamedChange& one : *at) spoken_of.insert({one.folder, one.name});
  }
  for (auto at = journal_.begin(); at != journal_.end();) {
    auto now = at++;
    if (!flushed_.contains(&*now)) continue;
    do_on_disk(*now);
    forget(now);
  }
  flushed_.clear();
}

void Disk::do_on_disk(const NameChange& change) {
  std::vector<uint64_t> left;
  for (const auto& [folder, name, inode] : change) {
    auto before = folder->durable_names.find(name);
    if (before != folder->durable_names.end()) {
      --before->second->kept_count;
      left.push_back(before->second->number);
      folder->durable_names.erase(before);
    }
    if (inode == nullptr) continue;
    folder->durable_names[name] = inode;
    ++inode->kept_count;
  }
  for (uint64_t number : left) {
    if (auto found = inodes_.find(number); found != inodes_.end()) drop_if_unused(*found->second);
  }
}

void Disk::forget(std::list<NameChange>::iterator at) {
  std::set<uint64_t> spoken_of;
  for (const NamedChange& one : *at) {
    --one.folder->kept_count;
    spoken_of.insert(one.folder->number);
    if (one.inode == nullptr) continue;
    --one.inode->kept_count;
    spoken_of.insert(one.inode->number);
  }
  flushed_.erase(&*at);
  journal_.erase(at);
  for (uint64_t number : spoken_of) {
    if (auto found = inodes_.find(number); found != inodes_.end()) drop_if_unused(*found->second);
  }
}

void Disk::keep(Inode& file, uint64_t offset_bytes, uint64_t size_bytes) {
  if (size_bytes == 0) return;
  uint64_t last = (offset_bytes + size_bytes - 1) / kPageBytes;
  for (uint64_t page = offset_bytes / kPageBytes; page <= last; ++page) {
    auto [at, is_new] = file.durable_pages.try_emplace(page);
    uint64_t begin = page * kPageBytes;
    if (!is_new || begin >= file.durable_bytes) continue;
    at->second.resize(kPageBytes);
    if (pread(fd_of(file), at->second.data(), kPageBytes, static_cast<off_t>(begin)) < 0) {
      perror("cut_disk: pread");
    }
  }
}

int Disk::truncate(Inode& file, uint64_t size_bytes) {
  auto now = static_cast<uint64_t>(attributes_of(file).st_size);
  if (size_bytes < now) keep(file, size_bytes, now - size_bytes);
  return ftruncate(fd_of(file), static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
}

void Disk::flush_file(Inode& file) {
  file.durable_bytes = static_cast<uint64_t>(attributes_of(file).st_size);
  file.durable_pages.clear();
}

std::string Disk::cut(uint64_t seed, bool some) {
  std::mt19937_64 dice(seed);
  size_t change_count = journal_.size();
  if (some) {
    // Disks write in order mostly, and then the first of the changes are there.
    std::uniform_int_distribution<size_t> any(0, change_count);
    size_t first = chance(dice, 0.5) ? any(dice) : 0;
    double of_the_rest = chance(dice, 0.5) ? 0 : 0.5;
    size_t index = 0;
    for (const NameChange& change : journal_) {
      if (index++ < first || chance(dice, of_the_rest)) flushed_.insert(&change);
    }
    take_flushed();
  }
  size_t changes_lost = journal_.size();
  while (!journal_.empty()) forget(journal_.begin());
  std::map<uint64_t, Inode*> in_order;  // So that a seed means the same again.
  for (auto& [number, inode] : inodes_) in_order[number] = inode.get();
  size_t page_count = 0, pages_lost = 0;
  for (auto& [number, inode] : in_order) {
    if (inode->is_folder()) continue;
    page_count += inode->durable_pages.size();
    double stays = some ? std::uniform_real_distribution<>(-0.4, 1.2)(dice) : -1;
    pages_lost += lose_bytes(*inode, stays, dice);
  }
  forget_lost_inodes();
  return std::to_string(pages_lost) + " of " + std::to_string(page_count) + " pages and " +
         std::to_string(changes_lost) + " of " + std::to_string(change_count) +
         " changes of names lost";
}

/// Brings a file back to what the disk has of it. `stays` is the chance of each page that was not
/// flushed; one below 0 is none, and the size goes back too.
size_t Disk::lose_bytes(Inode& file, double stays, std::mt19937_64& dice) {
  auto size_bytes = static_cast<uint64_t>(attributes_of(file).st_size);
  uint64_t left_bytes = stays > 0 && chance(dice, 0.7) ? size_bytes : file.durable_bytes;
  size_t lost = 0;
  for (auto& [page, before] : file.durable_pages) {
    if (chance(dice, stays)) continue;
    ++lost;
    before.resize(kPageBytes);
    // At times half of it: a page is several sectors.
    std::uniform_int_distribution<uint64_t> sector(1, kPageBytes / kSectorBytes - 1);
    uint64_t from = stays > 0 && chance(dice, 0.1) ? kSectorBytes * sector(dice) : 0;
    auto at = static_cast<off_t>(page * kPageBytes + from);
    if (pwrite(fd_of(file), before.data() + from, kPageBytes - from, at) < 0) {
      perror("cut_disk: pwrite");
    }
  }
  if ((lost > 0 || left_bytes != size_bytes) &&
      ftruncate(fd_of(file), static_cast<off_t>(left_bytes)) != 0) {
    perror("cut_disk: ftruncate");
  }
  flush_file(file);
  return lost;
}

/// What is seen is what the disk has; nobody uses it.
void Disk::forget_lost_inodes() {
  for (auto& [number, inode] : inodes_) {
    inode->link_count = inode->kept_count = inode->open_count = 0;
    inode->lookup_count = 0;
    if (inode->fd >= 0) close(inode->fd);
    inode->fd = -1;
    inode->names = inode->durable_names;
  }
  std::vector<Inode*> found = {&inode(kRootNumber)};
  found[0]->link_count = 1;
  for (size_t at = 0; at < found.size(); ++at) {
    Inode* folder = found[at];  // `found` grows.
    for (auto& [name, child] : folder->names) {
      ++child->kept_count;
      if (child->is_folder()) child->parent = folder;
      if (++child->link_count == 1) found.push_back(child);
    }
  }
  std::error_code ignored;
  std::erase_if(inodes_, [&](auto& entry) {
    if (entry.second->link_count > 0) return false;
    if (!entry.second->is_folder()) fs::remove(path_of(*entry.second), ignored);
    return true;
  });
}

}  // namespace cut_disk
