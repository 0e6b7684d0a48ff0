#include "base/text.h"
#include "hub/search.h"

namespace hearth::hub {
namespace {

/// The text as a part of a LIKE pattern, without its own wildcards.
std::string like_part(std::string_view text) {
  std::string pattern = "%";
  for (char c : to_lower(text)) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

class NameSearch final : public RepoSearch {
 public:
  SearchCondition matching(std::string_view word) const override {
    return {"r.name_key LIKE ? ESCAPE '\\'", {like_part(word)}};
  }
};

}  // namespace

const RepoSearch& name_search() {
  static const NameSearch search;
  return search;
}

}  // namespace hearth::hub
