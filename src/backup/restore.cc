#include <algorithm>
#include <set>

#include "backup/backup.h"
#include "backup/folder.h"
#include "backup/rows.h"
#include "base/text.h"
#include "git/git.h"

namespace hearth::backup {
namespace {

constexpr std::string_view kMark = "half-restored";
constexpr size_t kRowsAtOnce = 500;
constexpr unsigned kImmutableMode = 0444;
constexpr unsigned kSecretMode = 0600;

/// Which file of the data folder a path of a backup is; nothing: none that is known here.
std::optional<fs::path> place_of(const fs::path& data_dir, const std::string& path) {
  if (path == "secret.key") return data_dir / path;
  // Its settings may belong to the machine it comes from: the operator decides.
  if (path == "hearth.toml") return data_dir / "hearth.toml.restored";
  auto parts = split(path, '/');
  static const std::set<std::string_view> kFolders = {"blobs", "shards", "xorbs"};
  bool plain = parts.size() >= 3 && kFolders.contains(parts[0]) &&
               std::all_of(parts.begin() + 1, parts.end(),
                           [](std::string_view part) { return is_hex(part) && !part.empty(); });
  if (!plain) return std::nullopt;
  return data_dir / path;
}

class Restoring {
 public:
  Restoring(const Folder& folder, SnapshotFile snapshot, const Target& target,
            const std::function<void(const std::string&)>& say)
      : folder_(folder), snapshot_(std::move(snapshot)), target_(target), say_(say) {}

  RestoreReport run() {
    take_place();
    auto database = open_database();
    copy_files();
    copy_repositories();
    fill_database(*database);
    report_.snapshot = snapshot_.name;
    report_.installation_id = installation_id_;
    report_.problems = snapshot_.problems;
    return std::move(report_);
  }

 private:
  /// Marks the folder as half restored; throws when it holds other things.
  void take_place() {
    fs::path mark = target_.data_dir / kMark;
    if (fs::exists(mark)) {
      auto told = parse_json_object(read_file(mark, 4096));
      if (get_string(told, "snapshot") != snapshot_.name ||
          get_string(told, "hub_id") != snapshot_.hub_id) {
        throw Error(ErrorKind::kConflict,
                    "A restore of another snapshot into " + target_.data_dir.string() +
                        " was cut short. Empty the folder, and the database, and run it again.");
      }
      installation_id_ = require_string(told, "installation_id");
      say_("going on with a restore that was cut short");
      return;
    }
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(target_.data_dir, error)) {
      std::string name = entry.path().filename().string();
      // A fresh disk has the first; the operator may have put the other there beforehand.
      // And the last may be the mark, being written when a first run was cut short.
      if (name == "lost+found" || name == "hearth.toml" || name.starts_with(".tmp-")) continue;
      throw Error(ErrorKind::kConflict, "The folder " + target_.data_dir.string() +
                                            " is not empty (it holds " + name +
                                            "). A hub is only restored into an empty one.");
    }
    installation_id_ = new_object_id();
    marks_ = true;
  }

  void write_mark() {
    if (!marks_) return;
    make_dirs(target_.data_dir);
    write_durably(target_.data_dir / kMark,
                  json::serialize(json::object{{"snapshot", snapshot_.name},
                                               {"hub_id", snapshot_.hub_id},
                                               {"installation_id", installation_id_}}) +
                      "\n",
                  kSecretMode);
  }

  std::unique_ptr<db::Database> open_database() {
    std::set<int64_t> wanted(snapshot_.schema_steps.begin(), snapshot_.schema_steps.end());
    std::vector<db::Migration> steps;
    for (const db::Migration& step : db::migrations()) {
      if (wanted.erase(step.version) > 0) steps.push_back(step);
    }
    if (!wanted.empty()) {
      throw Error(ErrorKind::kUnsupported, "The snapshot " + snapshot_.name +
                                               " was made by a newer program (" +
                                               snapshot_.program_version + "). Use that one.");
    }
    if (!marks_) {
      auto database = db::Database::open(target_.database_url);
      check_database(*database);
      database->migrate_with(steps, {});
      return database;
    }
    // The database is looked at before the first byte is written; a SQLite file would be made by
    // that, inside of the folder, so the mark comes first there.
    if (target_.database_url.starts_with("sqlite:")) {
      fs::path file = target_.database_url.substr(7);
      if (fs::exists(file)) check_database(*db::Database::open(target_.database_url));
    } else {
      check_database(*db::Database::open(target_.database_url));
    }
    write_mark();
    auto database = db::Database::open(target_.database_url);
    database->migrate_with(steps, {});
    return database;
  }

  /// Throws unless the database is empty, or holds what this very restore has put there.
  void check_database(db::Database& database) {
    if (db::is_empty(database)) return;
    if (!marks_ && installation_of(database) == installation_id_) {
      is_filled_ = true;
      return;
    }
    throw Error(ErrorKind::kConflict,
                "The database is not empty. A hub is only restored into an empty one: name another "
                "with --database.");
  }

  static std::string installation_of(db::Database& database) {
    return database.read([](db::Tx& tx) {
      std::string id;
      for (const db::TableShape& table : db::table_shapes(tx)) {
        if (table.name != "installation") continue;
        auto at = std::ranges::find(table.columns, "id") - table.columns.begin();
        db::for_each_row(tx, table,
                         [&](const db::Row& row) { id = row.get_text(static_cast<size_t>(at)); });
      }
      return id;
    });
  }

