#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "db/db.h"
#include "hub/list_sets.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kNote = "INSERT INTO list_change (repo_id) VALUES (?1)";
constexpr std::string_view kIsNoted = "SELECT 1 FROM list_change noted LIMIT 1";
constexpr std::string_view kNoted =
    "SELECT DISTINCT repo_id FROM list_change noted ORDER BY repo_id LIMIT ?1";
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

constexpr std::string_view kMakeWriter =
    "INSERT INTO list_writer (only_one) VALUES (1) ON CONFLICT (only_one) DO NOTHING";
constexpr std::string_view kLockWriter =
    "SELECT only_one FROM list_writer WHERE only_one = 1 {{skip_locked}}";

constexpr std::string_view kBlocks =
    "SELECT condition, numbers FROM list_set WHERE condition IN {{list ?1}}";
constexpr std::string_view kDropBlock = "DELETE FROM list_set WHERE condition = ?1 AND block = ?2";
constexpr std::string_view kNoteBlock =
    "INSERT INTO list_change (repo_id) SELECT repo_id FROM list_number"
    " WHERE number >= ?1 AND number < ?2"
    " AND NOT EXISTS (SELECT 1 FROM list_change c WHERE c.repo_id = list_number.repo_id)";
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
// Of a request with many words: each reads up to 8 KiB for each block.
constexpr size_t kConditionsMax = 24;
// A transaction of about 200 ms with 600,000 repositories; on SQLite other writers wait for it.
constexpr int64_t kNotesAtOnce = 1000;
constexpr auto kBusyWait = std::chrono::milliseconds(200);

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
    conditions.insert(list_condition::any(type));
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
  std::vector<std::string> damaged;
  for (const auto& [condition, numbers] : added) conditions.push_back(condition);
  tx.for_each(kOneBlock, {db::in_list(conditions), block}, [&](const db::Row& row) {
    if (auto set = NumberSet::parse(row.get_blob(1))) {
      sets.emplace(row.get_text(0), std::move(*set));
    } else {
      damaged.push_back(row.get_text(0));
    }
    return true;
  });
  // What it held is not known: all of the block are looked at again.
  for (const std::string& condition : damaged) {
    log_warning("lists: block {} of the set \"{}\" is damaged and made again", block, condition);
    tx.execute(kDropBlock, {condition, block});
  }
  if (!damaged.empty()) {
    tx.execute(kNoteBlock, {block << kBlockBits, (block + 1) << kBlockBits});
  }
  std::vector<db::Params> rows;
  for (const auto& [condition, numbers] : added) {
    NumberSet& set = sets[condition];
    uint64_t before = set.size();
    for (uint32_t number : numbers) set.add(number);
    if (set.size() != before) rows.push_back({condition, block, set.to_bytes()});
  }
  if (!rows.empty()) tx.execute_many(kPutBlock, rows);
}

/// Each request would say it again.
void log_damage_once(const std::string& condition) {
  constexpr size_t kSaidMax = 1000;
  static std::mutex mutex;
  static std::set<std::string> said;
  std::lock_guard lock(mutex);
  if (said.size() == kSaidMax || !said.insert(condition).second) return;
  log_error("lists: the set \"{}\" is damaged; hearth verify --rebuild makes it again", condition);
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

std::string any(RepoType type) {
  return spelled(type, "any", "");
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

std::optional<NumberSet> repos_with_all(db::Tx& tx, std::vector<std::string> conditions) {
  conditions.resize(std::min(conditions.size(), kConditionsMax));
  std::map<std::string, NumberSet> sets;
  for (const std::string& condition : conditions) sets[condition];
  bool sound = true;
  tx.for_each(kBlocks, {db::in_list(conditions)}, [&](const db::Row& row) {
    auto block = NumberSet::parse(row.get_blob(1));
    if (block) {
      sets[row.get_text(0)].unite(*block);
    } else {
      log_damage_once(row.get_text(0));
      sound = false;
    }
    return sound;
  });
  if (!sound || sets.empty()) return std::nullopt;
  auto least = std::ranges::min_element(
      sets, {}, [](const auto& condition) { return condition.second.size(); });
  NumberSet left = std::move(least->second);
  sets.erase(least);
  for (const auto& [condition, set] : sets) left.intersect(set);
  return left;
}

void for_each_repo_id(db::Tx& tx, const NumberSet& numbers,
                      const std::function<void(std::string_view)>& on_id) {
  tx.for_each_text(kReposOfNumbers, {db::in_list(numbers.numbers())}, [&](std::string_view id) {
    on_id(id);
    return true;
  });
}

std::optional<std::string> why_sets_wrong(db::Tx& tx, const Repo& repo) {
  bool noted = tx.query_one(kNotedOfRepo, {repo.id}).has_value();
  auto row = tx.query_one(kNumbersOfRepos, {db::in_list(std::vector{repo.id})});
  if (!row) return noted ? std::nullopt : std::optional("lists by tags and words do not know it");
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
  if (noted || lacking.empty()) return std::nullopt;
  return "lists of \"" + *lacking.begin() + "\" do not find it";
}

ListSets::Step ListSets::write_some() {
  return database_.write([](db::Tx& tx) {
    tx.execute(kMakeWriter);
    if (!tx.query_one(kLockWriter)) return Step::kBusy;
    std::vector<int64_t> notes;
    std::vector<std::string> ids;
    for (const db::Row& row : tx.query(kFirstNoted, {kNotesAtOnce})) {
      notes.push_back(row.get_int(0));
      ids.push_back(row.get_text(1));
    }
    if (notes.empty()) return Step::kDone;
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
    return Step::kMore;
  });
}

void ListSets::write_all(const std::function<bool()>& stopping) {
  using Clock = std::chrono::steady_clock;
  // Mostly there is nothing to do, and no need to wait for a writer.
  if (!database_.read([](db::Tx& tx) { return tx.query_one(kIsNoted).has_value(); })) return;
  while (!stopping()) {
    auto begin = Clock::now();
    Step step = Step::kBusy;
    try {
      step = write_some();
    } catch (const Error& error) {
      // A repository went for good meanwhile, or others wrote the same rows all the time.
      if (error.kind() != ErrorKind::kConflict) throw;
    }
    if (step == Step::kDone) return;
    std::this_thread::sleep_for(step == Step::kBusy ? kBusyWait : Clock::now() - begin);
  }
}

void ListSets::rebuild() {
  database_.write([](db::Tx& tx) {
    for (std::string_view sql : {kDropNotes, kDropSets, kDropNumbers, kNoteAll}) tx.execute(sql);
  });
  write_all();
}

}  // namespace hearth::hub
