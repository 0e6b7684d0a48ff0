#include <cstdlib>

#include "xet/xorb.h"

// Any bytes: never a crash, and what is accepted must be accepted again in other pieces, with the
// same table, from what was stored.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView body(data, size);
  Bytes stored;
  xet::XorbValidator validator(
      [&](ByteView record) { stored.insert(stored.end(), record.begin(), record.end()); });
  if (!validator.feed(body)) return 0;
  xet::MerkleHash root = validator.root();
  auto table = validator.finish(root);
  if (!table) return 0;
  xet::XorbValidator again;
  for (size_t at = 0; at < stored.size(); at += 13) {
    if (!again.feed(ByteView(stored).subspan(at, std::min<size_t>(13, stored.size() - at))))
      abort();
  }
  auto second = again.finish(root);
  if (!second || *second != *table) abort();
  auto decoded = xet::ChunkTable::decode(table->encode());
  if (!decoded || *decoded != *table) abort();
  return 0;
}

}  // namespace hearth
