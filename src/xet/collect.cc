// Stored files that no repository needs any more, and the rows about them.
//
// Each kind is found from the rows of the one above it: objects of repositories (repo_lfs; hub/gc
// decides about those), files (xet_file), xorbs, shards; and whole files. A row goes first, in a
// transaction that looks once more whether somebody has come to need it; its file goes in a second
// one, under the lock of its name, which whoever brings a file into use takes as well. A crash in
// between leaves a file that no row tells of: the walks over the folders find it the next time.
#include <algorithm>
#include <chrono>
#include <unordered_map>

#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/removals.h"
#include "xet/collect_rows.h"
#include "xet/shard.h"
#include "xet/walks.h"
#include "xet/xet.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

constexpr size_t kPerTurn = 200;            // Files looked at while a backup waits for us.
constexpr size_t kCandidatesMax = 500'000;  // Of xorbs, in memory at a time: some 40 MB.
constexpr int64_t kCacheMs = 7 * kDayMs;    // A file put together for a program that needs a path.

int64_t modified_ms(const fs::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return INT64_MAX;  // Gone already.
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

uint64_t size_of(const fs::path& path) {
  std::error_code error;
  uint64_t size_bytes = fs::file_size(path, error);
  return error ? 0 : size_bytes;
}

struct StoredFile {
  std::string name;
  fs::path path;
};

/// Calls `on_group` with the regular files below a folder, some hundred at a time.
void for_each_group(const fs::path& root,
                    const std::function<void(std::vector<StoredFile>)>& on_group) {
  std::vector<StoredFile> group;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(root, error); !error && at != fs::end(at);
       at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    group.push_back({at->path().filename().string(), at->path()});
    if (group.size() < kPerTurn) continue;
    on_group(std::move(group));
    group.clear();
  }
  if (!group.empty()) on_group(std::move(group));
}

}  // namespace

/// One run. Its parts stand in the order in which one makes work for the next.
class XetStore::Collection {
 public:
  Collection(XetStore& store, const CollectOptions& options)
      : store_(store),
        options_(options),
        now_ms_(store.clock_.now_ms()),
        unused_before_ms_(options.dry_run ? now_ms_ - options.unused_delay_ms : INT64_MIN) {}

  CollectReport run() {
    collect_files();
    collect_xorbs();
    collect_loose_xorbs();
    collect_shards();
    collect_blobs();
    collect_caches();
    if (!options_.dry_run) {
      store_.database_.write(
          [&](db::Tx& tx) { rows::delete_old_uploads(tx, now_ms_ - options_.xorb_delay_ms); });
    }
    return report_;
  }

 private:
  /// Runs `work` while no backup runs; false, and noted: one does.
  bool in_turn(const std::function<void()>& work) {
    options_.check();
    auto turn = RemovalTurn::try_take(store_.data_dir());
    if (!turn) report_.held_off = true;
    if (turn) work();
    return turn.has_value();
  }

  bool is_young(const fs::path& path) const {
    return modified_ms(path) > now_ms_ - options_.unused_delay_ms;
  }

  void collect_files() {
    std::optional<MerkleHash> after;
    while (true) {
      options_.check();
      auto page = store_.database_.read(
          [&](db::Tx& tx) { return rows::dead_files_after(tx, after, unused_before_ms_, kPage); });
      if (page.empty()) return;
      after = page.back().file_hash;
      if (options_.dry_run) {
        for (const rows::DeadFile& file : page) report_.files.add(file.size_bytes);
        continue;
      }
      std::vector<std::string> names;
      for (const rows::DeadFile& file : page) names.push_back(file.sha256);
      CollectReport removed;
      store_.database_.write([&](db::Tx& tx) {
        removed = {};
        rows::lock_names(tx, names);
        rows::set_shards_due(tx, true);
        for (const rows::DeadFile& file : page) {
          if (rows::delete_dead_file(tx, file)) removed.files.add(file.size_bytes);
        }
      });
      report_.files.count += removed.files.count;
      report_.files.bytes += removed.files.bytes;
    }
  }

  void collect_xorbs() {
    int64_t before_ms = now_ms_ - options_.xorb_delay_ms;
    std::optional<MerkleHash> after;
    bool more = true;
    while (more) {
      std::unordered_map<MerkleHash, uint64_t, MerkleHashHasher> candidates;
      while (more && candidates.size() < kCandidatesMax) {
        auto page = store_.database_.read(
            [&](db::Tx& tx) { return rows::old_xorbs_after(tx, after, before_ms, kPage); });
        for (const rows::OldXorb& xorb : page) candidates.emplace(xorb.hash, xorb.packed_bytes);
        if (!page.empty()) after = page.back().hash;
        more = page.size() == kPage;
      }
      if (candidates.empty()) return;
      // Rights (xorb_use) are no proof of need, and need no proof of rights: a file of one
      // repository may be put together from what another one uploaded.
      std::optional<MerkleHash> last;
      while (true) {
        options_.check();
        auto page = store_.database_.read(
            [&](db::Tx& tx) { return rows::live_files_after(tx, last, unused_before_ms_, kPage); });
        for (const rows::LiveFile& file : page) {
          for (const Term& term : rows::decode_terms(file.terms)) candidates.erase(term.xorb);
        }
        if (page.size() < kPage) break;
        last = page.back().file_hash;
      }
      for (const auto& [xorb, packed_bytes] : candidates)
        remove_xorb(xorb, packed_bytes, before_ms);
    }
  }

