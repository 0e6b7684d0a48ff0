#pragma once
// The disk of cut_disk: what who looks sees, and what would be there after a cut. See main.cc for
// the model.

#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/stat.h>

namespace cut_disk {

namespace fs = std::filesystem;

constexpr uint64_t kRootNumber = 1;  // FUSE_ROOT_ID

struct Inode {
  uint64_t number = 0;
  struct stat attributes =
      {};                     // Of a file without size and times: its bytes in the store have them.
  uint64_t lookup_count = 0;  // How often the kernel was told of it.
  int open_count = 0;
  int link_count = 0;  // Names it has for who looks,
  int kept_count = 0;  // names it has on the disk, and changes of names that speak of it.
  int fd = -1;

  // A file: what the disk has. An empty page is one that the disk's file did not reach.
  uint64_t durable_bytes = 0;
  std::map<uint64_t, std::string> durable_pages = {};

  // A folder.
  std::map<std::string, Inode*> names = {};
  std::map<std::string, Inode*> durable_names = {};
  Inode* parent = nullptr;

  bool is_folder() const { return S_ISDIR(attributes.st_mode); }
};

/// One name in one folder as a change leaves it; without an inode: gone.
struct NamedChange {
  Inode* folder;
  std::string name;
  Inode* inode;
};
/// A change of names that a disk takes as a whole: one name, or the two of a rename.
using NameChange = std::vector<NamedChange>;

class Disk {
 public:
  explicit Disk(fs::path store);

  Inode& inode(uint64_t number) { return *inodes_.at(number); }
  const fs::path& store() const { return store_; }
  /// A file or folder without a name yet.
  Inode& add(mode_t mode);
  static void touch(Inode& folder);
  struct stat attributes_of(Inode& inode);
  int fd_of(Inode& file);
  void close_if_unused(Inode& file);
  void drop_if_unused(Inode& inode);

  static Inode* find(Inode& folder, const std::string& name);
  /// Makes the change for who looks, and notes it for the disk.
  void change(NameChange change);
  /// fsync of a folder: its names are on the disk, and what else those changes were bound to.
  void flush_folder(Inode& folder);

  /// Keeps what the disk has of these bytes, before they change.
  void keep(Inode& file, uint64_t offset_bytes, uint64_t size_bytes);
  /// Returns 0 or an error number.
  int truncate(Inode& file, uint64_t size_bytes);
  void flush_file(Inode& file);

  /// The power fails. `some`: the seed decides what the disk had taken of what was not flushed.
  /// Returns what was lost, for people.
  std::string cut(uint64_t seed, bool some);

 private:
  fs::path path_of(const Inode& file) const { return store_ / std::to_string(file.number); }
  void forget(std::list<NameChange>::iterator at);
  void take_flushed();
  void do_on_disk(const NameChange& change);
  size_t lose_bytes(Inode& file, double stays, std::mt19937_64& dice);
  void forget_lost_inodes();

  fs::path store_;
  uint64_t next_number_ = kRootNumber;
  std::unordered_map<uint64_t, std::unique_ptr<Inode>> inodes_;
  std::list<NameChange> journal_;        // What the disk has not, the oldest first.
  std::set<const NameChange*> flushed_;  // Of the journal.
};

}  // namespace cut_disk
