// The rows that answer questions, compared with the files that they come from.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "xet/collect_rows.h"
#include "xet/shard.h"
#include "xet/walks.h"
#include "xet/xet.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

/// By SHA-256 of a file: the xorbs that any way of putting it together names. The rows hold one way
/// of each file, the shards all.
using XorbsOfFile = std::map<std::string, std::set<MerkleHash>>;

XorbsOfFile read_shards(const fs::path& folder) {
  XorbsOfFile xorbs;
  for_each_stored(folder, [&](const MerkleHash&, const fs::path& path) {
    std::string bytes = read_file(path, 2 * kShardBytesMax);
    auto shard = parse_shard(as_bytes(bytes));
    if (!shard) return;  // verify_shards tells of it.
    for (const ShardFile& file : shard->files) {
      if (!file.sha256) continue;
      for (const Term& term : file.terms) xorbs[*file.sha256].insert(term.xorb);
    }
  });
  return xorbs;
}

}  // namespace

std::vector<std::pair<std::string, MerkleHash>> XetStore::stray_uses() const {
  using Use = std::pair<std::string, MerkleHash>;
  XorbsOfFile of_file = read_shards(options_.data_dir / "shards");
  std::vector<Use> strays;
  std::set<MerkleHash> allowed;
  std::string repo_id;
  std::optional<MerkleHash> after;
  while (true) {
    auto page =
        database_.read([&](db::Tx& tx) { return rows::uses_after(tx, repo_id, after, kPage); });
    for (const auto& [owner, xorb] : page) {
      if (owner != repo_id || !after) {
        allowed.clear();
        std::string sha256;
        while (true) {
          auto objects = database_.read(
              [&](db::Tx& tx) { return rows::list_objects(tx, owner, sha256, kPage); });
          for (const LargeObject& object : objects) {
            auto known = of_file.find(object.sha256);
            if (known != of_file.end()) allowed.insert(known->second.begin(), known->second.end());
          }
          if (objects.size() < kPage) break;
          sha256 = objects.back().sha256;
        }
      }
      repo_id = owner;
      after = xorb;
      if (allowed.contains(xorb)) continue;
      bool due = database_.read([&](db::Tx& tx) { return rows::are_rights_due(tx, owner); });
      if (!due) strays.push_back({owner, xorb});
    }
    if (page.size() < kPage) return strays;
  }
}

std::vector<MerkleHash> XetStore::stray_chunks(const MerkleHash& xorb) const {
  std::vector<MerkleHash> chunks;
  std::optional<ChunkTable> table;
  database_.read([&](db::Tx& tx) {
    chunks = rows::chunks_of_xorb(tx, xorb);
    table = rows::find_table(tx, xorb);
  });
  if (!table) return {};  // Collected meanwhile.
  std::set<MerkleHash> there;
  for (const auto& chunk : table->chunks) there.insert(chunk.hash);
  std::erase_if(chunks, [&](const MerkleHash& chunk) { return there.contains(chunk); });
  return chunks;
}

blob::VerifyReport XetStore::verify_index() const {
  blob::VerifyReport report;
  auto tell = [&](const std::string& what) {
    report.problems.push_back(what + "; verify --rebuild makes it again");
  };
  auto strays = stray_uses();
  if (!strays.empty()) {
    // A shard may have come between the walk over the shards and the one over the rows.
    auto again = stray_uses();
    std::erase_if(strays,
                  [&](const auto& use) { return std::ranges::find(again, use) == again.end(); });
  }
  for (const auto& [repo_id, xorb] : strays) {
    tell(fmt::format("repository {} may refer to xorb {}, which none of its files is made of",
                     repo_id, xorb.text()));
  }
  for_each_hash(database_, rows::xorbs_after, [&](const MerkleHash& xorb) {
    report.checked_count += 1;
    for (const MerkleHash& chunk : stray_chunks(xorb)) {
      tell(fmt::format("xorb {}: a chunk {} is noted that it does not hold", xorb.text(),
                       chunk.text()));
    }
  });
  for_each_hash(database_, rows::files_after, [&](const MerkleHash& file) {
    report.checked_count += 1;
    bool missing = false;
    bool right = true;
    database_.read([&](db::Tx& tx) {
      auto recipe = rows::find_file(tx, file);
      if (!recipe) return;
      right = rows::are_noted_xorbs_right(tx, *recipe);
      if (recipe->terms.empty()) return;
      const Term& first = recipe->terms.front();
      auto table = rows::find_table(tx, first.xorb);
      if (!table || first.chunk_begin >= table->count()) return;  // verify_files tells.
      const MerkleHash& chunk = table->chunks[first.chunk_begin].hash;
      auto noted = rows::chunks_of_xorb(tx, first.xorb);
      missing = std::ranges::find(noted, chunk) == noted.end();
    });
    if (missing) tell(fmt::format("file {}: its first chunk is not noted", file.text()));
    if (!right) tell(fmt::format("file {}: other xorbs are noted than it is made of", file.text()));
  });
  return report;
}

void XetStore::remove_strays() {
  for (const auto& [repo_id, xorb] : stray_uses()) {
    database_.write([&](db::Tx& tx) { rows::delete_use(tx, repo_id, xorb); });
  }
  for_each_hash(database_, rows::xorbs_after, [&](const MerkleHash& xorb) {
    for (const MerkleHash& chunk : stray_chunks(xorb)) {
      database_.write([&](db::Tx& tx) { rows::delete_dedup(tx, chunk, xorb); });
    }
  });
}

}  // namespace hearth::xet
