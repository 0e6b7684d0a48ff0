// What a shard says is checked against what is stored, and only then becomes rows.
//
// The order is cheap to dear: structure, xorbs there, their chunk lists, the sender's right to
// refer to them, range and file hashes (all from tables, without reading data), and last the
// SHA-256 of each new file, for which its bytes are read once.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "xet/collect_rows.h"
#include "xet/xet.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

constexpr auto kStepTime = std::chrono::milliseconds(40);
constexpr size_t kBlockBytes = 1 << 20;
// Clients ask for first chunks of files and for these.
constexpr uint64_t kDedupModulo = 1024;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::kInvalid, "The upload was refused: " + why);
}

[[noreturn]] void refuse_absent(const MerkleHash& xorb) {
  refuse(
      fmt::format("the server does not have the data {} that it refers to. If this goes on, "
                  "delete the local Xet cache (~/.cache/huggingface/xet) and upload again.",
                  xorb.text()));
}

}  // namespace

struct ShardRegistration::State {
  enum class Stage { kCheck, kHash, kCommit, kDone };

  State(XetStore& owner, Shard parsed, Caller sender, MayReadRepo predicate)
      : store(owner),
        shard(std::move(parsed)),
        caller(std::move(sender)),
        may_read(std::move(predicate)) {}

  void check();
  void check_xorb(const ShardXorb& xorb);
  void check_file(const ShardFile& file);
  bool hash_some();
  void end_file();
  void commit();

  const ChunkTable& table_of(const MerkleHash& xorb) const { return *tables.at(xorb); }

  XetStore& store;
  Shard shard;
  Caller caller;
  MayReadRepo may_read;
  Stage stage = Stage::kCheck;
  Progress progress;
  std::unordered_map<MerkleHash, std::shared_ptr<const ChunkTable>, MerkleHashHasher> tables;
  std::vector<Recipe> recipes;  // One a file of the shard; sha256 is filled in by hashing.
  std::vector<bool> is_known;   // Hashed in an earlier registration.
  bool anew = false;            // Nothing counts as known.
  std::set<MerkleHash> used;    // Xorbs that terms name.
  size_t file_index = 0;        // Of the file being hashed.
  std::unique_ptr<blob::Source> source;
  uint64_t source_offset_bytes = 0;
  std::optional<Sha256> sha256;
  Bytes block;
  MerkleHash stored_hash;
  bool was_new = false;
};

ShardRegistration::ShardRegistration(std::unique_ptr<State> state) : state_(std::move(state)) {}
ShardRegistration::ShardRegistration(ShardRegistration&&) noexcept = default;
ShardRegistration::~ShardRegistration() = default;

ShardRegistration XetStore::begin_shard(ByteView shard, const Caller& caller, MayReadRepo may_read,
                                        bool anew) {
  Shard parsed = value_or_throw(parse_shard(shard), "The shard cannot be read");
  auto state = std::make_unique<ShardRegistration::State>(*this, std::move(parsed), caller,
                                                          std::move(may_read));
  state->anew = anew;
  return ShardRegistration(std::move(state));
}

bool ShardRegistration::step() {
  switch (state_->stage) {
    case State::Stage::kCheck:
      state_->check();
      state_->stage = State::Stage::kHash;
      break;
    case State::Stage::kHash:
      if (state_->hash_some()) {
        state_->progress.committing = true;
        state_->stage = State::Stage::kCommit;
      }
      break;
    case State::Stage::kCommit:
      state_->commit();
      state_->stage = State::Stage::kDone;
      break;
    case State::Stage::kDone:
      break;
  }
  return state_->stage == State::Stage::kDone;
}

ShardRegistration::Progress ShardRegistration::progress() const {
  return state_->progress;
}
std::vector<ShardRegistration::File> ShardRegistration::files() const {
  std::vector<File> files;
  for (size_t i = 0; i < state_->recipes.size(); ++i) {
    files.push_back({state_->shard.files[i].sha256.value_or(""), state_->recipes[i].size_bytes});
  }
  return files;
}
MerkleHash ShardRegistration::stored_hash() const {
  return state_->stored_hash;
}
bool ShardRegistration::was_new() const {
  return state_->was_new;
}

void ShardRegistration::State::check() {
  std::set<MerkleHash> named;
  for (const ShardXorb& xorb : shard.xorbs) named.insert(xorb.hash);
  for (const ShardFile& file : shard.files) {
    for (const Term& term : file.terms) used.insert(term.xorb);
  }
  named.insert(used.begin(), used.end());
  for (const MerkleHash& xorb : named) {
    // The same words for an absent one: who may not refer to it shall not learn that it exists.
    if (!store.may_reference(xorb, caller, may_read)) refuse_absent(xorb);
    tables[xorb] = store.table_of(xorb);
  }
  for (const ShardXorb& xorb : shard.xorbs) check_xorb(xorb);
  for (const ShardFile& file : shard.files) check_file(file);
}

void ShardRegistration::State::check_xorb(const ShardXorb& xorb) {
  const ChunkTable& table = table_of(xorb.hash);
  bool same = table.chunks.size() == xorb.chunks.size();
  for (uint32_t i = 0; same && i < table.count(); ++i) {
    same = table.chunks[i].hash == xorb.chunks[i].hash &&
           table.unpacked_length(i) == xorb.chunks[i].unpacked_bytes;
  }
  if (!same) {
    refuse(fmt::format("its list of chunks of {} is not that of the data that was sent.",
                       xorb.hash.text()));
  }
}

