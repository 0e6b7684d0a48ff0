#include "git/oid.h"

#include "base/bytes.h"

namespace hearth::git {

std::optional<Oid> Oid::parse(std::string_view hex) {
  if (hex.size() != 40) return std::nullopt;
  std::optional<Bytes> raw = from_hex(hex);
  if (!raw) return std::nullopt;
  Oid oid;
  std::memcpy(oid.bytes.data(), raw->data(), oid.bytes.size());
  return oid;
}

std::string Oid::hex() const {
  return to_hex(bytes);
}

Oid empty_tree_oid() {
  return *Oid::parse(kEmptyTreeHex);
}

}  // namespace hearth::git
