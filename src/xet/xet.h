#pragma once
// The Xet store: files as rows of chunks, chunks in xorbs, and the table of every repository's
// large objects, chunked or whole.
//
// What is true stands in files: xorbs under DATA/xorbs/<ab>/<cd>/<hash>, shards under
// DATA/shards/<ab>/<hash>. The tables can be made again from them (rebuild()). A file's SHA-256 is
// computed from its bytes before anyone may use it; what a client says about it is only compared.

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fs.h"
#include "base/time.h"
#include "blob/blob.h"
#include "db/db.h"
#include "xet/collect.h"
#include "xet/merkle_hash.h"
#include "xet/reconstruction.h"
#include "xet/shard.h"
#include "xet/xorb.h"

namespace hearth::xet {

/// A large object of a repository.
struct LargeObject {
  std::string sha256;
  uint64_t size_bytes = 0;
  std::optional<MerkleHash> file_hash = {};  // Nothing: stored whole, Xet clients get plain HTTP.
  int64_t created_ms = 0;                    // When the repository got it; told by list() only
};

/// How a file is put together.
struct Recipe {
  MerkleHash file_hash;
  std::string sha256;
  uint64_t size_bytes = 0;
  std::vector<Term> terms = {};
};

/// On whose behalf something is stored or asked.
struct Caller {
  std::string user_id;  // Empty: a stranger.
  std::string repo_id;  // The repository that the token is for.
};

/// Whether the caller may read a repository's files; asked for repositories that share a xorb.
using MayReadRepo = std::function<bool(const std::string& repo_id)>;

struct StoreOptions {
  fs::path data_dir;
  /// 32 bytes or more that nobody else knows; dedup answers are keyed with what follows from it.
  std::string secret;
  /// Memory for chunk tables, which every read needs; 64 MiB is about 1,600 full xorbs.
  uint64_t table_cache_bytes = 64u << 20;
};

class XorbUpload;
class ShardRegistration;

/// Safe from any thread, and from several processes on one folder and database.
class XetStore {
 public:
  /// Makes the folders. `database`, `blobs` and `clock` outlive this.
  XetStore(db::Database& database, const blob::BlobStore& blobs, const Clock& clock,
           StoreOptions options);
  ~XetStore();
  XetStore(const XetStore&) = delete;
  XetStore& operator=(const XetStore&) = delete;

  // ---- Large objects of repositories ----

  std::optional<LargeObject> find(const std::string& repo_id, const std::string& sha256) const;
  /// Those of `sha256s` that the repository has, by SHA-256.
  std::map<std::string, LargeObject> find_many(const std::string& repo_id,
                                               const std::vector<std::string>& sha256s) const;
  struct ListOptions {
    std::string after_sha256 = {};
    int64_t limit = 1000;
  };
  std::vector<LargeObject> list(const std::string& repo_id, const ListOptions& options) const;

  /// The one door to a large file. Whole files are preferred: they leave by sendfile.
  /// Throws Error: kNotFound (the repository has no such object), kCorrupt (it is lost).
  std::unique_ptr<blob::Source> open_large(const std::string& repo_id,
                                           const std::string& sha256) const;

  /// Gives a repository a whole file that lies in the blob store.
  /// `also` joins the transaction: what shall be there if and only if the object is.
  /// Throws Error{kInvalid} when it is not there with that size.
  void link_whole(const std::string& repo_id, const blob::Expected& object,
                  const std::function<void(db::Tx&)>& also = {});

  // These join a transaction of the hub, so that they happen together with what caused them.

  static std::optional<LargeObject> find_in(db::Tx& tx, const std::string& repo_id,
                                            const std::string& sha256);
  static std::map<std::string, LargeObject> find_many_in(db::Tx& tx, const std::string& repo_id,
                                                         const std::vector<std::string>& sha256s);
  /// A fork or duplicate has everything its source has.
  static void copy_repo(db::Tx& tx, const std::string& from_repo_id, const std::string& to_repo_id,
                        int64_t now_ms);
  /// One object only. False: the source does not have it.
  static bool copy_object(db::Tx& tx, const std::string& from_repo_id,
                          const std::string& to_repo_id, const std::string& sha256, int64_t now_ms);
  /// The repository has these objects no more. What they were made of it may still refer to, until
  /// drop_unused_rights: clients that uploaded it count on that, and one may be at work.
  static void forget_objects(db::Tx& tx, const std::string& repo_id,
                             const std::vector<std::string>& sha256s);
  /// The repository is gone. Files stay until they are collected.
  static void forget_repo(db::Tx& tx, const std::string& repo_id);

  // ---- The protocol ----

