#include "backup/folder.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"

namespace hearth::backup {
namespace {

constexpr std::string_view kMark = "hearth-backup";
constexpr int64_t kFormat = 1;
constexpr size_t kBlockBytes = 1 << 20;
constexpr unsigned kPieceMode = 0400;
constexpr uint64_t kSnapshotBytesMax = uint64_t{1} << 30;
// A run of rows: at least kCutBytesMin, then until a row whose hash says so (one in 64), at most
// kCutBytesMax and one row.
constexpr size_t kCutBytesMin = 64 << 10;
constexpr size_t kCutBytesMax = 1 << 20;
constexpr uint64_t kCutModulo = 64;
constexpr uint64_t kRunBytesMax = uint64_t{256} << 20;

/// FNV-1a: must be the same in every release, or all runs are cut anew.
uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash ^ hash >> 29;
}

[[noreturn]] void throw_damaged(const std::string& why) {
  throw Error(ErrorKind::kCorrupt, "The backup is damaged: " + why + ".");
}

json::array pieces_json(const std::vector<Piece>& pieces) {
  json::array list;
  for (const Piece& piece : pieces) {
    list.emplace_back(json::array{piece.sha256, static_cast<int64_t>(piece.size_bytes)});
  }
  return list;
}

std::string name_of_time(int64_t time_ms) {
  std::string name = iso8601_ms(time_ms);
  std::ranges::replace_if(name, [](char c) { return c == ':' || c == '.'; }, '-');
  return name;
}

bool is_empty_folder(const fs::path& path) {
  for (const auto& entry : fs::directory_iterator(path)) {
    std::string name = entry.path().filename().string();
    if (name == "lost+found") continue;  // A fresh disk has that.
    // The mark, being written when a first run was cut short (base/fs names such files so).
    if (!name.starts_with(".tmp-")) return false;
  }
  return true;
}

void remove_temporary_files(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with(".tmp-")) remove_tree(entry.path());
  }
}

}  // namespace

const Section& SnapshotFile::section(std::string_view section_name) const {
  for (const Section& section : sections) {
    if (section.name == section_name) return section;
  }
  throw_damaged("it has no section \"" + std::string(section_name) + "\"");
}

Folder::Folder(fs::path path, Use use, const std::string& hub_id) : path_(std::move(path)) {
  fs::path mark = path_ / kMark;
  if (use == Use::kRead) {
    if (!fs::exists(mark)) {
      throw Error(ErrorKind::kNotFound,
                  path_.string() + " is not a folder of backups of this program.");
    }
    return;
  }
  make_dirs(path_);
  lock_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock_) throw_errno("open " + path_.string(), errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorKind::kConflict,
                "Another backup is writing into " + path_.string() + ". Wait for its end.");
  }
  if (!fs::exists(mark)) {
    if (!is_empty_folder(path_)) {
      throw Error(ErrorKind::kInvalid, path_.string() +
                                           " holds other things than backups. Name an empty "
                                           "folder, or one that does not exist yet.");
    }
    ::chmod(path_.c_str(), 0700);
    write_durably(mark,
                  json::serialize(json::object{{"format", kFormat}, {"hub_id", hub_id}}) + "\n",
                  0600);
  } else {
    auto told = parse_json_object(read_file(mark, 4096));
    if (get_string(told, "hub_id") != hub_id) {
      throw Error(ErrorKind::kConflict, path_.string() +
                                            " holds backups of another hub. Give each hub a folder "
                                            "of its own.");
    }
  }
  // Of runs that were cut short.
  remove_tree(temporary_dir());
  remove_temporary_files(path_);
  remove_temporary_files(path_ / "snapshots");
  make_dirs(temporary_dir());
  make_dirs(path_ / "objects");
  make_dirs(path_ / "snapshots");
}

fs::path Folder::piece_path(std::string_view sha256) const {
  if (!is_sha256_hex(sha256)) throw_damaged("a piece has no hash for a name");
  return path_ / "objects" / sha256.substr(0, 2) / sha256;
}

bool Folder::has(const Piece& piece) const {
  // What has its name was flushed and renamed whole; the length guards against an fs check.
  std::error_code error;
  return fs::file_size(piece_path(piece.sha256), error) == piece.size_bytes && !error;
}

void Folder::store(DurableFile& file, const Piece& piece) {
  file.set_target(piece_path(piece.sha256));
  file.commit(kPieceMode);
  copied_bytes_ += piece.size_bytes;
  copied_count_ += 1;
}

Piece Folder::put(ByteView bytes) {
  Piece piece{.sha256 = sha256_hex(as_text(bytes)), .size_bytes = bytes.size()};
  if (has(piece)) return piece;
  DurableFile file(piece_path(piece.sha256), temporary_dir());
  file.write(bytes);
  store(file, piece);
  return piece;
}