  void copy_files() {
    say_("restoring files");
    SectionReader reader(folder_, snapshot_.section(kFilesSection));
    while (auto line = reader.next()) {
      FileRow row = FileRow::parse(*line);
      auto place = place_of(target_.data_dir, row.path);
      if (!place) {
        throw Error(ErrorKind::kCorrupt,
                    "The backup is damaged: it holds a file \"" + row.path + "\".");
      }
      bool secret = row.path.find('/') == std::string::npos;
      std::error_code error;
      // What has its name was compared and flushed, in this run or in one that was cut short.
      if (fs::file_size(*place, error) != row.piece.size_bytes || error) {
        folder_.copy_out(row.piece, *place, secret ? kSecretMode : kImmutableMode);
      }
      report_.file_count += 1;
      report_.restored_bytes += row.piece.size_bytes;
    }
  }

  void copy_repositories() {
    say_("restoring repositories");
    SectionReader reader(folder_, snapshot_.section(kRepositoriesSection));
    while (auto line = reader.next()) {
      RepositoryRow row = RepositoryRow::parse(*line);
      if (!is_hex(row.id) || row.id.size() != 24) {
        throw Error(ErrorKind::kCorrupt, "The backup is damaged: a repository has no id.");
      }
      fs::path dir = target_.git_dir(row.id);
      remove_tree(dir);  // Half of it, from a run that was cut short.
      git::GitRepo::init(dir, {.repo_id = row.id,
                               .type = row.type,
                               .name = row.name,
                               .owner = row.owner});
      git::GitRepo git = git::GitRepo::open(dir);
      for (const Piece& pack : row.packs) {
        fs::path file = dir / "objects/pack" / ("tmp_pack_" + pack.sha256);
        folder_.copy_out(pack, file, kImmutableMode);
        git.adopt_pack(file);
        report_.restored_bytes += pack.size_bytes;
      }
      std::map<std::string, git::Oid> refs;
      for (const auto& [ref, hex] : row.refs) {
        auto oid = git::Oid::parse(hex);
        if (!oid || git::why_bad_ref_name(ref)) {
          throw Error(ErrorKind::kCorrupt, "The backup is damaged: a ref cannot be read.");
        }
        refs.emplace(ref, *oid);
      }
      if (!refs.empty()) git.set_first_refs(refs);
      report_.repository_count += 1;
    }
  }

  void fill_database(db::Database& database) {
    say_("restoring the database");
    if (is_filled_) return;
    // One transaction: a database that was filled half is empty again.
    database.write([&](db::Tx& tx) {
      report_.row_count = 0;
      auto tables = db::table_shapes(tx);
      for (const db::TableShape& table : tables) {
        for (const Section& section : snapshot_.sections) {
          if (section.name == std::string(kTablePrefix) + table.name) {
            fill_table(tx, table, section);
          }
        }
      }
      for (const Section& section : snapshot_.sections) {
        if (!section.name.starts_with(kTablePrefix) || section.row_count == 0) continue;
        bool known = std::ranges::any_of(tables, [&](const db::TableShape& table) {
          return section.name == std::string(kTablePrefix) + table.name;
        });
        if (!known) {
          throw Error(ErrorKind::kCorrupt, "The backup is damaged: no database of its version has "
                                           "a \"" + section.name + "\".");
        }
      }
      db::continue_numbers(tx, tables);
    });
  }

  void fill_table(db::Tx& tx, const db::TableShape& table, const Section& section) {
    SectionReader reader(folder_, section);
    std::vector<db::Params> rows;
    auto flush = [&] {
      if (!rows.empty()) db::insert_rows(tx, table, section.columns, rows);
      rows.clear();
    };
    while (auto line = reader.next()) {
      db::Params values = parse_values(*line, section.columns.size());
      if (table.name == "installation") {
        // A copy is an installation of its own: the first one's folder does not fit this database.
        auto at = std::ranges::find(section.columns, "id") - section.columns.begin();
        values.at(static_cast<size_t>(at)) = installation_id_;
      }
      rows.push_back(std::move(values));
      ++report_.row_count;
      if (rows.size() >= kRowsAtOnce) flush();
    }
    flush();
  }

  const Folder& folder_;
  const SnapshotFile snapshot_;
  const Target& target_;
  const std::function<void(const std::string&)>& say_;
  std::string installation_id_;
  bool marks_ = false;      // The folder has no mark yet.
  bool is_filled_ = false;  // The database, by a run that was cut short after that.
  RestoreReport report_;
};

}  // namespace

RestoreReport restore(const fs::path& path, const std::string& snapshot, const Target& target,
                      const std::function<void(const std::string&)>& say) {
  Folder folder(path, Folder::Use::kRead);
  auto names = folder.snapshots();
  if (names.empty()) {
    throw Error(ErrorKind::kNotFound, path.string() + " holds no complete snapshot.");
  }
  return Restoring(folder, folder.load(snapshot.empty() ? names.back() : snapshot), target, say)
      .run();
}

void end_restore(const fs::path& data_dir) {
  remove_durably(data_dir / kMark);
}

bool is_half_restored(const fs::path& data_dir) {
  return fs::exists(data_dir / kMark);
}

}  // namespace hearth::backup
