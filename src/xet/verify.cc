// Comparing what is stored with what its name and record say, and making the records again.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "blob/stored_names.h"
#include "xet/shard.h"
#include "xet/table_cache.h"
#include "xet/walks.h"
#include "xet/xet.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

constexpr uint64_t kDedupModulo = 1024;

/// A disk that does not read may do so later: hub/scrub looks again.
std::string why_damaged(const Error& error) {
  return error.kind() == ErrorKind::kCorrupt ? error.message()
                                             : std::string("cannot be read: ") + error.what();
}

}  // namespace

blob::VerifyReport XetStore::verify_xorbs() const {
  blob::VerifyReport report;
  for_each_hash(database_, rows::xorbs_after, [&](const MerkleHash& hash) {
    report.checked_count += 1;
    try {
      auto recorded = database_.read([&](db::Tx& tx) { return rows::find_table(tx, hash); });
      if (!recorded) return;  // Collected meanwhile.
      ChunkTable found = read_table(hash);
      report.checked_bytes += found.packed_bytes();
      if (found != *recorded) {
        report.problems.push_back(
            fmt::format("xorb {}: its record is not that of its file; verify --rebuild makes it "
                        "again",
                        hash.text()));
      }
    } catch (const Error& error) {
      report.problems.push_back(fmt::format("xorb {}: {}", hash.text(), error.message()));
    }
  });
  // A xorb without a record is no damage: its upload was cut short, and is repeated.
  return report;
}

std::vector<std::string> XetStore::xorbs_after(std::string_view after, size_t count) const {
  return blob::stored_names_after(options_.data_dir / "xorbs", after, count);
}

std::vector<std::string> XetStore::shards_after(std::string_view after, size_t count) const {
  return blob::stored_names_after(options_.data_dir / "shards", after, count);
}

bool XetStore::is_missing_xorb(const std::string& hash) const {
  auto name = MerkleHash::from_text(hash);
  // In this order: an upload makes the file first, a collection removes it last.
  if (!name || !database_.read([&](db::Tx& tx) { return rows::find_table(tx, *name); })) {
    return false;
  }
  return !fs::exists(xorb_path(*name)) &&
         database_.read([&](db::Tx& tx) { return rows::find_table(tx, *name); }).has_value();
}

bool XetStore::is_missing_whole(const std::string& sha256) const {
  auto is_needed = [&](db::Tx& tx) {
    return rows::any_whole_only(tx, sha256) && !rows::find_file_by_sha256(tx, sha256);
  };
  return database_.read(is_needed) && !fs::exists(blobs_.path_of(sha256)) &&
         database_.read(is_needed);
}

std::vector<std::string> XetStore::missing_xorbs() const {
  std::vector<std::string> missing;
  for_each_hash(database_, rows::xorbs_after, [&](const MerkleHash& hash) {
    if (!fs::exists(xorb_path(hash)) && is_missing_xorb(hash.text())) {
      missing.push_back(hash.text());
    }
  });
  return missing;
}

std::vector<std::string> XetStore::missing_wholes() const {
  std::vector<std::string> missing;
  std::string after;
  while (true) {
    auto page =
        database_.read([&](db::Tx& tx) { return rows::whole_only_after(tx, after, kPage); });
    for (const std::string& sha256 : page) {
      if (!fs::exists(blobs_.path_of(sha256)) && is_missing_whole(sha256)) {
        missing.push_back(sha256);
      }
    }
    if (page.size() < static_cast<size_t>(kPage)) return missing;
    after = page.back();
  }
}

std::optional<std::string> XetStore::damage_of_xorb(const std::string& hash,
                                                    uint64_t& size_bytes) const {
  auto name = MerkleHash::from_text(hash);
  if (!name) return std::nullopt;  // No file of this store.
  try {
    size_bytes = read_table(*name).packed_bytes();
    return std::nullopt;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
    return why_damaged(error);
  }
}

std::optional<std::string> XetStore::damage_of_shard(const std::string& hash,
                                                     uint64_t& size_bytes) const {
  auto name = MerkleHash::from_text(hash);
  if (!name) return std::nullopt;
  try {
    std::string bytes = read_file(shard_path(*name), 2 * kShardBytesMax);
    size_bytes = bytes.size();
    if (shard_hash(as_bytes(bytes)) == *name) return std::nullopt;
    return "A stored shard is damaged: it hashes to something else.";
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
    return why_damaged(error);
  }
}

blob::VerifyReport XetStore::verify_files() const {
  blob::VerifyReport report;
  Bytes block(1 << 20);
  for_each_hash(database_, rows::files_after, [&](const MerkleHash& hash) {
    report.checked_count += 1;
    try {
      auto recipe = database_.read([&](db::Tx& tx) { return rows::find_file(tx, hash); });
      if (!recipe) return;
      std::vector<SizedHash> leaves;
      for (const Term& term : recipe->terms) {
        auto table = table_of(term.xorb);
        if (term.chunk_end > table->count()) {
          throw Error(ErrorKind::kCorrupt, "a term goes beyond its xorb");
        }
        for (uint32_t i = term.chunk_begin; i < term.chunk_end; ++i) {
          leaves.push_back(
              {.hash = table->chunks[i].hash, .size_bytes = table->unpacked_length(i)});
        }
      }
      if (file_hash(leaves) != hash) {
        throw Error(ErrorKind::kCorrupt, "its chunks hash to something else");
      }
      std::string sha256 = recipe->sha256;
      auto source = open_recipe(std::move(*recipe));
      Sha256 digest;
      for (uint64_t at = 0; size_t got = source->read(at, block); at += got) {
        digest.update(ByteView(block.data(), got));
        report.checked_bytes += got;
      }
      if (std::string found = digest.finish_hex(); found != sha256) {
        throw Error(ErrorKind::kCorrupt, "its SHA-256 is " + found + ", not " + sha256);
      }
    } catch (const Error& error) {
      report.problems.push_back(fmt::format("file {}: {}{}{}", hash.text(), error.message(),
                                            error.detail().empty() ? "" : " ", error.detail()));
    }
  });
  return report;
}

