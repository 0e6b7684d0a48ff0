#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"
#include "hub/list_sets.h"
#include "hub/search.h"
#include "hub/tasks.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kTask = "list.sets";

constexpr std::string_view kNote = "INSERT INTO list_change (repo_id) VALUES (?1)";
constexpr std::string_view kIsNoted = "SELECT 1 FROM list_change noted LIMIT 1";
constexpr std::string_view kNoted = "SELECT DISTINCT repo_id FROM list_change noted LIMIT ?1";
constexpr std::string_view kNotedOfRepo =
    "SELECT 1 FROM list_change noted WHERE repo_id = ?1 LIMIT 1";
constexpr std::string_view kFirstNoted =
    "SELECT seq, repo_id FROM list_change noted ORDER BY seq LIMIT ?1";
constexpr std::string_view kForgetNotes = "DELETE FROM list_change WHERE seq IN {{int_list ?1}}";
constexpr std::string_view kNoteAll =
    "INSERT INTO list_change (repo_id) SELECT id FROM repo every_one";
constexpr std::string_view kDropNotes = "DELETE FROM list_change AS every_one";
constexpr std::string_view kDropNumbers = "DELETE FROM list_number WHERE number >= 0";
constexpr std::string_view kDropSets = "DELETE FROM list_set AS every_one";

constexpr std::string_view kHighest = "SELECT COALESCE(MAX(number), -1) FROM list_number";
constexpr std::string_view kNumbersOfRepos =
    "SELECT repo_id, number FROM list_number WHERE repo_id IN {{list ?1}}";
constexpr std::string_view kReposOfNumbers =
    "SELECT repo_id FROM list_number WHERE number IN {{int_list ?1}}";
constexpr std::string_view kInsertNumber =
    "INSERT INTO list_number (number, repo_id) VALUES (?1, ?2)";

constexpr std::string_view kBlocks = "SELECT numbers FROM list_set WHERE condition = ?1";
constexpr std::string_view kOneBlock =
    "SELECT condition, numbers FROM list_set WHERE condition IN {{list ?1}} AND block = ?2";
constexpr std::string_view kPutBlock =
    "INSERT INTO list_set (condition, block, numbers) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (condition, block) DO UPDATE SET numbers = excluded.numbers";

constexpr std::string_view kRepos =
    "SELECT id, type, name_key, gated FROM repo WHERE id IN {{list ?1}} AND deleted_ms IS NULL";
constexpr std::string_view kTags = "SELECT repo_id, tag FROM repo_tag WHERE repo_id IN {{list ?1}}";
constexpr std::string_view kLinks =
    "SELECT repo_id, kind, target_key FROM repo_link WHERE repo_id IN {{list ?1}}";

constexpr uint32_t kBlockBits = 16;
// A transaction of about 200 ms with 600,000 repositories; on SQLite other writers wait for it.
constexpr int64_t kNotesAtOnce = 1000;

using Conditions = std::set<std::string>;

std::string spelled(RepoType type, std::string_view kind, std::string_view what) {
  return std::string(to_string(type)) + " " + std::string(kind) + " " + std::string(what);
}

/// By repository; those that are deleted or gone have none.
std::map<std::string, Conditions> conditions_of(db::Tx& tx, const std::vector<std::string>& ids) {
  std::map<std::string, Conditions> found;
  std::map<std::string, RepoType> types;
  db::Params list = {db::in_list(ids)};
  tx.for_each(kRepos, list, [&](const db::Row& row) {
    RepoType type = *parse_repo_type(row.get_text(1));
    const std::string& key = row.get_text(2);
    types[row.get_text(0)] = type;
    Conditions& conditions = found[row.get_text(0)];
    conditions.insert(list_condition::author(type, key.substr(0, key.find('/'))));
    for (const std::string& part : name_parts(key)) {
      conditions.insert(list_condition::name_part(type, part));
    }
    if (!row.get_text(3).empty()) conditions.insert(list_condition::gated(type));
    return true;
  });
  tx.for_each(kTags, list, [&](const db::Row& row) {
    auto type = types.find(row.get_text(0));
    if (type == types.end()) return true;
    found[row.get_text(0)].insert(list_condition::tag(type->second, row.get_text(1)));
    return true;
  });
  tx.for_each(kLinks, list, [&](const db::Row& row) {
    auto type = types.find(row.get_text(0));
    if (type == types.end() || type->second != RepoType::kSpace) return true;
    found[row.get_text(0)].insert(list_condition::link(row.get_text(1), row.get_text(2)));
    return true;
  });
  return found;
}

