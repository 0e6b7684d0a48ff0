#include "xet/xet.h"

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "blob/damage.h"
#include "xet/collect_rows.h"
#include "xet/table_cache.h"
#include "xet/walks.h"
#include "xet/xet_rows.h"

namespace hearth::xet {
namespace {

// A client may refer to a xorb it sent long ago: its session data is valid for 21 days (xet 6).
constexpr int64_t kUploadRightMs = kXorbDelayMs;
// How long a client may use a dedup answer. Less than the 22 days that unused xorbs are kept.
constexpr int64_t kDedupAnswerMs = 14 * kDayMs;
constexpr int64_t kDedupKeyMs = 7 * kDayMs;
// How many xorbs with one chunk, and repositories with one xorb, are looked at before giving up:
// the answer would only have saved an upload.
constexpr int64_t kDedupXorbsMax = 32;
// Of the files around it: 2 GiB, and at most 3 MB of answer (48 bytes a chunk).
constexpr size_t kAnswerXorbsMax = 32;
constexpr uint64_t kAnswerChunksMax = 65'536;
constexpr int64_t kAnswerReposMax = 8;
constexpr int64_t kAnswerFilesMax = 8;
constexpr size_t kNotedAtOnce = 5000;
constexpr int64_t kReposPerPage = 64;
constexpr int kRepoPagesMax = 4;
constexpr unsigned kImmutableMode = 0444;

fs::path sharded(const fs::path& root, const std::string& name, int levels) {
  fs::path path = root;
  for (int level = 0; level < levels; ++level) path /= name.substr(2 * level, 2);
  return path / name;
}

/// Gives a complete temporary file its name, unless another has it. Both ways the name is durable.
bool link_durably(const DurableFile& file, const fs::path& target) {
  if (::fchmod(file.fd().get(), kImmutableMode) != 0) throw_errno("fchmod", errno);
  fsync_file(file.fd());
  make_dirs(target.parent_path());
  failpoint("link");
  bool is_new = ::link(file.temporary_path().c_str(), target.c_str()) == 0;
  if (!is_new && errno != EEXIST) throw_errno("link " + target.string(), errno);
  fsync_dir(target.parent_path());
  return is_new;
}

}  // namespace

XetStore::XetStore(db::Database& database, const blob::BlobStore& blobs, const Clock& clock,
                   StoreOptions options)
    : database_(database),
      blobs_(blobs),
      clock_(clock),
      options_(std::move(options)),
      tables_(std::make_unique<TableCache>(options_.table_cache_bytes)) {
  HEARTH_ASSERT(options_.secret.size() >= 32, "dedup answers need a secret");
  make_dirs(options_.data_dir / "xorbs");
  make_dirs(options_.data_dir / "shards");
  make_dirs(options_.data_dir / "uploads");
}

XetStore::~XetStore() = default;

fs::path XetStore::xorb_path(const MerkleHash& hash) const {
  return sharded(options_.data_dir / "xorbs", hash.text(), 2);
}
fs::path XetStore::shard_path(const MerkleHash& hash) const {
  return sharded(options_.data_dir / "shards", hash.text(), 1);
}

// ---- Large objects of repositories ----

std::optional<LargeObject> XetStore::find(const std::string& repo_id,
                                          const std::string& sha256) const {
  return database_.read([&](db::Tx& tx) { return rows::find_object(tx, repo_id, sha256); });
}

std::map<std::string, LargeObject> XetStore::find_many(
    const std::string& repo_id, const std::vector<std::string>& sha256s) const {
  return database_.read([&](db::Tx& tx) { return rows::find_objects(tx, repo_id, sha256s); });
}

std::vector<LargeObject> XetStore::list(const std::string& repo_id,
                                        const ListOptions& options) const {
  return database_.read([&](db::Tx& tx) {
    return rows::list_objects(tx, repo_id, options.after_sha256, options.limit);
  });
}

std::unique_ptr<blob::Source> XetStore::open_large(const std::string& repo_id,
                                                   const std::string& sha256) const {
  std::optional<Recipe> recipe;
  std::optional<LargeObject> object;
  database_.read([&](db::Tx& tx) {
    recipe.reset();
    object = rows::find_object(tx, repo_id, sha256);
    if (!object) return;
    if (object->file_hash) recipe = rows::find_file(tx, *object->file_hash);
    // A whole file may have been chunked and dropped for another repository meanwhile. The same
    // SHA-256, computed here, is the same content.
    if (!recipe) recipe = rows::find_file_by_sha256(tx, sha256);
  });
  if (!object) throw Error(ErrorKind::kNotFound, "This repository has no such large file.");
  if (blobs_.size_of(sha256) == object->size_bytes) {
    try {
      return blobs_.open(sha256);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;  // Dropped in this moment: as chunks, then.
    }
  }
  if (recipe) return open_recipe(std::move(*recipe));
  throw Error(ErrorKind::kCorrupt, "The content of this large file is missing on the server.",
              {.detail = "neither whole nor in chunks: " + sha256});
}

void XetStore::link_whole(const std::string& repo_id, const blob::Expected& object,
                          const std::function<void(db::Tx&)>& also) {
  // Another repository's copy may have become chunks, and the whole file dropped, since the upload
  // ended.
  auto is_stored = [&](db::Tx& tx) {
    if (blobs_.size_of(object.sha256) == object.size_bytes) return true;
    auto recipe = rows::find_file_by_sha256(tx, object.sha256);
    return recipe && recipe->size_bytes == object.size_bytes;
  };
  if (!database_.read(is_stored)) {
    throw Error(ErrorKind::kInvalid, "The large file was not uploaded, or has another size.");
  }
  database_.write([&](db::Tx& tx) {
    rows::lock_names(tx, {object.sha256});
    // The garbage collection may have found it unused in the moment before.
    if (!is_stored(tx)) {
      throw Error(ErrorKind::kUnavailable, "The large file was removed meanwhile. Send it again.",
                  {.retry_after_s = 1});
    }
    rows::insert_object(tx, repo_id, {.sha256 = object.sha256, .size_bytes = object.size_bytes},
                        clock_.now_ms());
    if (also) also(tx);
  });
}

bool XetStore::relink(const std::string& repo_id, const blob::Expected& object) {
  bool is_whole = blobs_.size_of(object.sha256) == object.size_bytes;
  return database_.write([&](db::Tx& tx) {
    rows::lock_names(tx, {object.sha256});
    LargeObject found{.sha256 = object.sha256, .size_bytes = object.size_bytes};
    auto recipe = rows::find_file_by_sha256(tx, object.sha256);
    if (recipe && recipe->size_bytes != object.size_bytes) recipe.reset();
    if (!recipe && !is_whole) return false;
    if (recipe) {
      found.file_hash = recipe->file_hash;
      std::set<MerkleHash> xorbs;
      for (const Term& term : recipe->terms) xorbs.insert(term.xorb);
      rows::insert_uses(tx, repo_id, xorbs);
    }
    rows::insert_object(tx, repo_id, found, clock_.now_ms());
    return true;
  });
}

std::optional<LargeObject> XetStore::find_in(db::Tx& tx, const std::string& repo_id,
                                             const std::string& sha256) {
  return rows::find_object(tx, repo_id, sha256);
}

std::map<std::string, LargeObject> XetStore::find_many_in(db::Tx& tx, const std::string& repo_id,
                                                          const std::vector<std::string>& sha256s) {
  return rows::find_objects(tx, repo_id, sha256s);
}

void XetStore::copy_repo(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id,
                         int64_t now_ms) {
  rows::lock_all_names(tx);
  rows::copy_objects(tx, from_repo_id, to_repo_id, now_ms);
  rows::copy_uses(tx, from_repo_id, to_repo_id);
}

bool XetStore::copy_object(db::Tx& tx, const std::string& from_repo_id,
                           const std::string& to_repo_id, const std::string& sha256,
                           int64_t now_ms) {
  rows::lock_names(tx, {sha256});
  auto object = rows::find_object(tx, from_repo_id, sha256);
  if (!object) return false;
  if (object->file_hash) {
    std::set<MerkleHash> xorbs;
    if (auto recipe = rows::find_file(tx, *object->file_hash)) {
      for (const Term& term : recipe->terms) {
        // The recipe may be another uploader's: no more rights than the source has.
        if (rows::repo_uses(tx, from_repo_id, term.xorb)) xorbs.insert(term.xorb);
      }
    }
    rows::insert_uses(tx, to_repo_id, xorbs);
  }
  rows::insert_object(tx, to_repo_id, *object, now_ms);
  return true;
}

void XetStore::forget_objects(db::Tx& tx, const std::string& repo_id,
                              const std::vector<std::string>& sha256s) {
  rows::delete_objects(tx, repo_id, sha256s);
}

void XetStore::forget_repo(db::Tx& tx, const std::string& repo_id) {
  rows::delete_repo(tx, repo_id);
}

// ---- Xorbs ----

std::shared_ptr<const ChunkTable> XetStore::find_table(const MerkleHash& xorb) const {
  if (auto cached = tables_->find(xorb)) return cached;
  auto found = database_.read([&](db::Tx& tx) { return rows::find_table(tx, xorb); });
  if (!found) return nullptr;
  auto table = std::make_shared<const ChunkTable>(std::move(*found));
  tables_->add(xorb, table);
  return table;
}

std::shared_ptr<const ChunkTable> XetStore::table_of(const MerkleHash& xorb) const {
  auto table = find_table(xorb);
  if (!table) {
    throw Error(ErrorKind::kCorrupt, "Part of this file is missing on the server.",
                {.detail = "no row of xorb " + xorb.text()});
  }
  return table;
}

namespace {

/// Reads a xorb and gives its bytes to `on_block`. Throws Error{kCorrupt}.
ChunkTable validated_table(const MerkleHash& hash, const Fd& fd,
                           const std::function<void(ByteView)>& on_block) {
  XorbValidator validator;
  Bytes block(1 << 20);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    auto fed = validator.feed({block.data(), got});
    if (!fed) throw Error(ErrorKind::kCorrupt, "A stored xorb is damaged: " + fed.error().message);
    on_block({block.data(), got});
    offset_bytes += got;
  }
  ChunkTable table =
      value_or_throw(validator.finish(hash), "A stored xorb is damaged", ErrorKind::kCorrupt);
  if (table.packed_bytes() != offset_bytes) {
    throw Error(ErrorKind::kCorrupt, "A stored xorb is damaged: bytes follow its last chunk");
  }
  return table;
}

}  // namespace

