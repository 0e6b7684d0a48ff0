#pragma once
// Walks over all rows and all stored files (private to the module).

#include <functional>
#include <optional>

#include "base/fs.h"
#include "db/db.h"
#include "xet/merkle_hash.h"

namespace hearth::xet {

constexpr int64_t kPage = 500;

/// Calls `on_hash` for each row, without holding a transaction meanwhile.
template <typename Fetch, typename OnHash>
void for_each_hash(db::Database& database, Fetch fetch, OnHash on_hash) {
  std::optional<MerkleHash> after;
  while (true) {
    auto page = database.read([&](db::Tx& tx) { return fetch(tx, after, kPage); });
    for (const MerkleHash& hash : page) on_hash(hash);
    if (page.size() < kPage) return;
    after = page.back();
  }
}

/// Calls `on_file` with every file below `root` whose name is a hash.
inline void for_each_stored(
    const fs::path& root, const std::function<void(const MerkleHash&, const fs::path&)>& on_file) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    if (auto hash = MerkleHash::from_text(entry.path().filename().string())) {
      on_file(*hash, entry.path());
    }
  }
}

}  // namespace hearth::xet
