#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include <fmt/format.h>
#include <sys/stat.h>

#include "backup/backup.h"
#include "backup/folder.h"
#include "backup/rows.h"
#include "base/hash.h"
#include "base/removals.h"
#include "base/text.h"
#include "git/git.h"
#include "xet/xet.h"

namespace hearth::backup {
namespace {

// A change of a repository adds a pack with what is new. Past so many they are made one again.
constexpr size_t kPacksMax = 30;

int64_t mtime_ns(const fs::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return 0;
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

/// The rows of an earlier snapshot, asked for in their order: row(key) for growing keys.
template <typename RowType>
class Earlier {
 public:
  Earlier(const Folder& folder, const Section* section,
          const std::string& (*key)(const RowType& row))
      : key_(key) {
    if (section != nullptr) reader_.emplace(folder, *section);
    advance();
  }

  const RowType* find(const std::string& key) {
    while (row_ && key_(*row_) < key) advance();
    return row_ && key_(*row_) == key ? &*row_ : nullptr;
  }

 private:
  void advance() {
    row_.reset();
    if (!reader_) return;
    if (auto line = reader_->next()) row_ = RowType::parse(*line);
  }

  const std::string& (*key_)(const RowType& row);
  std::optional<SectionReader> reader_;
  std::optional<RowType> row_;
};

/// The rows of a table of this snapshot, and its columns by name.
class TableReader {
 public:
  TableReader(const Folder& folder, const Section& section)
      : section_(section), reader_(folder, section) {
    advance();
  }
  bool ended() const { return !values_; }
  void advance() {
    values_.reset();
    if (auto line = reader_.next()) values_ = parse_values(*line, section_.columns.size());
  }
  std::string text(std::string_view column) const {
    auto at = std::ranges::find(section_.columns, column);
    HEARTH_ASSERT(at != section_.columns.end(), "the schema has the columns that are named here");
    const std::string* text =
        (*values_)[static_cast<size_t>(at - section_.columns.begin())].as_text();
    return text != nullptr ? *text : std::string();
  }

 private:
  const Section& section_;
  SectionReader reader_;
  std::optional<db::Params> values_;
};

class Run {
 public:
  Run(const Source& source, const BackupOptions& options)
      : source_(source), options_(options), folder_(options.folder, Folder::Use::kWrite,
                                                    source.hub_id) {
    auto names = folder_.snapshots();
    if (!names.empty()) earlier_ = folder_.load(names.back());
  }

  BackupReport take() {
    {
      RemovalsHeldOff held_off(source_.data_dir);
      copy_database();
      copy_files();
      copy_repositories();
    }
    for (const std::string& missing : expected_) {
      report_.problems.push_back(missing + " is missing or damaged");
    }
    snapshot_.hub_id = source_.hub_id;
    snapshot_.installation_id = source_.installation_id;
    snapshot_.program_version = source_.program_version;
    snapshot_.problems = report_.problems;
    snapshot_.file_count = report_.file_count;
    snapshot_.total_bytes = report_.total_bytes;
    failpoint("backup.save");
    folder_.save(snapshot_);
    report_.snapshot = snapshot_.name;
    report_.copied_bytes = folder_.copied_bytes();
    clean_up();
    return std::move(report_);
  }

 private:
  const Section* earlier_section(std::string_view name) const {
    if (!earlier_) return nullptr;
    for (const Section& section : earlier_->sections) {
      if (section.name == name) return &section;
    }
    return nullptr;
  }

  void copy_database() {
    options_.say("copying the database");
    std::set<std::string> chunked;
    source_.database.read([&](db::Tx& tx) {
      snapshot_.created_ms = source_.clock.now_ms();
      snapshot_.schema_steps = db::schema_steps(tx);
      for (const db::TableShape& table : db::table_shapes(tx)) {
        SectionWriter writer(folder_, std::string(kTablePrefix) + table.name, table.columns);
        db::for_each_row(tx, table, [&](const db::Row& row) {
          expect_files(table, row, chunked);
          writer.add(db::row_text(db::values_of(row)));
        });
        add_section(writer.finish());
        report_.row_count += snapshot_.sections.back().row_count;
      }
    });
    // A whole file may have become chunks before a row that says so.
    for (const std::string& sha256 : chunked) expected_.erase("the large file " + sha256);
  }

  void add_section(Section section) {
    for (const Piece& piece : section.pieces) report_.total_bytes += piece.size_bytes;
    snapshot_.sections.push_back(std::move(section));
  }

  /// Notes the files that a row needs.
  void expect_files(const db::TableShape& table, const db::Row& row,
                    std::set<std::string>& chunked) {
    auto column = [&](std::string_view name) {
      return static_cast<size_t>(std::ranges::find(table.columns, name) - table.columns.begin());
    };
    if (table.name == "xorb") {
      auto hash = xet::MerkleHash::from_bytes(row.get_blob(column("hash")));
      if (hash) expected_.insert("the xorb " + hash->text());
    } else if (table.name == "xet_file") {
      chunked.insert(row.get_text(column("sha256")));
    } else if (table.name == "repo_lfs" && row.is_null(column("file_hash"))) {
      expected_.insert("the large file " + row.get_text(column("sha256")));
    }
  }

  void copy_files() {
    options_.say("copying files");
    SectionWriter writer(folder_, std::string(kFilesSection), FileRow::columns());
    Earlier<FileRow> earlier(folder_, earlier_section(kFilesSection),
                             [](const FileRow& row) -> const std::string& { return row.path; });
    // In the order of their paths, by which the rows of the earlier snapshot are found.
    for (const char* top : {"blobs", "hearth.toml", "secret.key", "shards", "xorbs"}) {
      copy_below(top, writer, earlier);
    }
    add_section(writer.finish());
  }

  void copy_below(const std::string& path, SectionWriter& writer, Earlier<FileRow>& earlier) {
    fs::path full = source_.data_dir / path;
    if (!fs::is_directory(full)) {
      if (fs::exists(full)) copy_file(path, writer, earlier);
      return;
    }
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(full)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!name.starts_with('.')) copy_below(path + "/" + name, writer, earlier);
    }
  }