  /// Receives a xorb; see XorbUpload.
  XorbUpload begin_xorb(const MerkleHash& hash, const Caller& caller);
  /// Receives a shard; see ShardRegistration. Throws Error{kInvalid} for one that cannot be read.
  /// `anew`: its files are read and hashed also when they are known, and put together its way.
  ShardRegistration begin_shard(ByteView shard, const Caller& caller, MayReadRepo may_read,
                                bool anew = false);

  /// How a file of the repository is put together, if it has a file of that hash.
  std::optional<Recipe> recipe_of(const std::string& repo_id, const MerkleHash& file_hash) const;
  /// Throws Error{kRangeNotSatisfiable} when the range begins at or behind the end; clamps its end.
  Reconstruction plan(const Recipe& recipe, std::optional<FileRange> range) const;

  /// Answers a question for a chunk with a xorb that holds it and that the caller may know of: one
  /// of their own uploads, or used by a repository they may read; and with the next xorbs of the
  /// files that it is a part of, where these are in a repository they may read. Else a client would
  /// find a large file again only where it asks: of one chunk in 1,024, which half of the xorbs
  /// lack.
  std::optional<Bytes> dedup_answer(const MerkleHash& chunk, const Caller& caller,
                                    const MayReadRepo& may_read) const;
  /// Notes the xorbs of files that are older than this table. For a task: doing it again does
  /// nothing. `check` is called often and may throw.
  void note_xorbs_of_files(const std::function<void()>& check);
  /// Whether the caller may refer to a stored xorb. False also when there is none.
  bool may_reference(const MerkleHash& xorb, const Caller& caller,
                     const MayReadRepo& may_read) const;

  /// For sending ranges; what is sent is to be checked before. Throws Error: kNotFound, kCorrupt.
  std::shared_ptr<const blob::CheckedFile> open_xorb(const MerkleHash& hash) const;

  // ---- Whole files become chunks ----

  struct IngestOptions {
    /// Afterwards remove the whole file, if every repository that has it has it in chunks.
    /// The chunks were read back and hashed before.
    bool drop_whole = false;
  };
  /// Chunks a whole file of a repository, so that Xet clients and dedup see it. For a task: takes
  /// about 3 s of CPU a GiB. Doing it again does nothing. `check` is called often and may throw.
  /// False: all is done but the removal of the whole file, because a backup runs; come again.
  bool ingest(const std::string& repo_id, const std::string& sha256, const IngestOptions& options,
              const std::function<void()>& check = {});

  // ---- What goes, and what must not ----

  /// As find_many, for telling a client that it need not send them: from now on they are kept for
  /// the whole delay, also if no commit names them.
  std::map<std::string, LargeObject> promise(const std::string& repo_id,
                                             const std::vector<std::string>& sha256s);
  /// The same for xorbs. Returns those that there are (still), and that are not damaged, in the
  /// given order.
  std::vector<MerkleHash> promise_xorbs(const std::vector<MerkleHash>& xorbs) const;
  /// Removes what no repository has any more; see collect.cc. For hub/gc, one at a time.
  CollectReport collect(const CollectOptions& options);
  /// Takes the right to refer to xorbs from a repository whose files are not made of them any more,
  /// unless they were used since. True: none is left to be taken later.
  bool drop_unused_rights(const std::string& repo_id, int64_t last_ref_before_ms);

  // ---- Checking ----

  /// Reads every xorb and compares it with its name and table.
  blob::VerifyReport verify_xorbs() const;
  /// Puts every file together and compares its SHA-256 and file hash.
  blob::VerifyReport verify_files() const;
  /// Hashes every shard file.
  blob::VerifyReport verify_shards() const;
  /// Every object of every repository can be opened with its size.
  blob::VerifyReport verify_objects() const;
  /// For hub/scrub, one file at a time: the names behind `after`, sorted, at most `count`; and what
  /// is wrong with a file, which is read whole. Nothing: it is good, or gone by now.
  std::vector<std::string> xorbs_after(std::string_view after, size_t count) const;
  std::vector<std::string> shards_after(std::string_view after, size_t count) const;
  std::optional<std::string> damage_of_xorb(const std::string& hash, uint64_t& size_bytes) const;
  std::optional<std::string> damage_of_shard(const std::string& hash, uint64_t& size_bytes) const;
  /// What rows need and the disk does not have: xorbs, and whole files (by SHA-256) that are
  /// nowhere in chunks.
  std::vector<std::string> missing_xorbs() const;
  std::vector<std::string> missing_wholes() const;
  bool is_missing_xorb(const std::string& hash) const;
  bool is_missing_whole(const std::string& sha256) const;
  /// Compares the rows that answer dedup questions, and those that say which xorbs a repository may
  /// refer to, with the files that they come from.
  blob::VerifyReport verify_index() const;
  /// Makes the tables of xorbs, files and dedup chunks again from the files. What repositories have
  /// is in git: link what its pointers name with relink().
  blob::VerifyReport rebuild();
  /// Gives a repository an object that is stored in either form. False: it is not stored.
  bool relink(const std::string& repo_id, const blob::Expected& object);