void ShardRegistration::State::check_file(const ShardFile& file) {
  if (file.range_hashes.size() != file.terms.size()) {
    refuse("it has no range hashes, which prove that the sender has the data.");
  }
  Recipe recipe{.file_hash = file.hash, .sha256 = {}, .terms = file.terms};
  std::vector<SizedHash> leaves;
  std::vector<MerkleHash> hashes;
  for (size_t i = 0; i < file.terms.size(); ++i) {
    const Term& term = file.terms[i];
    const ChunkTable& table = table_of(term.xorb);
    if (term.chunk_end > table.count()) {
      refuse(fmt::format("a term of file {} goes beyond the chunks of {}.", file.hash.text(),
                         term.xorb.text()));
    }
    if (table.unpacked_length(term.chunk_begin, term.chunk_end) != term.unpacked_bytes) {
      refuse(
          fmt::format("a term of file {} has another length than its chunks.", file.hash.text()));
    }
    hashes.clear();
    for (uint32_t chunk = term.chunk_begin; chunk < term.chunk_end; ++chunk) {
      hashes.push_back(table.chunks[chunk].hash);
      leaves.push_back({.hash = hashes.back(), .size_bytes = table.unpacked_length(chunk)});
    }
    if (range_hash(hashes) != file.range_hashes[i]) {
      refuse(fmt::format("a range hash of file {} is wrong.", file.hash.text()));
    }
    recipe.size_bytes += term.unpacked_bytes;
  }
  if (file_hash(leaves) != file.hash) {
    refuse(fmt::format("the chunks of file {} hash to {}.", file.hash.text(),
                       file_hash(leaves).text()));
  }
  progress.total_bytes += recipe.size_bytes;
  recipes.push_back(std::move(recipe));
}

bool ShardRegistration::State::hash_some() {
  auto until = std::chrono::steady_clock::now() + kStepTime;
  while (file_index < recipes.size()) {
    Recipe& recipe = recipes[file_index];
    if (!sha256 && !source) {
      // The file hash stands for the content, so an earlier result is this one's. But what is put
      // together from a damaged xorb is to be put together this way, if this one is good.
      std::optional<Recipe> known;
      bool is_good = true;
      store.database_.read([&](db::Tx& tx) {
        known = rows::find_file(tx, recipe.file_hash);
        is_good = known && !anew && !rows::names_any(*known, rows::damaged_names(tx).xorbs);
      });
      is_known.push_back(is_good);
      if (known && is_good) {
        recipe.sha256 = known->sha256;
        progress.verified_bytes += recipe.size_bytes;
        end_file();
        continue;
      }
      Recipe copy = recipe;
      source = store.open_recipe(std::move(copy));
      source_offset_bytes = 0;
      sha256.emplace();
      block.resize(kBlockBytes);
    }
    while (size_t got = source->read(source_offset_bytes, block)) {
      sha256->update(ByteView(block.data(), got));
      source_offset_bytes += got;
      progress.verified_bytes += got;
      if (std::chrono::steady_clock::now() >= until) return false;
    }
    recipe.sha256 = sha256->finish_hex();
    end_file();
    if (std::chrono::steady_clock::now() >= until) return file_index == recipes.size();
  }
  return true;
}

void ShardRegistration::State::end_file() {
  ShardFile& file = shard.files[file_index];
  const std::string& found = recipes[file_index].sha256;
  if (file.sha256 && *file.sha256 != found) {
    refuse(fmt::format("the content of file {} has the SHA-256 {}, not {} as the upload says.",
                       file.hash.text(), found, *file.sha256));
  }
  file.sha256 = found;  // The stored shard says it for those that left it out, too.
  source.reset();
  sha256.reset();
  ++file_index;
}

void ShardRegistration::State::commit() {
  Bytes bytes = write_shard(shard);
  stored_hash = shard_hash(bytes);
  if (fs::path path = store.shard_path(stored_hash); !fs::exists(path)) {
    DurableFile file(path, store.data_dir() / "uploads");
    file.write(bytes);
    file.commit(0444);
    was_new = true;
  } else {
    fsync_dir(path.parent_path());
  }

  std::vector<rows::DedupRow> dedup;
  for (const Recipe& recipe : recipes) {
    if (recipe.terms.empty()) continue;
    const Term& first = recipe.terms.front();
    dedup.push_back(
        {.chunk = table_of(first.xorb).chunks[first.chunk_begin].hash, .xorb = first.xorb});
  }
  for (const ShardXorb& xorb : shard.xorbs) {
    for (const ShardChunk& chunk : xorb.chunks) {
      if (chunk.hash.modulo(kDedupModulo) == 0) {
        dedup.push_back({.chunk = chunk.hash, .xorb = xorb.hash});
      }
    }
  }
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes) names.push_back(recipe.sha256);
  store.database_.write([&](db::Tx& tx) {
    int64_t now_ms = store.clock_.now_ms();
    rows::lock_names(tx, names);
    // The same shard may have stood here without use, and have been collected in this moment.
    if (fs::path path = store.shard_path(stored_hash); !fs::exists(path)) {
      DurableFile file(path, store.data_dir() / "uploads");
      file.write(bytes);
      file.commit(0444);
    }
    for (const auto& [xorb, table] : tables) {
      // A collector may have run since the check: the rows only appear if the xorbs are there.
      if (!rows::touch_xorb(tx, xorb, now_ms)) refuse_absent(xorb);
    }
    for (size_t i = 0; i < recipes.size(); ++i) {
      const Recipe& recipe = recipes[i];
      rows::insert_file(tx, recipe, now_ms);
      if (!is_known[i]) rows::set_terms(tx, recipe);  // Read and hashed just now.
      rows::insert_object(
          tx, caller.repo_id,
          {.sha256 = recipe.sha256, .size_bytes = recipe.size_bytes, .file_hash = recipe.file_hash},
          now_ms);
    }
    rows::insert_uses(tx, caller.repo_id, used);
    rows::insert_dedup(tx, dedup);
  });
}

}  // namespace hearth::xet
