#pragma once
// Ids of repositories that a list is cut out of.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::hub {

/// A set of ids, in one piece of memory: an allocation for each of 100,000 ids took longer than
/// reading them. Not safe from several threads.
class IdSet {
 public:
  /// Does nothing when it is there.
  void add(std::string_view id);
  bool contains(std::string_view id) const { return find(id) != kNone; }
  size_t size() const { return entries_.size(); }

  /// In the order in which they were added.
  std::vector<std::string> ids() const;

 private:
  struct Entry {
    uint64_t hash;
    uint32_t begin;  // In text_
    uint32_t length;
  };

  static constexpr size_t kNone = SIZE_MAX;
  size_t find(std::string_view id) const;
  std::string_view text(const Entry& entry) const {
    return std::string_view(text_).substr(entry.begin, entry.length);
  }
  void put(uint32_t index);
  void grow();

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // By hash, open: an index of entries_ and one, or 0.
};

}  // namespace hearth::hub
