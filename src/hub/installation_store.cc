#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>

#include "base/bytes.h"
#include "base/text.h"
#include "hub/installation.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kFind =
    "SELECT id, hub_id, tags_known FROM installation WHERE only_one = 1";
constexpr std::string_view kInsert =
    "INSERT INTO installation (only_one, id, hub_id, created_ms, tags_known)"
    " VALUES (1, ?1, ?1, ?2, ?3) ON CONFLICT (only_one) DO NOTHING";
constexpr std::string_view kTagsKnown = "UPDATE installation SET tags_known = 1 WHERE only_one = 1";
constexpr std::string_view kAnyRepo = "SELECT id FROM repo ORDER BY id LIMIT 1";
constexpr std::string_view kNew = "new ";  // Before the id: the database may not know it yet.

fs::path file_of(const fs::path& data_dir) {
  return data_dir / "installation";
}

std::optional<Installation> find(db::Database& database) {
  return database.read([](db::Tx& tx) -> std::optional<Installation> {
    auto row = tx.query_one(kFind);
    if (!row) return std::nullopt;
    return Installation{row->get_text(0), row->get_text(1), row->get_bool(2)};
  });
}

[[noreturn]] void refuse(const fs::path& data_dir, const std::string& why) {
  throw Error(ErrorKind::kConflict, "The data folder " + data_dir.string() +
                                        " and the database do not belong together: " + why +
                                        " Check --data and --database.");
}

bool has_repositories(const fs::path& data_dir) {
  std::error_code error;
  for (const auto& shelf : fs::directory_iterator(data_dir / "git", error)) {
    for (const auto& entry : fs::directory_iterator(shelf.path(), error)) {
      if (entry.path().extension() == ".git") return true;
    }
  }
  return false;
}

/// Of a folder and a database that are both older than the id, or both new.
void check_unmarked(const fs::path& data_dir, db::Database& database) {
  auto repo = database.read([](db::Tx& tx) { return tx.query_one(kAnyRepo); });
  if (!repo) {
    if (has_repositories(data_dir)) {
      refuse(data_dir, "the folder holds repositories, and the database knows of none.");
    }
    return;
  }
  std::string id = repo->get_text(0);
  if (!fs::exists(data_dir / "git" / id.substr(id.size() - 2) / (id + ".git"))) {
    refuse(data_dir, "the database tells of repositories that the folder does not hold.");
  }
}

/// One process at a time makes the two known to each other.
Fd lock(const fs::path& data_dir) {
  make_dirs(data_dir / "run");
  fs::path path = data_dir / "run" / "installation.lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("open " + path.string(), errno);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) throw_errno("flock", errno);
  }
  return fd;
}

std::string read_mark(const fs::path& data_dir) {
  fs::path path = file_of(data_dir);
  return fs::exists(path) ? std::string(trim(read_file(path, 4096))) : std::string();
}

}  // namespace

Installation pair_installation(const fs::path& data_dir, db::Database& database,
                               const Clock& clock) {
  std::string mark = read_mark(data_dir);
  auto known = find(database);
  if (!mark.empty() && known && mark == known->id) return *known;  // As nearly always.

  Fd held = lock(data_dir);
  mark = read_mark(data_dir);
  known = find(database);
  if (mark.empty()) {
    if (known) {
      refuse(data_dir, "the database is that of another folder, and this folder of no database.");
    }
    check_unmarked(data_dir, database);
    mark = std::string(kNew) + new_object_id();
    write_durably(file_of(data_dir), mark + "\n", 0600);
  }
  failpoint("installation.marked");
  bool is_new = mark.starts_with(kNew);
  std::string id = is_new ? mark.substr(kNew.size()) : mark;
  if (!known) {
    if (!is_new) {
      refuse(data_dir, "the folder is that of another database, and this database of no folder.");
    }
    database.write([&](db::Tx& tx) {
      bool has_tags = tx.query_one(kAnyRepo).has_value();
      tx.execute(kInsert, {id, clock.now_ms(), has_tags ? 0 : 1});
    });
    known = find(database);
  }
  if (known->id != id) {
    // The folder's process and another folder's met at one fresh database: that one was first.
    refuse(data_dir, "each is that of another installation.");
  }
  failpoint("installation.noted");
  if (is_new) write_installation_file(data_dir, id);
  return *known;
}

void write_installation_file(const fs::path& data_dir, const std::string& id) {
  write_durably(file_of(data_dir), id + "\n", 0600);
}

bool tags_known(db::Tx& tx) {
  auto row = tx.query_one(kFind);
  return row && row->get_bool(2);
}

void set_tags_known(db::Database& database) {
  database.write([](db::Tx& tx) { tx.execute(kTagsKnown); });
}

}  // namespace hearth::hub