std::shared_ptr<const blob::CheckedFile> XetStore::open_xorb(const MerkleHash& hash) const {
  return blobs_.sums().open(hash.text(), xorb_path(hash),
                            [&](const Fd& fd, const std::function<void(ByteView)>& on_block) {
                              try {
                                validated_table(hash, fd, on_block);
                              } catch (const Error& error) {
                                log_error("xorb {} is damaged: {}", hash.text(), error.message());
                                throw;
                              }
                            });
}

ChunkTable XetStore::read_table(const MerkleHash& hash) const {
  return validated_table(hash, open_read(xorb_path(hash)), [](ByteView) {});
}

void XetStore::store_xorb(const MerkleHash& hash, const ChunkTable& table, DurableFile& file,
                          const std::vector<uint64_t>& sums, const Caller& caller) {
  fs::path target = xorb_path(hash);
  const ChunkTable* stored = &table;
  ChunkTable earlier;
  bool is_new = link_durably(file, target);
  if (is_new) {
    blobs_.sums().store(hash.text(), file.written_bytes(), sums);
  } else {
    // Someone was first, perhaps with another packing, and URLs into those bytes may be out: they
    // stay, and the row must fit them. Reading them again also finds damage, which the new bytes
    // then repair.
    try {
      earlier = read_table(hash);
      stored = &earlier;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kNotFound) {
        // It was collected as garbage in this moment: it is a new one, then.
        return store_xorb(hash, table, file, sums, caller);
      }
      if (!blob::is_damage(error)) throw;
      // What came has just been compared.
      log_error("replacing the damaged xorb {}: {}", hash.text(), error.message());
      rename_durably(file.temporary_path(), target);
      blobs_.sums().forget(hash.text());
      database_.write([&](db::Tx& tx) { rows::put_xorb(tx, hash, table, clock_.now_ms()); });
      tables_->clear();
    }
  }
  bool stays = database_.write([&](db::Tx& tx) {
    rows::lock_names(tx, {hash.text()});
    // Without a row it was rubbish until now, and the garbage collection may have come for it.
    if (!fs::exists(target)) return false;
    rows::insert_xorb(tx, hash, *stored, clock_.now_ms());
    rows::insert_upload(tx, caller.user_id, hash, clock_.now_ms());
    return true;
  });
  if (!stays) store_xorb(hash, table, file, sums, caller);
}

