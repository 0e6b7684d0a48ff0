#include "hub/number_set.h"

#include <new>

#include <roaring/roaring.h>
#include <xxhash.h>

namespace hearth::hub {
namespace {

constexpr size_t kSumBytes = 8;

void put_sum(ByteView bytes, uint8_t* out) {
  uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
  for (size_t i = 0; i < kSumBytes; ++i) out[i] = static_cast<uint8_t>(sum >> (8 * i));
}

roaring_bitmap_s* checked(roaring_bitmap_s* bitmap) {
  if (bitmap == nullptr) throw std::bad_alloc();
  return bitmap;
}

}  // namespace

void NumberSet::Free::operator()(roaring_bitmap_s* bitmap) const {
  roaring_bitmap_free(bitmap);
}

NumberSet::NumberSet() : bitmap_(checked(roaring_bitmap_create())) {}

void NumberSet::add(uint32_t number) {
  roaring_bitmap_add(bitmap_.get(), number);
}

bool NumberSet::contains(uint32_t number) const {
  return roaring_bitmap_contains(bitmap_.get(), number);
}

uint64_t NumberSet::size() const {
  return roaring_bitmap_get_cardinality(bitmap_.get());
}

void NumberSet::intersect(const NumberSet& other) {
  roaring_bitmap_and_inplace(bitmap_.get(), other.bitmap_.get());
}

void NumberSet::unite(const NumberSet& other) {
  roaring_bitmap_or_inplace(bitmap_.get(), other.bitmap_.get());
}

std::vector<int64_t> NumberSet::numbers() const {
  std::vector<uint32_t> narrow(size());
  roaring_bitmap_to_uint32_array(bitmap_.get(), narrow.data());
  return {narrow.begin(), narrow.end()};
}

Bytes NumberSet::to_bytes() const {
  Bytes bytes(kSumBytes + roaring_bitmap_portable_size_in_bytes(bitmap_.get()));
  roaring_bitmap_portable_serialize(bitmap_.get(),
                                    reinterpret_cast<char*>(bytes.data() + kSumBytes));
  put_sum(ByteView(bytes).subspan(kSumBytes), bytes.data());
  return bytes;
}

std::optional<NumberSet> NumberSet::parse(ByteView bytes) {
  if (bytes.size() < kSumBytes) return std::nullopt;
  ByteView content = bytes.subspan(kSumBytes);
  // Before anything is read: the library trusts what it reads in part.
  uint8_t sum[kSumBytes];
  put_sum(content, sum);
  if (!std::equal(std::begin(sum), std::end(sum), bytes.begin())) return std::nullopt;
  auto* bitmap = roaring_bitmap_portable_deserialize_safe(
      reinterpret_cast<const char*>(content.data()), content.size());
  if (bitmap == nullptr) return std::nullopt;
  return NumberSet(bitmap);
}

}  // namespace hearth::hub
