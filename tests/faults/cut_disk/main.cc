// A disk that loses power: a FUSE file system that forgets what was not flushed.
//
//   cut_disk MOUNT STORE
//
// MOUNT shows a folder that is empty at first; the bytes of its files stand in STORE, one file an
// inode. What a program writes is seen at once and is not durable: the bytes of a file become so by
// fsync of the file, its name by fsync of the folder. Until then this keeps what the disk has:
// the old bytes of each page that was written, the size, and a journal of changed names.
//
// Commands come as lines on standard input, each is answered by a line:
//   cut SEED nothing   the power fails, and nothing that was not flushed is there afterwards
//   cut SEED some      the power fails, and the seed decides what else the disk had taken: any of
//   the
//                      pages (or sectors of them), new sizes, and changes of names
//   quit               ends, as does the end of the input
// A cut takes the mount away from whoever uses it (ENOTCONN) and mounts the disk anew.
//
// What the model holds to be atomic: a sector of 512 bytes; a rename, also between folders. Changes
// of one name keep their order. Modes and times are not lost. One thread does everything.

#define FUSE_USE_VERSION 312
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk.h"

namespace {

using cut_disk::Disk;
using cut_disk::Inode;

constexpr double kCacheS = 3600;  // Nothing changes but through the mount.

Disk* disk;

// --- what the kernel asks

fuse_entry_param entry_of(Inode& inode) {
  ++inode.lookup_count;
  fuse_entry_param entry = {};
  entry.ino = inode.number;
  entry.generation = 1;
  entry.attr = disk->attributes_of(inode);
  entry.attr_timeout = entry.entry_timeout = kCacheS;
  return entry;
}

void reply_entry(fuse_req_t request, Inode& inode) {
  fuse_entry_param entry = entry_of(inode);
  fuse_reply_entry(request, &entry);
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Inode* found = Disk::find(disk->inode(parent), name);
  if (found == nullptr) {
    fuse_reply_err(request, ENOENT);
  } else {
    reply_entry(request, *found);
  }
}

void forget_one(fuse_ino_t number, uint64_t count) {
  Inode& inode = disk->inode(number);
  inode.lookup_count -= std::min(count, inode.lookup_count);
  disk->drop_if_unused(inode);
}

void on_forget(fuse_req_t request, fuse_ino_t number, uint64_t count) {
  forget_one(number, count);
  fuse_reply_none(request);
}

void on_forget_multi(fuse_req_t request, size_t count, fuse_forget_data* all) {
  for (size_t at = 0; at < count; ++at) forget_one(all[at].ino, all[at].nlookup);
  fuse_reply_none(request);
}

void on_getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  struct stat attributes = disk->attributes_of(disk->inode(number));
  fuse_reply_attr(request, &attributes, kCacheS);
}

void on_setattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int which,
                fuse_file_info*) {
  Inode& inode = disk->inode(number);
  struct stat& attributes = inode.attributes;
  if (which & FUSE_SET_ATTR_MODE)
    attributes.st_mode = (attributes.st_mode & S_IFMT) | (wanted->st_mode & ~S_IFMT);
  if (which & FUSE_SET_ATTR_UID) attributes.st_uid = wanted->st_uid;
  if (which & FUSE_SET_ATTR_GID) attributes.st_gid = wanted->st_gid;
  if (which & FUSE_SET_ATTR_SIZE) {
    if (int error = disk->truncate(inode, static_cast<uint64_t>(wanted->st_size))) {
      fuse_reply_err(request, error);
      return;
    }
  }
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  if (which & FUSE_SET_ATTR_ATIME)
    times[0] = which & FUSE_SET_ATTR_ATIME_NOW ? timespec{0, UTIME_NOW} : wanted->st_atim;
  if (which & FUSE_SET_ATTR_MTIME)
    times[1] = which & FUSE_SET_ATTR_MTIME_NOW ? timespec{0, UTIME_NOW} : wanted->st_mtim;
  if (inode.is_folder()) {
    if (which & FUSE_SET_ATTR_MTIME) Disk::touch(inode);
  } else if (which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) {
    futimens(disk->fd_of(inode), times);
  }
  struct stat now = disk->attributes_of(inode);
  disk->close_if_unused(inode);
  fuse_reply_attr(request, &now, kCacheS);
}