struct XorbUpload::State {
  State(XetStore& owner, const MerkleHash& name, const Caller& uploader)
      : store(owner),
        hash(name),
        caller(uploader),
        file(owner.xorb_path(name), owner.data_dir() / "uploads"),
        validator([this](ByteView record) {
          file.write(record);
          sums.update(record);
        }) {}

  XetStore& store;
  MerkleHash hash;
  Caller caller;
  DurableFile file;
  blob::SumsBuilder sums;
  XorbValidator validator;
};

XorbUpload::XorbUpload(std::unique_ptr<State> state) : state_(std::move(state)) {}
XorbUpload::XorbUpload(XorbUpload&&) noexcept = default;
XorbUpload::~XorbUpload() = default;

XorbUpload XetStore::begin_xorb(const MerkleHash& hash, const Caller& caller) {
  return XorbUpload(std::make_unique<XorbUpload::State>(*this, hash, caller));
}

void XorbUpload::write(ByteView bytes) {
  if (auto fed = state_->validator.feed(bytes); !fed) {
    throw Error(ErrorKind::kInvalid, fmt::format("The xorb is not valid: {} (at byte {}).",
                                                 fed.error().message, fed.error().offset_bytes));
  }
}

void XorbUpload::commit() {
  ChunkTable table =
      value_or_throw(state_->validator.finish(state_->hash), "The xorb is not valid");
  state_->store.store_xorb(state_->hash, table, state_->file, state_->sums.finish(),
                           state_->caller);
  state_.reset();
}

