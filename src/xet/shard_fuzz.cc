#include <cstdlib>

#include "xet/shard.h"

// Any bytes: never a crash or a large allocation, and what was read is written and read the same.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto shard = xet::parse_shard({data, size});
  if (!shard) return 0;
  if (shard->used_bytes > size) abort();
  auto again = xet::parse_shard(xet::write_shard(*shard));
  if (!again || again->files.size() != shard->files.size()) abort();
  for (size_t i = 0; i < shard->files.size(); ++i) {
    if (again->files[i].terms != shard->files[i].terms) abort();
    if (again->files[i].sha256 != shard->files[i].sha256) abort();
  }
  return 0;
}

}  // namespace hearth