/// A new name for an inode; false when it is taken, and then the kernel has been told.
bool give_name(fuse_req_t request, fuse_ino_t parent, const char* name, Inode& inode) {
  Inode& folder = disk->inode(parent);
  if (Disk::find(folder, name) != nullptr) {
    disk->drop_if_unused(inode);
    fuse_reply_err(request, EEXIST);
    return false;
  }
  disk->change({{&folder, name, &inode}});
  return true;
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  Inode& made = disk->add(S_IFDIR | (mode & 07777));
  if (give_name(request, parent, name, made)) reply_entry(request, made);
}

void on_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name) {
  Inode& inode = disk->inode(number);
  if (give_name(request, parent, name, inode)) reply_entry(request, inode);
}

int open_file(Inode& inode, int flags) {
  if (disk->fd_of(inode) < 0) return errno;
  ++inode.open_count;
  return flags & O_TRUNC ? disk->truncate(inode, 0) : 0;
}

void on_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* info) {
  Inode& made = disk->add(S_IFREG | (mode & 07777));
  if (!give_name(request, parent, name, made)) return;
  if (int error = open_file(made, 0)) {
    fuse_reply_err(request, error);
    return;
  }
  info->keep_cache = 1;
  fuse_entry_param entry = entry_of(made);
  fuse_reply_create(request, &entry, info);
}

void on_open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  if (int error = open_file(disk->inode(number), info->flags)) {
    fuse_reply_err(request, error);
    return;
  }
  info->keep_cache = 1;
  fuse_reply_open(request, info);
}

void on_release(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  Inode& inode = disk->inode(number);
  --inode.open_count;
  disk->close_if_unused(inode);
  fuse_reply_err(request, 0);
}

void on_read(fuse_req_t request, fuse_ino_t number, size_t size_bytes, off_t offset_bytes,
             fuse_file_info*) {
  fuse_bufvec source = FUSE_BUFVEC_INIT(size_bytes);
  source.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  source.buf[0].fd = disk->fd_of(disk->inode(number));
  source.buf[0].pos = offset_bytes;
  fuse_reply_data(request, &source, FUSE_BUF_SPLICE_MOVE);
}

void on_write(fuse_req_t request, fuse_ino_t number, const char* bytes, size_t size_bytes,
              off_t offset_bytes, fuse_file_info*) {
  Inode& inode = disk->inode(number);
  disk->keep(inode, static_cast<uint64_t>(offset_bytes), size_bytes);
  ssize_t written = pwrite(disk->fd_of(inode), bytes, size_bytes, offset_bytes);
  if (written < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_write(request, static_cast<size_t>(written));
  }
}

void on_fsync(fuse_req_t request, fuse_ino_t number, int, fuse_file_info*) {
  disk->flush_file(disk->inode(number));
  fuse_reply_err(request, 0);
}

void on_fsyncdir(fuse_req_t request, fuse_ino_t number, int, fuse_file_info*) {
  disk->flush_folder(disk->inode(number));
  fuse_reply_err(request, 0);
}

void on_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Inode& folder = disk->inode(parent);
  if (Disk::find(folder, name) == nullptr) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  disk->change({{&folder, name, nullptr}});
  fuse_reply_err(request, 0);
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Inode* found = Disk::find(disk->inode(parent), name);
  if (found != nullptr && !found->names.empty()) {
    fuse_reply_err(request, ENOTEMPTY);
  } else {
    on_unlink(request, parent, name);
  }
}

void on_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) {
  Inode& from = disk->inode(parent);
  Inode& to = disk->inode(new_parent);
  Inode* moved = Disk::find(from, name);
  Inode* replaced = Disk::find(to, new_name);
  int error = 0;
  if (moved == nullptr)
    error = ENOENT;
  else if (flags & ~1u)
    error = EINVAL;
  else if (replaced != nullptr && (flags & 1u))
    error = EEXIST;  // RENAME_NOREPLACE
  else if (replaced != nullptr && replaced->is_folder() && !replaced->names.empty())
    error = ENOTEMPTY;
  else if (moved != replaced)
    disk->change({{&to, new_name, moved}, {&from, name, nullptr}});
  fuse_reply_err(request, error);
}

struct Listing {
  std::vector<std::pair<std::string, struct stat>> entries;
};

