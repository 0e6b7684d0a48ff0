#pragma once
// Answers that are given again while nothing has changed that they were made from.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/api.h"

namespace hearth::api {

/// Remembers answers to GET as text. An answer is given again to the same caller at the same
/// address, only while the database's change number (Call::change_number) and the commit that it
/// shows are those it was made from, so nobody ever sees an old one; access is decided anew before.
/// Where the database has no such number nothing is remembered. Safe from any thread; the least recently asked go first.
class AnswerMemory {
 public:
  /// `bytes_max`: of all texts and keys together; an answer of more than a 64th of it is not kept.
  explicit AnswerMemory(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  /// What `make` answers, or answered before. `commit_oid`: of the commit that the answer shows,
  /// found anew for this request. Whatever else `make` reads stands in the database, in objects of
  /// git that the commit leads to, or in the request's address and caller.
  http::Response answer(const Call& call, std::string_view commit_oid,
                        const std::function<http::Response()>& make);

 private:
  struct Kept {
    std::string key;
    int64_t change_number = 0;
    std::string commit_oid;
    http::Headers headers;
    std::string text;

    uint64_t bytes() const { return key.size() + text.size() + 512; }
  };
  using Entry = std::shared_ptr<const Kept>;

  Entry find(const std::string& key);
  void keep(Entry entry);

  const uint64_t bytes_max_;
  std::mutex mutex_;
  std::list<Entry> by_use_;  // The last asked first.
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  uint64_t bytes_ = 0;
};

}  // namespace hearth::api
