// Whole files become chunks, so that Xet clients and deduplication see them.
//
// One pass cuts and hashes the file and fills xorbs with the chunks that the repository does not
// have yet; then the result is read back through the chunks and hashed. Only what passes gets rows.
#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/removals.h"
#include "blob/damage.h"
#include "xet/chunker.h"
#include "xet/collect_rows.h"
#include "xet/xet.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

constexpr size_t kBlockBytes = 1 << 20;
constexpr uint64_t kDedupModulo = 1024;
constexpr size_t kListedChunksMax = 1'000'000;  // 48 MB of the 64 MiB that a shard may have.

/// Who stores what a task makes: no person has this id.
Caller task_caller(const std::string& repo_id) {
  return {.user_id = "hearth-ingest", .repo_id = repo_id};
}

class Ingestion {
 public:
  using StoreXorb = std::function<void(const XorbBuilder& xorb, const MerkleHash& hash)>;
  /// The table of a xorb that holds the chunk and may be referred to, if there is one.
  using FindXorb =
      std::function<std::optional<std::pair<MerkleHash, std::shared_ptr<const ChunkTable>>>(
          const MerkleHash& chunk)>;

  Ingestion(StoreXorb store_xorb, FindXorb find_xorb)
      : store_xorb_(std::move(store_xorb)), find_xorb_(std::move(find_xorb)) {}

  void feed(ByteView block) {
    while (!block.empty()) {
      Chunker::Step step = chunker_.next(block);
      ByteView taken = block.first(step.consumed_bytes);
      block = block.subspan(step.consumed_bytes);
      if (step.is_cut && chunk_.empty()) {
        add_chunk(taken);
        continue;
      }
      chunk_.insert(chunk_.end(), taken.begin(), taken.end());
      if (step.is_cut) {
        add_chunk(chunk_);
        chunk_.clear();
      }
    }
  }

  /// Ends the file. Terms that named the unfinished xorb get its hash.
  void finish() {
    if (!chunk_.empty()) add_chunk(chunk_);
    end_xorb();
  }

  MerkleHash hash() const { return file_hash(leaves_); }
  std::vector<Term> terms() const { return terms_; }
  std::vector<ShardXorb> xorbs() const { return xorbs_; }

 private:
  struct Known {
    MerkleHash xorb;  // Zero: the xorb being filled.
    uint32_t chunk;
  };

  void add_chunk(ByteView chunk) {
    MerkleHash hash = chunk_hash(chunk);
    leaves_.push_back({.hash = hash, .size_bytes = chunk.size()});
    auto known = known_.find(hash);
    if (known == known_.end() && (leaves_.size() == 1 || hash.modulo(kDedupModulo) == 0)) {
      if (auto found = find_xorb_(hash)) {
        for (uint32_t i = 0; i < found->second->count(); ++i) {
          known_.try_emplace(found->second->chunks[i].hash, Known{found->first, i});
        }
        known = known_.find(hash);
      }
    }
    auto length = static_cast<uint32_t>(chunk.size());
    if (known != known_.end()) {
      add_term(known->second, length);
      return;
    }
    if (!builder_.fits(chunk.size())) end_xorb();
    Known placed{.xorb = {}, .chunk = builder_.add(chunk, hash)};
    known_.emplace(hash, placed);
    in_builder_.push_back(hash);
    add_term(placed, length);
  }

  void add_term(const Known& known, uint32_t length) {
    if (!terms_.empty()) {
      Term& last = terms_.back();
      if (last.xorb == known.xorb && last.chunk_end == known.chunk &&
          last.unpacked_bytes + uint64_t{length} <= kXorbUnpackedBytesMax) {
        last.chunk_end += 1;
        last.unpacked_bytes += length;
        return;
      }
    }
    terms_.push_back({.xorb = known.xorb,
                      .unpacked_bytes = length,
                      .chunk_begin = known.chunk,
                      .chunk_end = known.chunk + 1});
  }

  void end_xorb() {
    if (builder_.empty()) return;
    MerkleHash hash = builder_.hash();
    store_xorb_(builder_, hash);
    for (Term& term : terms_) {
      if (term.xorb.is_zero()) term.xorb = hash;
    }
    for (const MerkleHash& chunk : in_builder_) known_.at(chunk).xorb = hash;
    in_builder_.clear();
    const ChunkTable& table = builder_.table();
    ShardXorb listed{.hash = hash, .unpacked_bytes = static_cast<uint32_t>(table.unpacked_bytes())};
    for (uint32_t i = 0; i < table.count(); ++i) {
      listed.chunks.push_back({.hash = table.chunks[i].hash,
                               .unpacked_begin_bytes = table.unpacked_begin(i),
                               .unpacked_bytes = table.unpacked_length(i)});
    }
    xorbs_.push_back(std::move(listed));
    builder_.clear();
  }

  StoreXorb store_xorb_;
  FindXorb find_xorb_;
  Chunker chunker_;
  Bytes chunk_;  // The beginning of a chunk that a block's end cut through.
  XorbBuilder builder_;
  std::vector<MerkleHash> in_builder_;
  std::unordered_map<MerkleHash, Known, MerkleHashHasher> known_;
  std::vector<SizedHash> leaves_;
  std::vector<Term> terms_;
  std::vector<ShardXorb> xorbs_;
};

}  // namespace