  void remove_xorb(const MerkleHash& xorb, uint64_t packed_bytes, int64_t before_ms) {
    if (options_.dry_run) return report_.xorbs.add(packed_bytes);
    options_.check();
    bool removed = store_.database_.write(
        [&](db::Tx& tx) { return rows::delete_old_xorb(tx, xorb, before_ms); });
    if (!removed) return;
    failpoint("gc.xorb");
    in_turn([&] { remove_xorb_file(xorb); });
  }

  void remove_xorb_file(const MerkleHash& xorb) {
    fs::path path = store_.xorb_path(xorb);
    uint64_t size_bytes = size_of(path);
    bool removed = store_.database_.write([&](db::Tx& tx) {
      rows::lock_names(tx, {xorb.text()});
      if (rows::find_table(tx, xorb) || !fs::exists(path)) return false;
      remove_durably(path);
      return true;
    });
    if (!removed) return;
    store_.blobs_.sums().forget(xorb.text());
    report_.xorbs.add(size_bytes);
  }

  /// Files of xorbs that no row tells of: of uploads that were cut short, and of removals.
  void collect_loose_xorbs() {
    for_each_group(store_.data_dir() / "xorbs", [&](std::vector<StoredFile> group) {
      in_turn([&] {
        for (const StoredFile& file : group) {
          auto hash = MerkleHash::from_text(file.name);
          if (!hash || is_young(file.path)) continue;
          bool known = store_.database_.read(
              [&](db::Tx& tx) { return rows::find_table(tx, *hash).has_value(); });
          if (known) continue;
          if (options_.dry_run) {
            report_.xorbs.add(size_of(file.path));
          } else {
            remove_xorb_file(*hash);
          }
        }
      });
    });
  }

  void collect_shards() {
    bool due = store_.database_.read([](db::Tx& tx) { return rows::shards_due(tx); });
    if (!due && !options_.dry_run) return;
    bool held_off = false;
    for_each_group(store_.data_dir() / "shards", [&](std::vector<StoredFile> group) {
      bool done = in_turn([&] {
        for (const StoredFile& file : group) {
          if (!is_young(file.path)) collect_shard(file);
        }
      });
      held_off = held_off || !done;
    });
    if (options_.dry_run || held_off) return;
    store_.database_.write([](db::Tx& tx) { rows::set_shards_due(tx, false); });
  }

  void collect_shard(const StoredFile& stored) {
    if (!MerkleHash::from_text(stored.name)) return;
    std::string bytes = read_file(stored.path, 2 * kShardBytesMax);
    auto shard = parse_shard(as_bytes(bytes));
    if (!shard) return;  // Damaged: for verify to tell.
    std::vector<MerkleHash> files;
    std::vector<std::string> names;
    for (const ShardFile& file : shard->files) {
      files.push_back(file.hash);
      if (file.sha256) names.push_back(*file.sha256);
    }
    auto is_needed = [&](db::Tx& tx) { return rows::any_file(tx, files, unused_before_ms_); };
    if (store_.database_.read(is_needed)) return;
    if (options_.dry_run) return report_.shards.add(bytes.size());
    bool removed = store_.database_.write([&](db::Tx& tx) {
      rows::lock_names(tx, names);
      if (is_needed(tx) || !fs::exists(stored.path)) return false;
      remove_durably(stored.path);
      return true;
    });
    if (removed) report_.shards.add(bytes.size());
  }

  void collect_blobs() {
    for_each_group(store_.data_dir() / "blobs", [&](std::vector<StoredFile> group) {
      std::erase_if(group, [](const StoredFile& file) { return file.name.size() != 64; });
      in_turn([&] {
        std::vector<std::string> names;
        for (const StoredFile& file : group) names.push_back(file.name);
        auto used = store_.database_.read(
            [&](db::Tx& tx) { return rows::sha256s_in_use(tx, names, unused_before_ms_); });
        for (const StoredFile& file : group) {
          if (!used.contains(file.name) && !is_young(file.path)) remove_blob(file);
        }
      });
    });
  }

  void remove_blob(const StoredFile& file) {
    uint64_t size_bytes = size_of(file.path);
    if (options_.dry_run) return report_.blobs.add(size_bytes);
    bool removed = store_.database_.write([&](db::Tx& tx) {
      rows::lock_names(tx, {file.name});
      if (!rows::sha256s_in_use(tx, {file.name}, INT64_MIN).empty()) return false;
      if (is_young(file.path)) return false;  // Uploaded again in this moment.
      store_.blobs_.remove(file.name);
      return true;
    });
    if (removed) report_.blobs.add(size_bytes);
  }