// ---- Questions ----

std::optional<Recipe> XetStore::recipe_of(const std::string& repo_id,
                                          const MerkleHash& file_hash) const {
  return database_.read([&](db::Tx& tx) -> std::optional<Recipe> {
    if (!rows::repo_has_file(tx, repo_id, file_hash)) return std::nullopt;
    return rows::find_file(tx, file_hash);
  });
}

Reconstruction XetStore::plan(const Recipe& recipe, std::optional<FileRange> range) const {
  if (range) {
    if (range->begin_bytes >= recipe.size_bytes || range->begin_bytes >= range->end_bytes) {
      throw Error(ErrorKind::kRangeNotSatisfiable, "The range begins behind the end of the file.");
    }
    range->end_bytes = std::min(range->end_bytes, recipe.size_bytes);
  }
  std::unordered_map<MerkleHash, std::shared_ptr<const ChunkTable>, MerkleHashHasher> held;
  auto lookup = [&](const MerkleHash& xorb) -> const ChunkTable& {
    auto [at, is_new] = held.try_emplace(xorb);
    if (is_new) at->second = table_of(xorb);
    return *at->second;
  };
  return plan_reconstruction(recipe.terms, lookup, range);
}

bool XetStore::may_reference(const MerkleHash& xorb, const Caller& caller,
                             const MayReadRepo& may_read) const {
  // Without a predicate it is the hub itself that asks, for this repository. With one, even this
  // repository may be closed to the caller: behind a gate, for one who may open pull requests.
  bool reads_own = !may_read || may_read(caller.repo_id);
  bool own = database_.read([&](db::Tx& tx) {
    return (!caller.user_id.empty() &&
            rows::uploaded_since(tx, caller.user_id, xorb, clock_.now_ms() - kUploadRightMs)) ||
           (reads_own && rows::repo_uses(tx, caller.repo_id, xorb));
  });
  if (own) return find_table(xorb) != nullptr;
  std::string after;
  for (int page = 0; page < kRepoPagesMax; ++page) {
    auto repos = database_.read(
        [&](db::Tx& tx) { return rows::repos_using(tx, xorb, after, kReposPerPage); });
    for (const std::string& repo_id : repos) {
      if (may_read && may_read(repo_id)) return find_table(xorb) != nullptr;
    }
    if (repos.size() < kReposPerPage) break;
    after = repos.back();
  }
  return false;
}

HashKey XetStore::dedup_key(const std::string& user_id, int64_t now_ms) const {
  // One key per person and week: a client hashes each chunk once per key that it knows.
  std::string message = fmt::format("xet dedup answer:{}:{}", user_id, now_ms / kDedupKeyMs);
  HashKey key = hmac_sha256(as_bytes(options_.secret), as_bytes(message));
  return key;
}

