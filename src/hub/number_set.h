#pragma once
// Sets of numbers, for hub/list_sets: CRoaring's bitmaps behind an interface of our own.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"

struct roaring_bitmap_s;

namespace hearth::hub {

/// A set of numbers of 32 bits: some bytes for a few, a bit for each where it is dense. Not safe
/// from several threads.
class NumberSet {
 public:
  NumberSet();

  void add(uint32_t number);
  bool contains(uint32_t number) const;
  uint64_t size() const;
  void intersect(const NumberSet& other);
  void unite(const NumberSet& other);
  /// In ascending order.
  std::vector<int64_t> numbers() const;

  /// Roaring's portable format behind a sum of it (XXH3, 64 bits, little endian).
  Bytes to_bytes() const;
  /// Nothing for bytes that to_bytes did not make.
  static std::optional<NumberSet> parse(ByteView bytes);

 private:
  struct Free {
    void operator()(roaring_bitmap_s* bitmap) const;
  };
  explicit NumberSet(roaring_bitmap_s* bitmap) : bitmap_(bitmap) {}

  std::unique_ptr<roaring_bitmap_s, Free> bitmap_;
};

}  // namespace hearth::hub