  /// Whole files that were put together for programs, and sums of files that are gone.
  void collect_caches() {
    auto drop = [&](const StoredFile& file) {
      report_.caches.add(size_of(file.path));
      if (!options_.dry_run) remove_tree(file.path);
    };
    for_each_group(store_.data_dir() / "cache" / "files", [&](std::vector<StoredFile> group) {
      for (const StoredFile& file : group) {
        if (modified_ms(file.path) <= now_ms_ - kCacheMs) drop(file);
      }
    });
    for_each_group(store_.data_dir() / "cache" / "sums", [&](std::vector<StoredFile> group) {
      for (const StoredFile& file : group) {
        auto xorb = MerkleHash::from_text(file.name);
        bool stands = (xorb && fs::exists(store_.xorb_path(*xorb))) ||
                      (is_sha256_hex(file.name) && fs::exists(store_.blobs_.path_of(file.name)));
        if (!stands && !is_young(file.path)) drop(file);
      }
    });
  }

  XetStore& store_;
  const CollectOptions& options_;
  const int64_t now_ms_;
  const int64_t unused_before_ms_;
  CollectReport report_;
};

CollectReport XetStore::collect(const CollectOptions& options) {
  return Collection(*this, options).run();
}

std::map<std::string, LargeObject> XetStore::promise(const std::string& repo_id,
                                                     const std::vector<std::string>& sha256s) {
  if (sha256s.empty()) return {};
  bool any = database_.read([&](db::Tx& tx) { return rows::any_unused(tx, repo_id, sha256s); });
  if (any) database_.write([&](db::Tx& tx) { rows::mark_used(tx, repo_id, sha256s); });
  auto found = find_many(repo_id, sha256s);
  // Whoever has the content of a damaged file is asked for it: that repairs it.
  database_.read([&](db::Tx& tx) {
    rows::DamagedNames damaged = rows::damaged_names(tx);
    if (damaged.empty()) return;
    std::erase_if(found, [&](const auto& entry) {
      if (damaged.blobs.contains(entry.first)) return true;
      const auto& hash = entry.second.file_hash;
      auto recipe = hash ? rows::find_file(tx, *hash) : std::nullopt;
      return recipe && std::ranges::any_of(recipe->terms, [&](const Term& term) {
               return damaged.xorbs.contains(term.xorb.text());
             });
    });
  });
  return found;
}

std::vector<MerkleHash> XetStore::promise_xorbs(const std::vector<MerkleHash>& xorbs) const {
  int64_t now_ms = clock_.now_ms();
  std::vector<MerkleHash> promised;
  std::vector<MerkleHash> old;
  database_.read([&](db::Tx& tx) {
    auto damaged = rows::damaged_names(tx).xorbs;
    for (const MerkleHash& xorb : xorbs) {
      if (damaged.contains(xorb.text())) continue;  // It is to come again.
      auto last = rows::last_ref_of(tx, xorb);
      if (!last) continue;
      promised.push_back(xorb);
      // Once a day is enough for a delay of weeks, and spares most answers a write.
      if (*last <= now_ms - kDayMs) old.push_back(xorb);
    }
  });
  if (old.empty()) return promised;
  std::ranges::sort(old);  // In one order, so that two answers do not wait for each other.
  std::vector<MerkleHash> gone;
  database_.write([&](db::Tx& tx) {
    gone.clear();
    for (const MerkleHash& xorb : old) {
      if (!rows::touch_xorb(tx, xorb, now_ms)) gone.push_back(xorb);
    }
  });
  std::erase_if(promised, [&](const MerkleHash& xorb) {
    return std::ranges::find(gone, xorb) != gone.end();
  });
  return promised;
}

bool XetStore::drop_unused_rights(const std::string& repo_id, int64_t last_ref_before_ms) {
  std::set<MerkleHash> needed;
  std::string after;
  while (true) {
    auto objects =
        database_.read([&](db::Tx& tx) { return rows::list_objects(tx, repo_id, after, kPage); });
    for (const LargeObject& object : objects) {
      if (!object.file_hash) continue;
      auto recipe =
          database_.read([&](db::Tx& tx) { return rows::find_file(tx, *object.file_hash); });
      if (!recipe) continue;
      for (const Term& term : recipe->terms) needed.insert(term.xorb);
    }
    if (objects.size() < kPage) break;
    after = objects.back().sha256;
  }
  bool all = true;
  std::optional<MerkleHash> last;
  while (true) {
    auto page =
        database_.read([&](db::Tx& tx) { return rows::uses_after(tx, repo_id, last, kPage); });
    bool ended = page.size() < kPage;
    for (const auto& [owner, xorb] : page) {
      if (owner != repo_id) return all;
      last = xorb;
      if (needed.contains(xorb)) continue;
      bool dropped = database_.write([&](db::Tx& tx) {
        auto seen_ms = rows::lock_xorb(tx, xorb);
        if (seen_ms && *seen_ms >= last_ref_before_ms) return false;
        rows::delete_use(tx, repo_id, xorb);
        return true;
      });
      all = all && dropped;
    }
    if (ended) return all;
  }
}

}  // namespace hearth::xet