std::optional<Bytes> XetStore::dedup_answer(const MerkleHash& chunk, const Caller& caller,
                                            const MayReadRepo& may_read) const {
  auto xorbs =
      database_.read([&](db::Tx& tx) { return rows::xorbs_with_chunk(tx, chunk, kDedupXorbsMax); });
  int64_t now_ms = clock_.now_ms();
  for (const MerkleHash& xorb : xorbs) {
    if (!may_reference(xorb, caller, may_read)) continue;
    auto parts = readable_neighbours(xorb, caller, may_read);
    parts.insert(parts.begin(), xorb);
    DedupAnswer answer{.xorbs = {},
                       .key = dedup_key(caller.user_id, now_ms),
                       .created_s = now_ms / 1000,
                       .expires_s = (now_ms + kDedupAnswerMs) / 1000};
    uint64_t chunk_count = 0;
    for (const MerkleHash& part : promise_xorbs(parts)) {
      auto table = table_if_sound(part);
      if (!table) continue;
      chunk_count += table->count();
      if (!answer.xorbs.empty() && chunk_count > kAnswerChunksMax) break;
      answer.xorbs.push_back({part, std::move(table)});
    }
    // The one that was asked for stands first; damaged, it is to come again.
    if (!answer.xorbs.empty() && answer.xorbs.front().hash == xorb) {
      return write_dedup_answer(answer);
    }
  }
  return std::nullopt;
}

std::shared_ptr<const ChunkTable> XetStore::table_if_sound(const MerkleHash& xorb) const {
  try {
    return find_table(xorb);
  } catch (const Error& error) {
    log_error("xet: the row of xorb {}: {}", xorb.text(), error.message());
    return nullptr;
  }
}

std::vector<MerkleHash> XetStore::readable_neighbours(const MerkleHash& xorb, const Caller& caller,
                                                      const MayReadRepo& may_read) const {
  std::vector<std::string> repos = {caller.repo_id};
  if (may_read) {
    auto others = database_.read(
        [&](db::Tx& tx) { return rows::repos_using(tx, xorb, "", kAnswerReposMax); });
    repos.insert(repos.end(), others.begin(), others.end());
    // Outside of a transaction: it may look into the database itself.
    std::erase_if(repos, [&](const std::string& id) { return !may_read(id); });
  }
  std::vector<MerkleHash> parts;
  std::unordered_set<MerkleHash, MerkleHashHasher> seen = {xorb};
  database_.read([&](db::Tx& tx) {
    for (const std::string& repo_id : repos) {
      for (const Recipe& recipe : rows::files_with_xorb(tx, repo_id, xorb, kAnswerFilesMax)) {
        // From this xorb on, and round again: who asks for the first chunk has the file before
        // them.
        auto here = std::ranges::find(recipe.terms, xorb, &Term::xorb);
        std::vector<Term> terms(here, recipe.terms.end());
        terms.insert(terms.end(), recipe.terms.begin(), here);
        for (const Term& term : terms) {
          if (parts.size() + 1 == kAnswerXorbsMax) return;
          if (!seen.insert(term.xorb).second) continue;
          // The row of a file tells how its first sender cut and packed it. Another one's xorbs may
          // hold more than this file: only what the repository itself is made of is readable in it.
          if (rows::repo_uses(tx, repo_id, term.xorb)) parts.push_back(term.xorb);
        }
      }
    }
  });
  return parts;
}

void XetStore::note_xorbs_of_files(const std::function<void()>& check) {
  std::optional<MerkleHash> after;
  do {
    check();
    after = database_.write([&](db::Tx& tx) -> std::optional<MerkleHash> {
      size_t row_count = 0;
      auto page = rows::files_after(tx, after, kPage);
      for (const MerkleHash& file : page) {
        try {
          row_count += rows::note_xorbs(tx, file);
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::kCorrupt) throw;
          log_error("xet: the row of file {}: {}", file.text(), error.message());
        }
        // Others wait for this transaction.
        if (row_count >= kNotedAtOnce) return file;
      }
      return page.size() < kPage ? std::nullopt : std::optional(page.back());
    });
  } while (after);
}

}  // namespace hearth::xet