Piece Folder::put_file(const fs::path& source, const std::string& expected_sha256,
                       const std::function<void(ByteView)>& on_block) {
  Fd fd = open_read(source);
  if (!expected_sha256.empty()) {
    Piece known{.sha256 = expected_sha256, .size_bytes = file_size_bytes(fd)};
    if (has(known)) return known;
  }
  DurableFile file(temporary_dir() / "piece", temporary_dir());
  Sha256 hash;
  Bytes block(kBlockBytes);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    ByteView bytes(block.data(), got);
    hash.update(bytes);
    if (on_block) on_block(bytes);
    file.write(bytes);
    offset_bytes += got;
  }
  if (on_block) on_block({});
  Piece piece{.sha256 = hash.finish_hex(), .size_bytes = offset_bytes};
  if (!expected_sha256.empty() && piece.sha256 != expected_sha256) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("its {} bytes hash to {}", offset_bytes, piece.sha256));
  }
  if (!has(piece)) store(file, piece);
  return piece;
}

Piece Folder::adopt(const fs::path& source) {
  Fd fd = open_read(source);
  Sha256 hash;
  Bytes block(kBlockBytes);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    hash.update(ByteView(block.data(), got));
    offset_bytes += got;
  }
  Piece piece{.sha256 = hash.finish_hex(), .size_bytes = offset_bytes};
  if (has(piece)) {
    remove_tree(source);
    return piece;
  }
  ::fchmod(fd.get(), kPieceMode);
  fsync_file(fd);
  make_dirs(piece_path(piece.sha256).parent_path());
  rename_durably(source, piece_path(piece.sha256));
  copied_bytes_ += piece.size_bytes;
  copied_count_ += 1;
  return piece;
}

std::string Folder::get(const Piece& piece) const {
  std::string bytes;
  try {
    bytes = read_file(piece_path(piece.sha256), kRunBytesMax);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    throw_damaged("the piece " + piece.sha256 + " is missing");
  }
  if (sha256_hex(bytes) != piece.sha256) {
    throw_damaged("the piece " + piece.sha256 + " has other bytes");
  }
  return bytes;
}

void Folder::copy_out(const Piece& piece, const fs::path& target, unsigned mode) const {
  fs::path source = piece_path(piece.sha256);
  if (!fs::exists(source)) throw_damaged("the piece " + piece.sha256 + " is missing");
  Fd fd = open_read(source);
  DurableFile file(target);
  Sha256 hash;
  Bytes block(kBlockBytes);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    ByteView bytes(block.data(), got);
    hash.update(bytes);
    file.write(bytes);
    offset_bytes += got;
  }
  if (hash.finish_hex() != piece.sha256) {
    throw_damaged("the piece " + piece.sha256 + " has other bytes");
  }
  file.commit(mode);
}

std::optional<std::string> Folder::why_damaged(const Piece& piece) const {
  fs::path path = piece_path(piece.sha256);
  std::error_code error;
  if (!fs::exists(path, error)) return "the piece " + piece.sha256 + " is missing";
  Fd fd = open_read(path);
  Sha256 hash;
  Bytes block(kBlockBytes);
  uint64_t offset_bytes = 0;
  while (size_t got = read_at(fd, offset_bytes, block)) {
    hash.update(ByteView(block.data(), got));
    offset_bytes += got;
  }
  if (hash.finish_hex() == piece.sha256) return std::nullopt;
  return "the piece " + piece.sha256 + " has other bytes";
}