bool XetStore::reads_through(const Recipe& recipe, const std::function<void()>& check) const {
  try {
    auto source = open_recipe(recipe);
    Sha256 digest;
    Bytes block(kBlockBytes);
    for (uint64_t at = 0; size_t got = source->read(at, block); at += got) {
      if (check) check();
      digest.update({block.data(), got});
    }
    return digest.finish_hex() == recipe.sha256;
  } catch (const Error& error) {
    if (!blob::is_damage(error) && error.kind() != ErrorKind::kNotFound) throw;
    log_warning("the chunks of {} cannot be read, and are made again from the whole file: {} {}",
                recipe.sha256, error.message(), error.detail());
    return false;
  }
}

Recipe XetStore::chunk_whole(const std::string& repo_id, const std::string& sha256,
                             const std::set<std::string>& avoided_xorbs, bool anew,
                             const std::function<void()>& check) {
  Caller caller = task_caller(repo_id);
  Ingestion ingestion(
      [&](const XorbBuilder& xorb, const MerkleHash& hash) {
        XorbUpload upload = begin_xorb(hash, caller);
        upload.write(xorb.serialized());
        upload.commit();
      },
      [&](const MerkleHash& chunk)
          -> std::optional<std::pair<MerkleHash, std::shared_ptr<const ChunkTable>>> {
        // Only xorbs that the repository has anyway: a term to a foreign one would let its
        // readers ask for the rest of that one.
        for (const MerkleHash& xorb :
             database_.read([&](db::Tx& tx) { return rows::xorbs_with_chunk(tx, chunk, 32); })) {
          if (!database_.read([&](db::Tx& tx) { return rows::repo_uses(tx, repo_id, xorb); })) {
            continue;
          }
          if (avoided_xorbs.contains(xorb.text())) continue;
          if (auto table = find_table(xorb)) return std::pair(xorb, table);
        }
        return std::nullopt;
      });
  auto source = blobs_.open(sha256);
  Bytes block(kBlockBytes);
  for (uint64_t at = 0; size_t got = source->read(at, block); at += got) {
    if (check) check();
    ingestion.feed({block.data(), got});
  }
  ingestion.finish();

  Shard shard{.files = {{.hash = ingestion.hash(), .terms = ingestion.terms(), .sha256 = sha256}},
              .xorbs = ingestion.xorbs()};
  // Past some 80 GB the list of chunks would not fit into a shard. It only feeds the answers to
  // dedup questions, so such a file is asked for by its first chunk alone.
  size_t chunk_count = 0;
  for (const ShardXorb& xorb : shard.xorbs) chunk_count += xorb.chunks.size();
  if (chunk_count > kListedChunksMax) shard.xorbs.clear();
  for (const Term& term : shard.files[0].terms) {
    auto table = table_of(term.xorb);
    std::vector<MerkleHash> hashes;
    for (uint32_t i = term.chunk_begin; i < term.chunk_end; ++i) {
      hashes.push_back(table->chunks[i].hash);
    }
    shard.files[0].range_hashes.push_back(range_hash(hashes));
  }
  Recipe recipe{.file_hash = ingestion.hash(), .sha256 = sha256, .terms = ingestion.terms()};
  for (const Term& term : recipe.terms) recipe.size_bytes += term.unpacked_bytes;
  // The same way as a client's shard: read back, hashed, kept as a file, made into rows.
  ShardRegistration registration = begin_shard(write_shard(shard), caller, {}, anew);
  while (!registration.step()) {
    if (check) check();
  }
  return recipe;
}

bool XetStore::ingest(const std::string& repo_id, const std::string& sha256,
                      const IngestOptions& options, const std::function<void()>& check) {
  std::optional<LargeObject> object;
  std::optional<Recipe> known;  // How the file is put together, for this repository or another.
  std::set<std::string> avoided;
  database_.read([&](db::Tx& tx) {
    object = rows::find_object(tx, repo_id, sha256);
    if (object && object->file_hash) known = rows::find_file(tx, *object->file_hash);
    if (!known) known = rows::find_file_by_sha256(tx, sha256);
    avoided = rows::damaged_names(tx).xorbs;
  });
  if (!object) return true;  // The repository dropped it meanwhile.
  auto blob_size = blobs_.size_of(sha256);
  if (blob_size != object->size_bytes || object->size_bytes == 0) return true;
  // A whole file beside chunks may be there because somebody was asked for it again: it is the good
  // copy until they have been read through.
  const bool is_sound = known && reads_through(*known, check);
  if (!is_sound && known) {
    for (const Term& term : known->terms) avoided.insert(term.xorb.text());
  }
  if (!is_sound || !object->file_hash) {
    Recipe made = chunk_whole(repo_id, sha256, avoided, !is_sound, check);
    if (!is_sound) known = std::move(made);
  }
  if (!options.drop_whole) return true;
  auto turn = RemovalTurn::try_take(options_.data_dir);
  if (!turn) return false;
  database_.write([&](db::Tx& tx) {
    rows::lock_names(tx, {sha256});
    if (rows::any_whole_only(tx, sha256)) return;
    // Only beside the very chunks that were read just now, and no others that were not.
    auto now = rows::find_file_by_sha256(tx, sha256);
    if (!now || now->terms != known->terms || rows::count_files(tx, sha256) != 1) return;
    // A row that appears from here on finds the chunks by SHA-256: open_large() looks for both.
    blobs_.remove(sha256);
  });
  return true;
}

}  // namespace hearth::xet
