#pragma once
// The ledger: how much each repository and each namespace stores, and how much it may
// (docs/storage.md).
//
// A repository uses the bytes of the large files that any of its commits names, each once and not
// those that were deleted for good (`large_bytes`), and what its git objects take (`git_bytes`). A
// namespace uses the sum over its repositories that are not deleted. These numbers stand in rows,
// and every transaction that changes what they count changes them too: so a quota is exact however
// many write at once, and no change costs a recount.
//
// Git packs its objects anew when it likes. So `git_bytes` is what was measured last, and of every
// change since then what it brought: never less than there is, and a little more until the task
// that follows each change has measured again.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/context.h"
#include "hub/repo.h"

namespace hearth::db {
class Tx;
}
namespace hearth::git {
class GitRepo;
}

namespace hearth::hub {

struct Actor;

/// Error::code of every refusal for want of room.
constexpr std::string_view kQuotaExceeded = "QuotaExceeded";

/// "500GB", "1.5TiB", "1000000" or "unlimited". KB, MB, GB, TB are powers of 1000, KiB and so on
/// of 1024; case does not matter. Nothing: unlimited. Throws kInvalid.
std::optional<uint64_t> parse_quota(std::string_view text);
/// "1.50 GB", "999 bytes", for people.
std::string bytes_text(uint64_t bytes);

/// What a namespace stores and may store.
struct NamespaceUse {
  std::string name;
  bool is_org = false;
  /// The sum over its repositories: what `usedStorage` of each says.
  uint64_t used_bytes = 0;
  /// What that takes on the disk: each xorb and each whole file once in the namespace, those that
  /// were uploaded and not committed among them, and git objects. Files that other namespaces have
  /// too count for each.
  uint64_t stored_bytes = 0;
  std::optional<uint64_t> quota_bytes = {};  // Nothing: unlimited
  bool has_own_quota = false;                // Not that of the settings

  json::object to_json() const;
};

/// What a transaction changes in the storage of one repository: made before the change of some
/// large files, ended by record() after it.
class StorageChange {
 public:
  /// Counts what these files count before the change.
  StorageChange(db::Tx& tx, std::string repo_id, std::vector<std::string> sha256s);

  /// Counts again, and writes the difference to the repository and its namespace. `git_bytes`:
  /// what the change brings of git objects. With `quotas` it throws kTooLarge, code
  /// "QuotaExceeded", with a sentence for the person who stores, when the namespace has more than
  /// it may now.
  void record(uint64_t git_bytes, const QuotaDefaults* quotas);

 private:
  db::Tx& tx_;
  std::string repo_id_;
  std::vector<std::string> sha256s_;
  uint64_t before_bytes_;
};

/// Counts all large files of a repository anew, for changes of many. Cost: one pass over its
/// pointers.
void recount_large_files(db::Tx& tx, const std::string& repo_id);

/// Throws as StorageChange::record when the namespace has more than it may, after `added_bytes`
/// came to it.
void require_room(db::Tx& tx, const QuotaDefaults& quotas, std::string_view namespace_id,
                  uint64_t added_bytes);

/// Safe from any thread and process.
class Ledger {
 public:
  explicit Ledger(HubContext context);

  /// What a repository uses: `usedStorage`.
  uint64_t used_bytes(const Repo& repo);
  /// The same of all repositories of a namespace (by its id) that are not deleted, by their ids.
  std::map<std::string, uint64_t> used_bytes_of(std::string_view namespace_id);

  /// Throws kNotFound.
  NamespaceUse of_namespace(std::string_view name);
  /// All of them, by name.
  std::vector<NamespaceUse> namespaces();

  struct Quota {
    bool as_settings_say = false;
    std::optional<uint64_t> bytes = {};  // Nothing: unlimited
  };
  /// How much a namespace may store from now on. What is there stays. Throws kNotFound.
  void set_quota(const Actor& by, std::string_view name, const Quota& quota);

  /// What to answer for a file or an upload for which there is no room. As all errors with the code
  /// kQuotaExceeded: the sentence is for anyone, the numbers of its detail for who may write.
  Error no_room(const Repo& repo, uint64_t added_bytes);
  /// Of these large files those for which the room does not last, taken in order, before any byte
  /// of them is sent: the commit decides. What the repository's commits name already needs none.
  struct WantedFile {
    std::string sha256;
    uint64_t size_bytes = 0;
  };
  std::vector<std::string> without_room(const Repo& repo, const std::vector<WantedFile>& files);
  /// Throws as StorageChange::record when the room does not last for all of these.
  void require_room(const Repo& repo, const std::vector<WantedFile>& files);
  /// Throws as StorageChange::record when the namespace is full: an upload of any size is in vain.
  void require_any_room(const Repo& repo);
  /// The same when files of these sizes cannot be there already (no file of the repository has that
  /// size) and do not fit: for clients that tell hashes only after they have sent the bytes.
  void require_room_for_sizes(const Repo& repo, const std::vector<uint64_t>& sizes_bytes);

  /// Measures the git objects of a repository. Cost: looks at every file of them.
  void measure_git(const Repo& repo, const git::GitRepo& git);

  /// Compares a repository's row with its pointers, and with its objects unless `git` is null: a
  /// sentence if they differ.
  std::optional<std::string> why_wrong(const Repo& repo, const git::GitRepo* git);
  /// Namespaces whose sums are wrong: a sentence each.
  std::vector<std::string> wrong_sums();
  /// Makes the sums of namespaces again.
  void rebuild_sums();
  /// Takes files off that were deleted for good before there was a ledger.
  void count_older_deletions();

 private:
  HubContext context_;
};

}  // namespace hearth::hub