std::vector<std::string> Folder::snapshots() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ / "snapshots", error)) {
    if (entry.path().extension() == ".json" &&
        !entry.path().filename().string().starts_with('.')) {
      names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

SnapshotFile Folder::load(const std::string& name) const {
  fs::path path = path_ / "snapshots" / (name + ".json");
  if (name.find('/') != std::string::npos || !fs::exists(path)) {
    throw Error(ErrorKind::kNotFound, "There is no snapshot \"" + name + "\" in " +
                                          path_.string() + ". 'hearth backup --list' names them.");
  }
  std::string text = read_file(path, kSnapshotBytesMax);
  size_t end = text.find('\n');
  if (end == std::string::npos || trim(std::string_view(text).substr(end)) !=
                                      sha256_hex(std::string_view(text).substr(0, end))) {
    throw_damaged("the snapshot " + name + " has other bytes than were written");
  }
  auto parsed = parse_json(std::string_view(text).substr(0, end));
  if (!parsed || !parsed->is_object()) throw_damaged("the snapshot " + name + " is no JSON");
  const json::object& told = parsed->as_object();
  if (get_int(told, "format") != kFormat) {
    throw Error(ErrorKind::kUnsupported,
                "The snapshot " + name + " was made by a newer program. Use that one.");
  }
  SnapshotFile snapshot;
  snapshot.name = name;
  snapshot.created_ms = get_int(told, "created_ms").value_or(0);
  snapshot.hub_id = require_string(told, "hub_id");
  snapshot.installation_id = require_string(told, "installation_id");
  snapshot.program_version = require_string(told, "program_version");
  const json::array* steps = get_array(told, "schema_steps");
  for (const json::value& step : steps != nullptr ? *steps : json::array()) {
    if (const int64_t* number = step.if_int64()) snapshot.schema_steps.push_back(*number);
  }
  snapshot.file_count = static_cast<uint64_t>(get_int(told, "file_count").value_or(0));
  snapshot.total_bytes = static_cast<uint64_t>(get_int(told, "total_bytes").value_or(0));
  auto texts = [](const json::array* list) {
    std::vector<std::string> out;
    for (const json::value& item : list != nullptr ? *list : json::array()) {
      if (const json::string* text = item.if_string()) out.emplace_back(as_view(*text));
    }
    return out;
  };
  snapshot.problems = texts(get_array(told, "problems"));
  const json::array* sections = get_array(told, "sections");
  for (const json::value& item : sections != nullptr ? *sections : json::array()) {
    const json::object* object = item.if_object();
    if (object == nullptr) throw_damaged("the snapshot " + name + " has a wrong section");
    Section section;
    section.name = require_string(*object, "name");
    section.row_count = static_cast<uint64_t>(get_int(*object, "rows").value_or(0));
    section.columns = texts(get_array(*object, "columns"));
    const json::array* pieces = get_array(*object, "pieces");
    for (const json::value& piece : pieces != nullptr ? *pieces : json::array()) {
      const json::array* pair = piece.if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
          !(*pair)[1].is_int64()) {
        throw_damaged("the snapshot " + name + " has a wrong piece");
      }
      section.pieces.push_back({.sha256 = std::string(as_view((*pair)[0].get_string())),
                                .size_bytes = static_cast<uint64_t>((*pair)[1].get_int64())});
    }
    snapshot.sections.push_back(std::move(section));
  }
  return snapshot;
}

void Folder::save(SnapshotFile& snapshot) {
  snapshot.name = name_of_time(snapshot.created_ms);
  for (int number = 2; fs::exists(path_ / "snapshots" / (snapshot.name + ".json")); ++number) {
    snapshot.name = name_of_time(snapshot.created_ms) + "-" + fmt::format("{:03}", number);
  }
  json::array sections;
  for (const Section& section : snapshot.sections) {
    json::array columns;
    for (const std::string& column : section.columns) columns.emplace_back(column);
    sections.push_back(json::object{{"name", section.name},
                                    {"rows", static_cast<int64_t>(section.row_count)},
                                    {"columns", std::move(columns)},
                                    {"pieces", pieces_json(section.pieces)}});
  }
  json::array steps;
  for (int64_t step : snapshot.schema_steps) steps.emplace_back(step);
  json::array problems;
  for (const std::string& problem : snapshot.problems) problems.emplace_back(problem);
  std::string text = json::serialize(json::object{
      {"format", kFormat},
      {"created", iso8601_ms(snapshot.created_ms)},
      {"created_ms", snapshot.created_ms},
      {"hub_id", snapshot.hub_id},
      {"installation_id", snapshot.installation_id},
      {"program_version", snapshot.program_version},
      {"schema_steps", std::move(steps)},
      {"file_count", static_cast<int64_t>(snapshot.file_count)},
      {"total_bytes", static_cast<int64_t>(snapshot.total_bytes)},
      {"problems", std::move(problems)},
      {"sections", std::move(sections)}});
  write_durably(path_ / "snapshots" / (snapshot.name + ".json"),
                text + "\n" + sha256_hex(text) + "\n", kPieceMode);
}

void Folder::remove_snapshot(const std::string& name) {
  remove_durably(path_ / "snapshots" / (name + ".json"));
}

uint64_t Folder::sweep(const std::set<std::string>& needed) {
  uint64_t removed_bytes = 0;
  for (const auto& shelf : fs::directory_iterator(path_ / "objects")) {
    for (const auto& entry : fs::directory_iterator(shelf.path())) {
      if (needed.contains(entry.path().filename().string())) continue;
      removed_bytes += entry.file_size();
      remove_tree(entry.path());
    }
  }
  return removed_bytes;
}

SectionWriter::SectionWriter(Folder& folder, std::string name, std::vector<std::string> columns)
    : folder_(folder) {
  section_.name = std::move(name);
  section_.columns = std::move(columns);
}

void SectionWriter::add(const std::string& line) {
  section_.row_count += 1;
  text_ += line;
  text_ += '\n';
  if (text_.size() < kCutBytesMin) return;
  // By the row's beginning, which is its key for most tables: a change of the rest cuts alike.
  if (text_.size() >= kCutBytesMax ||
      stable_hash(std::string_view(line).substr(0, 40)) % kCutModulo == 0) {
    cut();
  }
}

Section SectionWriter::finish() {
  if (!text_.empty()) cut();
  return std::move(section_);
}

void SectionWriter::cut() {
  section_.pieces.push_back(folder_.put(as_bytes(text_)));
  text_.clear();
}

std::optional<std::string_view> SectionReader::next() {
  while (at_ >= text_.size()) {
    if (piece_index_ >= section_.pieces.size()) return std::nullopt;
    text_ = folder_.get(section_.pieces[piece_index_++]);
    at_ = 0;
  }
  size_t end = std::min(text_.find('\n', at_), text_.size());
  std::string_view line = std::string_view(text_).substr(at_, end - at_);
  at_ = end + 1;
  return line;
}

}  // namespace hearth::backup