  void copy_file(const std::string& path, SectionWriter& writer, Earlier<FileRow>& earlier) {
    const FileRow* before = earlier.find(path);
    std::string name = path.substr(path.rfind('/') + 1);
    FileRow row{.path = path, .piece = {}, .mtime_ns = mtime_ns(source_.data_dir / path)};
    std::string what = path.starts_with("blobs/")   ? "the large file " + name
                       : path.starts_with("xorbs/") ? "the xorb " + name
                                                    : path;
    try {
      row.piece = copy_content(path, name, row.mtime_ns, before);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kNotFound) return;  // Rubbish of an upload, cleared away.
      if (error.kind() != ErrorKind::kCorrupt) throw;
      std::string problem = what + " is damaged on the hub's disk: " + error.message();
      if (before == nullptr || !folder_.has(before->piece)) {
        expected_.erase(what);
        report_.problems.push_back(problem);
        return;
      }
      report_.problems.push_back(problem + "; the backup keeps its earlier copy");
      row = *before;
    }
    expected_.erase(what);
    writer.add(row.text());
    report_.file_count += 1;
    report_.total_bytes += row.piece.size_bytes;
  }

  Piece copy_content(const std::string& path, const std::string& name, int64_t mtime,
                     const FileRow* before) {
    fs::path full = source_.data_dir / path;
    if (path.starts_with("blobs/")) return folder_.put_file(full, name);
    // Stored files never change; what has the same time and length is the same file.
    bool immutable = path.starts_with("xorbs/") || path.starts_with("shards/");
    std::error_code error;
    if (immutable && before != nullptr && before->mtime_ns == mtime &&
        before->piece.size_bytes == fs::file_size(full, error) && folder_.has(before->piece)) {
      return before->piece;
    }
    auto hash = xet::MerkleHash::from_text(name);
    if (path.starts_with("xorbs/") && hash) return copy_xorb(full, *hash);
    if (path.starts_with("shards/") && hash) {
      std::string bytes;
      return folder_.put_file(full, {}, [&](ByteView block) {
        bytes += as_text(block);
        if (block.empty() && xet::shard_hash(as_bytes(bytes)) != *hash) {
          throw Error(ErrorKind::kCorrupt, "its bytes hash to something else");
        }
      });
    }
    return folder_.put_file(full, {});
  }

  Piece copy_xorb(const fs::path& path, const xet::MerkleHash& hash) {
    xet::XorbValidator validator;
    return folder_.put_file(path, {}, [&](ByteView block) {
      if (block.empty()) {
        auto table = validator.finish(hash);
        if (!table) throw Error(ErrorKind::kCorrupt, table.error().message);
      } else if (auto fed = validator.feed(block); !fed) {
        throw Error(ErrorKind::kCorrupt, fed.error().message);
      }
    });
  }

