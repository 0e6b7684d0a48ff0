#pragma once
// Reconstructions: which ranges of which xorbs a client fetches to put a file together.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "xet/shard.h"
#include "xet/xorb.h"

namespace hearth::xet {

/// Bytes [begin, end) of a file.
struct FileRange {
  uint64_t begin_bytes = 0;
  uint64_t end_bytes = 0;
};

/// A run of chunks and where their records stand in the stored xorb.
struct FetchRange {
  uint32_t chunk_begin = 0;
  uint32_t chunk_end = 0;  // Exclusive.
  uint64_t bytes_begin = 0;
  uint64_t bytes_last = 0;  // Inclusive, as in a Range header.
  bool operator==(const FetchRange&) const = default;
};

/// What to fetch of one xorb: ranges ascending, neither touching nor overlapping.
struct XorbFetch {
  MerkleHash xorb;
  std::vector<FetchRange> ranges = {};
};

struct Reconstruction {
  uint64_t offset_into_first_range_bytes = 0;
  std::vector<Term> terms;       // In file order, trimmed to whole chunks of what was asked.
  std::vector<XorbFetch> xorbs;  // In order of first use, so that equal questions answer equally.
};

/// Gives the chunk table of a xorb of the file. The reference must outlive the call it is used in.
using TableLookup = std::function<const ChunkTable&(const MerkleHash&)>;

/// Plans the fetch of `range` (clamped to the file by the caller; not empty unless the file is).
///
/// Every term lies within one fetch range of its xorb: overlapping and adjacent runs are merged.
/// The terms must be in range of their tables, as registration has checked.
Reconstruction plan_reconstruction(std::span<const Term> terms, const TableLookup& table_of,
                                   std::optional<FileRange> range);

/// Signs a URL for some ranges of one xorb.
using UrlSigner =
    std::function<std::string(const MerkleHash& xorb, std::span<const FetchRange> ranges)>;

/// At most this many ranges share a URL, which keeps it under 8 kB.
inline constexpr size_t kRangesPerUrlMax = 300;

/// GET /v2/reconstructions: one URL for many ranges of a xorb.
json::object reconstruction_v2_json(const Reconstruction& plan, const UrlSigner& sign);
/// GET /v1/reconstructions: one URL a range.
json::object reconstruction_v1_json(const Reconstruction& plan, const UrlSigner& sign);

}  // namespace hearth::xet
