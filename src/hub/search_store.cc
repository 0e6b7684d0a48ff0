#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

// As migration 0020 has them.
constexpr size_t kGramBytes = 4;
constexpr size_t kPartBytesMin = 2;

constexpr std::string_view kInsertGram =
    "INSERT INTO name_gram (gram, repo_id) VALUES (?1, ?2) ON CONFLICT (gram, repo_id) DO NOTHING";
constexpr std::string_view kDeleteGram = "DELETE FROM name_gram WHERE gram = ?1 AND repo_id = ?2";
constexpr std::string_view kCountGrams =
    "SELECT COUNT(*) FROM name_gram WHERE gram IN {{list ?1}} AND repo_id = ?2";

constexpr std::string_view kOfGram = "SELECT repo_id FROM name_gram WHERE gram = ?";
// A short part begins several grams of a name that holds it twice.
constexpr std::string_view kOfPart =
    "SELECT DISTINCT repo_id FROM name_gram WHERE gram >= ? AND gram < ?";
constexpr std::string_view kRowsOfPart =
    "SELECT repo_id FROM name_gram WHERE gram >= ? AND gram < ?";

/// Every run of kGramBytes, and the shorter ones at the end; each once.
std::vector<std::string> grams_of(std::string_view name_key) {
  std::vector<std::string> grams;
  for (size_t i = 0; i < name_key.size(); ++i) {
    std::string gram(name_key.substr(i, kGramBytes));
    if (std::ranges::find(grams, gram) == grams.end()) grams.push_back(std::move(gram));
  }
  return grams;
}

/// The text as a part of a LIKE pattern, without its own wildcards.
std::string like_part(std::string_view text) {
  std::string pattern = "%";
  for (char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

class NameSearch final : public RepoSearch {
 public:
  SearchCondition matching(std::string_view word) const override {
    return {"r.name_key LIKE ? ESCAPE '\\'", {like_part(to_lower(word))}};
  }

  std::vector<SearchSource> sources(std::string_view word) const override {
    std::string part = to_lower(word);
    std::vector<SearchSource> found;
    // Names are ASCII: nothing is this part of one.
    if (!is_ascii(part)) return {{std::string(kOfGram), {part}, {}}};
    if (part.size() < kGramBytes) {
      std::string behind = part;
      ++behind.back();
      return {{std::string(kOfPart), {part, behind}, std::string(kRowsOfPart)}};
    }
    for (std::string& gram : grams_in(part)) {
      found.push_back({std::string(kOfGram), {std::move(gram)}, {}});
    }
    return found;
  }

  std::vector<std::string> parts(std::string_view word) const override {
    std::string part = to_lower(word);
    if (part.size() < kPartBytesMin) return {};
    if (part.size() <= kGramBytes || !is_ascii(part)) return {part};
    return grams_in(part);
  }

 private:
  /// Of at least kGramBytes. One after the other would do; those that overlap tell little more, and
  /// each is counted.
  static std::vector<std::string> grams_in(const std::string& part) {
    std::vector<std::string> grams;
    for (size_t i = 0; i + kGramBytes <= part.size(); i += kGramBytes / 2) {
      grams.push_back(part.substr(i, kGramBytes));
    }
    if (part.size() % 2 == 1) grams.push_back(part.substr(part.size() - kGramBytes));
    return grams;
  }
  static bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x7F; });
  }
};

}  // namespace

void index_name(db::Tx& tx, std::string_view repo_id, std::string_view name_key) {
  if (is_name_indexed(tx, repo_id, name_key)) return;
  std::vector<db::Params> rows;
  for (const std::string& gram : grams_of(name_key)) rows.push_back({gram, repo_id});
  tx.execute_many(kInsertGram, rows);
}

void forget_name(db::Tx& tx, std::string_view repo_id, std::string_view name_key) {
  std::vector<db::Params> rows;
  for (const std::string& gram : grams_of(name_key)) rows.push_back({gram, repo_id});
  tx.execute_many(kDeleteGram, rows);
}

bool is_name_indexed(db::Tx& tx, std::string_view repo_id, std::string_view name_key) {
  auto grams = grams_of(name_key);
  int64_t there = tx.query_one(kCountGrams, {db::in_list(grams), repo_id})->get_int(0);
  return there == static_cast<int64_t>(grams.size());
}

std::vector<std::string> name_parts(std::string_view name_key) {
  std::vector<std::string> parts;
  for (size_t length = kPartBytesMin; length <= kGramBytes; ++length) {
    for (size_t i = 0; i + length <= name_key.size(); ++i) {
      parts.emplace_back(name_key.substr(i, length));
    }
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  return parts;
}

const RepoSearch& name_search() {
  static const NameSearch search;
  return search;
}

}  // namespace hearth::hub