  void copy_repositories() {
    options_.say("copying repositories");
    SectionWriter writer(folder_, std::string(kRepositoriesSection), RepositoryRow::columns());
    Earlier<RepositoryRow> earlier(
        folder_, earlier_section(kRepositoriesSection),
        [](const RepositoryRow& row) -> const std::string& { return row.id; });
    TableReader repos(folder_, snapshot_.section("table repo"));
    TableReader heads(folder_, snapshot_.section("table ref_head"));
    TableReader tags(folder_, snapshot_.section("table ref_tag"));
    for (; !repos.ended(); repos.advance()) {
      RepositoryRow row{.id = repos.text("id"),
                        .type = repos.text("type"),
                        .name = repos.text("namespace_name") + "/" + repos.text("name"),
                        .owner = repos.text("namespace_id"),
                        .refs = {},
                        .packs = {}};
      for (auto [table, column] : {std::pair(&heads, "commit_oid"), std::pair(&tags, "target_oid")}) {
        for (; !table->ended() && table->text("repo_id") <= row.id; table->advance()) {
          if (table->text("repo_id") == row.id) row.refs[table->text("ref")] = table->text(column);
        }
      }
      copy_repository(row, earlier.find(row.id));
      writer.add(row.text());
      report_.repository_count += 1;
      for (const Piece& pack : row.packs) report_.total_bytes += pack.size_bytes;
    }
    add_section(writer.finish());
  }

  /// Fills in the packs.
  void copy_repository(RepositoryRow& row, const RepositoryRow* before) {
    std::vector<git::Oid> known;
    if (before != nullptr &&
        std::ranges::all_of(before->packs, [&](const Piece& pack) { return folder_.has(pack); })) {
      row.packs = before->packs;
      if (row.refs == before->refs) return;
      for (const auto& [ref, target] : before->refs) add_oid(known, target);
      if (row.packs.size() >= kPacksMax) {
        row.packs.clear();
        known.clear();
      }
    }
    std::vector<git::Oid> tips;
    for (const auto& [ref, target] : row.refs) add_oid(tips, target);
    if (tips.empty()) return;
    try {
      git::GitRepo git = git::GitRepo::open(source_.git_dir(row.id));
      auto pack = git.write_pack(tips, known, folder_.temporary_dir());
      if (pack) row.packs.push_back(folder_.adopt(*pack));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kNotFound) throw;
      report_.problems.push_back(fmt::format("the repository {} ({}) is damaged: {} {}", row.name,
                                             row.id, error.message(), error.detail()));
      row.refs = before != nullptr ? before->refs : std::map<std::string, std::string>();
      row.packs = before != nullptr ? before->packs : std::vector<Piece>();
    }
  }

  static void add_oid(std::vector<git::Oid>& list, const std::string& hex) {
    if (auto oid = git::Oid::parse(hex)) list.push_back(*oid);
  }

  void clean_up() {
    auto names = folder_.snapshots();
    size_t keep = options_.keep_count > 0 ? static_cast<size_t>(options_.keep_count) : names.size();
    while (names.size() > keep) {
      folder_.remove_snapshot(names.front());
      names.erase(names.begin());
    }
    // Also what interrupted runs copied and no snapshot came to need.
    std::set<std::string> needed;
    for (const std::string& name : names) {
      for_each_piece(folder_, folder_.load(name),
                     [&](const Piece& piece) { needed.insert(piece.sha256); });
    }
    report_.freed_bytes = folder_.sweep(needed);
    remove_tree(folder_.temporary_dir());
  }

  const Source& source_;
  const BackupOptions& options_;
  Folder folder_;
  std::optional<SnapshotFile> earlier_;
  SnapshotFile snapshot_;
  BackupReport report_;
  std::unordered_set<std::string> expected_;  // What the rows need and was not copied yet.
};

}  // namespace

BackupReport back_up(const Source& source, const BackupOptions& options) {
  return Run(source, options).take();
}

std::vector<SnapshotInfo> list_snapshots(const fs::path& path) {
  Folder folder(path, Folder::Use::kRead);
  std::vector<SnapshotInfo> list;
  for (const std::string& name : folder.snapshots()) {
    SnapshotFile snapshot = folder.load(name);
    list.push_back({.name = name,
                    .created_ms = snapshot.created_ms,
                    .file_count = snapshot.file_count,
                    .total_bytes = snapshot.total_bytes,
                    .problem_count = snapshot.problems.size()});
  }
  return list;
}

CheckReport check_folder(const fs::path& path) {
  Folder folder(path, Folder::Use::kRead);
  CheckReport report;
  std::set<std::string> seen;
  for (const std::string& name : folder.snapshots()) {
    report.snapshot_count += 1;
    try {
      for_each_piece(folder, folder.load(name), [&](const Piece& piece) {
        if (!seen.insert(piece.sha256).second) return;
        report.piece_count += 1;
        report.checked_bytes += piece.size_bytes;
        if (auto why = folder.why_damaged(piece)) report.problems.push_back(name + ": " + *why);
      });
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kCorrupt) throw;
      report.problems.push_back(name + ": " + error.message());
    }
  }
  return report;
}

}  // namespace hearth::backup