/// The numbers of these repositories; those without one get the next.
std::map<std::string, uint32_t> numbers_of(db::Tx& tx,
                                           const std::map<std::string, Conditions>& repos) {
  std::map<std::string, uint32_t> numbers;
  std::vector<std::string> ids;
  for (const auto& [id, conditions] : repos) ids.push_back(id);
  tx.for_each(kNumbersOfRepos, {db::in_list(ids)}, [&](const db::Row& row) {
    numbers[row.get_text(0)] = static_cast<uint32_t>(row.get_int(1));
    return true;
  });
  int64_t next = tx.query_one(kHighest)->get_int(0) + 1;
  std::vector<db::Params> rows;
  for (const std::string& id : ids) {
    if (numbers.contains(id)) continue;
    HEARTH_ASSERT(next <= UINT32_MAX, "a hub has fewer repositories");
    numbers[id] = static_cast<uint32_t>(next);
    rows.push_back({next++, id});
  }
  if (!rows.empty()) tx.execute_many(kInsertNumber, rows);
  return numbers;
}

using Block = std::map<std::string, std::vector<uint32_t>>;  // Numbers to add, by condition

void add_to_block(db::Tx& tx, int64_t block, const Block& added) {
  std::map<std::string, NumberSet> sets;
  std::vector<std::string> conditions;
  for (const auto& [condition, numbers] : added) conditions.push_back(condition);
  tx.for_each(kOneBlock, {db::in_list(conditions), block}, [&](const db::Row& row) {
    auto set = NumberSet::parse(row.get_blob(1));
    // Written again it would lack all that it held.
    if (!set) {
      throw Error(ErrorKind::kCorrupt,
                  "The sets that lists are made from are damaged: run hearth verify --rebuild.");
    }
    sets.emplace(row.get_text(0), std::move(*set));
    return true;
  });
  std::vector<db::Params> rows;
  for (const auto& [condition, numbers] : added) {
    NumberSet& set = sets[condition];
    uint64_t before = set.size();
    for (uint32_t number : numbers) set.add(number);
    if (set.size() != before) rows.push_back({condition, block, set.to_bytes()});
  }
  if (!rows.empty()) tx.execute_many(kPutBlock, rows);
}

/// Nothing when it is damaged.
std::optional<NumberSet> set_of(db::Tx& tx, const std::string& condition) {
  NumberSet all;
  bool sound = true;
  tx.for_each(kBlocks, {condition}, [&](const db::Row& row) {
    auto block = NumberSet::parse(row.get_blob(0));
    sound = block.has_value();
    if (sound) all.unite(*block);
    return sound;
  });
  return sound ? std::optional(std::move(all)) : std::nullopt;
}

}  // namespace

namespace list_condition {

std::string tag(RepoType type, std::string_view tag) {
  return spelled(type, "tag", tag);
}

std::string name_part(RepoType type, std::string_view part) {
  return spelled(type, "name", part);
}

std::string author(RepoType type, std::string_view name) {
  return spelled(type, "author", to_lower(name));
}

std::string link(std::string_view kind, std::string_view target) {
  return spelled(RepoType::kSpace, kind, to_lower(target));
}

std::string gated(RepoType type) {
  return spelled(type, "gated", "");
}

}  // namespace list_condition

void note_list_change(db::Tx& tx, std::string_view repo_id) {
  tx.execute(kNote, {repo_id});
}

std::optional<std::vector<std::string>> noted_repos(db::Tx& tx, size_t count_max) {
  std::vector<std::string> ids;
  for (const db::Row& row : tx.query(kNoted, {count_max + 1})) ids.push_back(row.get_text(0));
  return ids.size() > count_max ? std::nullopt : std::optional(std::move(ids));
}