void on_opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  Inode& folder = disk->inode(number);
  auto* listing = new Listing;  // As it is now: who reads it may remove names meanwhile.
  listing->entries.push_back({".", folder.attributes});
  listing->entries.push_back({"..", folder.parent->attributes});
  for (auto& [name, inode] : folder.names) listing->entries.push_back({name, inode->attributes});
  info->fh = reinterpret_cast<uint64_t>(listing);
  fuse_reply_open(request, info);
}

void on_readdir(fuse_req_t request, fuse_ino_t, size_t size_bytes, off_t offset,
                fuse_file_info* info) {
  auto* listing = reinterpret_cast<Listing*>(info->fh);
  std::string out(size_bytes, '\0');
  size_t used = 0;
  for (auto at = static_cast<size_t>(offset); at < listing->entries.size(); ++at) {
    auto& [name, attributes] = listing->entries[at];
    size_t needed = fuse_add_direntry(request, out.data() + used, size_bytes - used, name.c_str(),
                                      &attributes, static_cast<off_t>(at + 1));
    if (needed > size_bytes - used) break;
    used += needed;
  }
  fuse_reply_buf(request, out.data(), used);
}

void on_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete reinterpret_cast<Listing*>(info->fh);
  fuse_reply_err(request, 0);
}

void on_statfs(fuse_req_t request, fuse_ino_t) {
  struct statvfs found;
  if (statvfs(disk->store().c_str(), &found) != 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_statfs(request, &found);
  }
}

// --- the mount and the commands

fuse_session* mounted_at(const char* mount) {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops all = {};
    all.lookup = on_lookup;
    all.forget = on_forget;
    all.forget_multi = on_forget_multi;
    all.getattr = on_getattr;
    all.setattr = on_setattr;
    all.mkdir = on_mkdir;
    all.unlink = on_unlink;
    all.rmdir = on_rmdir;
    all.rename = on_rename;
    all.link = on_link;
    all.create = on_create;
    all.open = on_open;
    all.release = on_release;
    all.read = on_read;
    all.write = on_write;
    all.fsync = on_fsync;
    all.fsyncdir = on_fsyncdir;
    all.opendir = on_opendir;
    all.readdir = on_readdir;
    all.releasedir = on_releasedir;
    all.statfs = on_statfs;
    return all;
  }();
  const char* arguments[] = {"cut_disk", "-o", "fsname=cut_disk,default_permissions"};
  fuse_args args = FUSE_ARGS_INIT(3, const_cast<char**>(arguments));
  fuse_session* session = fuse_session_new(&args, &operations, sizeof operations, nullptr);
  if (session == nullptr || fuse_session_mount(session, mount) != 0) {
    fprintf(stderr, "cut_disk: FUSE cannot be mounted at %s\n", mount);
    exit(1);
  }
  return session;
}

/// Does one command; false: it was the last one.
bool obey(const std::string& line, fuse_session*& session, const char* mount) {
  unsigned long long seed = 0;
  char how[16] = {};
  if (sscanf(line.c_str(), "cut %llu %15s", &seed, how) != 2) return false;
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  std::string lost = disk->cut(seed, strcmp(how, "some") == 0);
  session = mounted_at(mount);
  std::cout << lost << std::endl;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "cut_disk MOUNT STORE\n");
    return 2;
  }
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Disk the_disk(argv[2]);
  disk = &the_disk;
  fuse_session* session = mounted_at(argv[1]);
  std::cout << "mounted" << std::endl;
  fuse_buf buffer = {};
  std::string commands;
  while (!fuse_session_exited(session)) {
    pollfd waiting[] = {{fuse_session_fd(session), POLLIN, 0}, {0, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) {
      char block[256];
      ssize_t got = read(0, block, sizeof block);
      if (got <= 0) break;
      commands.append(block, static_cast<size_t>(got));
      size_t end = commands.find('\n');
      if (end == std::string::npos) continue;
      std::string line = commands.substr(0, end);
      commands.erase(0, end + 1);
      if (!obey(line, session, argv[1])) break;
      continue;
    }
    if (waiting[0].revents == 0) continue;
    int got = fuse_session_receive_buf(session, &buffer);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got <= 0) break;
    fuse_session_process_buf(session, &buffer);
  }
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  free(buffer.mem);
  return 0;
}