  // ---- For the parts of this module ----

  std::shared_ptr<const ChunkTable> table_of(const MerkleHash& xorb) const;
  /// Nothing when there is no such xorb.
  std::shared_ptr<const ChunkTable> find_table(const MerkleHash& xorb) const;
  std::unique_ptr<blob::Source> open_recipe(Recipe recipe) const;
  fs::path xorb_path(const MerkleHash& hash) const;
  fs::path shard_path(const MerkleHash& hash) const;
  const fs::path& data_dir() const { return options_.data_dir; }

 private:
  /// Whether the chunks of a file can be read and hash to its SHA-256. Throws what is no damage.
  bool reads_through(const Recipe& recipe, const std::function<void()>& check) const;
  /// Cuts a whole file into chunks and registers them; returns how it is put together now.
  Recipe chunk_whole(const std::string& repo_id, const std::string& sha256,
                     const std::set<std::string>& avoided_xorbs, bool anew,
                     const std::function<void()>& check);
  friend class XorbUpload;
  friend class ShardRegistration;
  class TableCache;
  class Collection;

  /// Puts a validated file at its place unless one is there, and makes the row.
  void store_xorb(const MerkleHash& hash, const ChunkTable& table, DurableFile& file,
                  const std::vector<uint64_t>& sums, const Caller& caller);
  /// Rows of xorb_use that no file of their repository accounts for.
  std::vector<std::pair<std::string, MerkleHash>> stray_uses() const;
  /// Chunks that are noted for a xorb and are not in it.
  std::vector<MerkleHash> stray_chunks(const MerkleHash& xorb) const;
  /// Removes what verify_index would call wrong.
  void remove_strays();
  /// Reads a stored xorb anew. Throws Error{kCorrupt}.
  ChunkTable read_table(const MerkleHash& hash) const;
  HashKey dedup_key(const std::string& user_id, int64_t now_ms) const;
  /// Other xorbs of files that this one is a part of: those that a repository uses which the caller
  /// may read.
  std::vector<MerkleHash> readable_neighbours(const MerkleHash& xorb, const Caller& caller,
                                              const MayReadRepo& may_read) const;
  /// As find_table; nothing for a damaged row, which is logged.
  std::shared_ptr<const ChunkTable> table_if_sound(const MerkleHash& xorb) const;

  db::Database& database_;
  const blob::BlobStore& blobs_;
  const Clock& clock_;
  StoreOptions options_;
  std::unique_ptr<TableCache> tables_;
};

/// A xorb on its way in: validated in one pass, written to a temporary file, stored by commit().
/// Without it nothing stays. When the hash is stored already the stored bytes are kept, because
/// URLs into them have been handed out; the answer is the same, so that nobody learns it.
class XorbUpload {
 public:
  XorbUpload(XorbUpload&&) noexcept;
  ~XorbUpload();
  /// Throws Error{kInvalid} as soon as the body cannot be a xorb.
  void write(ByteView bytes);
  /// Throws Error{kInvalid} when the chunks do not hash to the name.
  void commit();

 private:
  friend class XetStore;
  struct State;
  explicit XorbUpload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A shard on its way in, in steps, so that its sender can be told how far it is.
///
///   while (!registration.step()) { report registration.progress(); }
///
/// Checks everything the shard says against what is stored, reads every new file once to compute
/// its SHA-256, keeps the shard as a file, and makes the rows in one transaction.
class ShardRegistration {
 public:
  struct Progress {
    uint64_t verified_bytes = 0;
    uint64_t total_bytes = 0;
    bool committing = false;
  };

  ShardRegistration(ShardRegistration&&) noexcept;
  ~ShardRegistration();
  /// Some tens of milliseconds of work; true when all is done and durable.
  /// Throws Error: kInvalid (the shard says something that is not so, in words for its sender),
  /// kForbidden (it refers to a xorb that the caller may not know of).
  bool step();
  Progress progress() const;
  struct File {
    std::string sha256;  // As its sender says; empty when nothing is said
    uint64_t size_bytes = 0;
  };
  /// After the first step: what it registers.
  std::vector<File> files() const;
  /// After the end: the hash of the stored shard file.
  MerkleHash stored_hash() const;
  /// After the end: whether anything was new.
  bool was_new() const;

 private:
  friend class XetStore;
  struct State;
  explicit ShardRegistration(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth::xet