blob::VerifyReport XetStore::verify_shards() const {
  blob::VerifyReport report;
  // Those of the database first: what is registered while this runs has its shard by then.
  std::vector<MerkleHash> known;
  for_each_hash(database_, rows::files_after,
                [&](const MerkleHash& hash) { known.push_back(hash); });
  std::set<MerkleHash> told;  // Files that a shard on the disk describes.
  for_each_stored(options_.data_dir / "shards", [&](const MerkleHash& hash, const fs::path& path) {
    report.checked_count += 1;
    try {
      std::string bytes = read_file(path, 2 * kShardBytesMax);
      report.checked_bytes += bytes.size();
      if (shard_hash(as_bytes(bytes)) != hash) {
        report.problems.push_back(fmt::format("shard {}: it is damaged", hash.text()));
        return;
      }
      Shard shard =
          value_or_throw(parse_shard(as_bytes(bytes)), "it cannot be read", ErrorKind::kCorrupt);
      for (const ShardFile& file : shard.files) told.insert(file.hash);
    } catch (const Error& error) {
      report.problems.push_back(fmt::format("shard {}: {}", hash.text(), error.message()));
    }
  });
  // Shards and xorbs together are the truth: a file that only the database knows of is lost with
  // it.
  for (const MerkleHash& hash : known) {
    if (told.contains(hash)) continue;
    report.problems.push_back(fmt::format("file {}: no shard describes it any more", hash.text()));
  }
  return report;
}

blob::VerifyReport XetStore::verify_objects() const {
  blob::VerifyReport report;
  std::string repo_id, sha256;
  while (true) {
    auto page =
        database_.read([&](db::Tx& tx) { return rows::objects_after(tx, repo_id, sha256, kPage); });
    for (const rows::OwnedObject& owned : page) {
      report.checked_count += 1;
      report.checked_bytes += owned.object.size_bytes;
      try {
        auto source = open_large(owned.repo_id, owned.object.sha256);
        if (source->size_bytes() != owned.object.size_bytes) {
          throw Error(ErrorKind::kCorrupt, "it has another size than its record");
        }
      } catch (const Error& error) {
        report.problems.push_back(fmt::format("object {} of repository {}: {}", owned.object.sha256,
                                              owned.repo_id, error.message()));
      }
    }
    if (page.size() < kPage) return report;
    repo_id = page.back().repo_id;
    sha256 = page.back().object.sha256;
  }
}

blob::VerifyReport XetStore::rebuild() {
  blob::VerifyReport report;
  for_each_stored(options_.data_dir / "xorbs", [&](const MerkleHash& hash, const fs::path&) {
    report.checked_count += 1;
    try {
      ChunkTable table = read_table(hash);
      report.checked_bytes += table.packed_bytes();
      database_.write([&](db::Tx& tx) { rows::put_xorb(tx, hash, table, clock_.now_ms()); });
    } catch (const Error& error) {
      report.problems.push_back(fmt::format("xorb {}: {}", hash.text(), error.message()));
    }
  });
  tables_->clear();
  for_each_stored(options_.data_dir / "shards", [&](const MerkleHash& hash, const fs::path& path) {
    report.checked_count += 1;
    try {
      std::string bytes = read_file(path, 2 * kShardBytesMax);
      report.checked_bytes += bytes.size();
      if (shard_hash(as_bytes(bytes)) != hash) throw Error(ErrorKind::kCorrupt, "it is damaged");
      Shard shard =
          value_or_throw(parse_shard(as_bytes(bytes)), "it cannot be read", ErrorKind::kCorrupt);
      std::vector<rows::DedupRow> dedup;
      database_.write([&](db::Tx& tx) {
        dedup.clear();
        for (const ShardFile& file : shard.files) {
          if (!file.sha256) continue;  // Never in a shard that was stored here.
          Recipe recipe{.file_hash = file.hash, .sha256 = *file.sha256, .terms = file.terms};
          for (const Term& term : file.terms) recipe.size_bytes += term.unpacked_bytes;
          // A file that nobody has any more may stand in a shard with others that are in use. Its
          // xorbs are gone, or lost: then the repositories that name it are for verify to tell.
          bool whole = std::ranges::all_of(file.terms, [&](const Term& term) {
            return rows::find_table(tx, term.xorb).has_value();
          });
          if (!whole) continue;
          rows::insert_file(tx, recipe, clock_.now_ms());
          rows::note_xorbs(tx, recipe.file_hash);
          if (file.terms.empty()) continue;
          const Term& first = file.terms.front();
          auto table = rows::find_table(tx, first.xorb);
          if (table && first.chunk_begin < table->count()) {
            dedup.push_back({.chunk = table->chunks[first.chunk_begin].hash, .xorb = first.xorb});
          }
        }
        for (const ShardXorb& xorb : shard.xorbs) {
          if (!rows::find_table(tx, xorb.hash)) continue;
          for (const ShardChunk& chunk : xorb.chunks) {
            if (chunk.hash.modulo(kDedupModulo) == 0) {
              dedup.push_back({.chunk = chunk.hash, .xorb = xorb.hash});
            }
          }
        }
        rows::insert_dedup(tx, dedup);
      });
    } catch (const Error& error) {
      report.problems.push_back(fmt::format("shard {}: {}", hash.text(), error.message()));
    }
  });
  remove_strays();
  return report;
}

}  // namespace hearth::xet