std::optional<NumberSet> repos_with_all(db::Tx& tx, const std::vector<std::string>& conditions,
                                        uint64_t enough) {
  std::optional<NumberSet> left;
  for (const std::string& condition : conditions) {
    if (left && left->size() <= enough) break;
    auto set = set_of(tx, condition);
    if (!set) {
      log_error("lists: the set \"{}\" is damaged; hearth verify --rebuild makes it again",
                condition);
      return std::nullopt;
    }
    if (left) {
      left->intersect(*set);
    } else {
      left = std::move(set);
    }
  }
  return left;
}

std::vector<std::string> repo_ids_of(db::Tx& tx, const NumberSet& numbers) {
  std::vector<std::string> ids;
  ids.reserve(numbers.size());
  tx.for_each_text(kReposOfNumbers, {db::in_list(numbers.numbers())}, [&](std::string_view id) {
    ids.emplace_back(id);
    return true;
  });
  return ids;
}

int64_t numbered_count(db::Tx& tx) {
  return tx.query_one(kHighest)->get_int(0) + 1;
}

std::optional<std::string> why_sets_wrong(db::Tx& tx, const Repo& repo) {
  if (tx.query_one(kNotedOfRepo, {repo.id})) return std::nullopt;
  auto row = tx.query_one(kNumbersOfRepos, {db::in_list(std::vector{repo.id})});
  if (!row) return "lists by tags and words do not know it";
  int64_t number = row->get_int(1);
  Conditions lacking;
  for (auto& [id, conditions] : conditions_of(tx, {repo.id})) lacking = std::move(conditions);
  std::vector<std::string> list(lacking.begin(), lacking.end());
  bool sound = true;
  tx.for_each(kOneBlock, {db::in_list(list), number >> kBlockBits}, [&](const db::Row& set) {
    auto numbers = NumberSet::parse(set.get_blob(1));
    sound = sound && numbers.has_value();
    if (numbers && numbers->contains(static_cast<uint32_t>(number))) lacking.erase(set.get_text(0));
    return true;
  });
  if (!sound) return "the sets that lists are made from are damaged";
  if (lacking.empty()) return std::nullopt;
  return "lists of \"" + *lacking.begin() + "\" do not find it";
}

size_t ListSets::write_some() {
  return database_.write([](db::Tx& tx) {
    std::vector<int64_t> notes;
    std::vector<std::string> ids;
    for (const db::Row& row : tx.query(kFirstNoted, {kNotesAtOnce})) {
      notes.push_back(row.get_int(0));
      ids.push_back(row.get_text(1));
    }
    if (notes.empty()) return notes.size();
    auto repos = conditions_of(tx, ids);
    auto numbers = numbers_of(tx, repos);
    std::map<int64_t, Block> blocks;
    for (const auto& [id, conditions] : repos) {
      uint32_t number = numbers.at(id);
      Block& block = blocks[number >> kBlockBits];
      for (const std::string& condition : conditions) block[condition].push_back(number);
    }
    for (const auto& [number, block] : blocks) add_to_block(tx, number, block);
    tx.execute(kForgetNotes, {db::in_list(notes)});
    return notes.size();
  });
}

void ListSets::rebuild() {
  database_.write([](db::Tx& tx) {
    for (std::string_view sql : {kDropNotes, kDropSets, kDropNumbers, kNoteAll}) tx.execute(sql);
  });
  while (write_some() > 0) {
  }
}

void ListSets::register_tasks(TaskRunner& runner) {
  runner.handle(std::string(kTask), [this](TaskContext& task) {
    while (!task.stopping() && write_some() > 0) {
    }
  });
}

void ListSets::enqueue_if_due() {
  bool any = database_.read([](db::Tx& tx) { return tx.query_one(kIsNoted).has_value(); });
  if (!any) return;
  database_.write([&](db::Tx& tx) {
    tasks_.enqueue(tx, {.kind = std::string(kTask), .unique_key = std::string(kTask)});
  });
}

}  // namespace hearth::hub
