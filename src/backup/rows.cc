#include "backup/rows.h"

namespace hearth::backup {
namespace {

[[noreturn]] void throw_wrong_row() {
  throw Error(ErrorKind::kCorrupt, "The backup is damaged: a row of it cannot be read.");
}

const std::string& text_at(const db::Params& values, size_t index) {
  const std::string* text = values[index].as_text();
  if (text == nullptr) throw_wrong_row();
  return *text;
}

int64_t int_at(const db::Params& values, size_t index) {
  const int64_t* number = values[index].as_int();
  if (number == nullptr) throw_wrong_row();
  return *number;
}

}  // namespace

db::Params parse_values(std::string_view line, size_t count) {
  auto values = db::parse_row(line);
  if (!values || values->size() != count) throw_wrong_row();
  return std::move(*values);
}

const std::vector<std::string>& FileRow::columns() {
  static const std::vector<std::string> names = {"path", "sha256", "size_bytes", "mtime_ns"};
  return names;
}

std::string FileRow::text() const {
  return db::row_text({path, piece.sha256, piece.size_bytes, mtime_ns});
}

FileRow FileRow::parse(std::string_view line) {
  db::Params values = parse_values(line, columns().size());
  return {.path = text_at(values, 0),
          .piece = {.sha256 = text_at(values, 1),
                    .size_bytes = static_cast<uint64_t>(int_at(values, 2))},
          .mtime_ns = int_at(values, 3)};
}

const std::vector<std::string>& RepositoryRow::columns() {
  static const std::vector<std::string> names = {"id", "type", "name", "owner", "refs", "packs"};
  return names;
}

std::string RepositoryRow::text() const {
  json::object targets;
  for (const auto& [ref, target] : refs) targets[ref] = target;
  json::array list;
  for (const Piece& pack : packs) {
    list.emplace_back(json::array{pack.sha256, static_cast<int64_t>(pack.size_bytes)});
  }
  return db::row_text({id, type, name, owner, json::serialize(targets), json::serialize(list)});
}

RepositoryRow RepositoryRow::parse(std::string_view line) {
  db::Params values = parse_values(line, columns().size());
  RepositoryRow row;
  row.id = text_at(values, 0);
  row.type = text_at(values, 1);
  row.name = text_at(values, 2);
  row.owner = text_at(values, 3);
  auto refs = parse_json(text_at(values, 4));
  auto packs = parse_json(text_at(values, 5));
  if (!refs || !refs->is_object() || !packs || !packs->is_array()) throw_wrong_row();
  for (const auto& [ref, target] : refs->as_object()) {
    if (!target.is_string()) throw_wrong_row();
    row.refs[std::string(ref)] = std::string(as_view(target.get_string()));
  }
  for (const json::value& pack : packs->as_array()) {
    const json::array* pair = pack.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_int64()) {
      throw_wrong_row();
    }
    row.packs.push_back({.sha256 = std::string(as_view((*pair)[0].get_string())),
                         .size_bytes = static_cast<uint64_t>((*pair)[1].get_int64())});
  }
  return row;
}

void for_each_piece(const Folder& folder, const SnapshotFile& snapshot,
                    const std::function<void(const Piece&)>& on_piece) {
  for (const Section& section : snapshot.sections) {
    for (const Piece& piece : section.pieces) on_piece(piece);
    if (section.name == kFilesSection) {
      SectionReader reader(folder, section);
      while (auto line = reader.next()) on_piece(FileRow::parse(*line).piece);
    } else if (section.name == kRepositoriesSection) {
      SectionReader reader(folder, section);
      while (auto line = reader.next()) {
        for (const Piece& pack : RepositoryRow::parse(*line).packs) on_piece(pack);
      }
    }
  }
}

}  // namespace hearth::backup
