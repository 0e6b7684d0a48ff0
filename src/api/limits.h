#pragma once
// The numbers of api/ that callers can run into, beside the limits of bodies that stand in the
// rows; docs/limits.md is made of them (limits_doc.cc).

#include <cstddef>
#include <cstdint>

namespace hearth::api {

/// One inline file of 10 MiB in base64, its path, and room.
inline constexpr uint64_t kCommitLineBytesMax = uint64_t{16} << 20;

inline constexpr size_t kBatchObjectsMax = 1000;  // Python sends 256, JS and git-lfs 100.
inline constexpr uint64_t kObjectBytesMax = uint64_t{1} << 42;
inline constexpr uint64_t kObjectPartsMax = 10'000;  // As S3.
/// huggingface_hub 2.4.0 _commit_api.py, DUPLICATE_LFS_BATCH_SIZE, is 500.
inline constexpr size_t kSharedFilesMax = 1000;
inline constexpr size_t kLfsDeletionsMax = 1000;  // huggingface_hub sends as many.
inline constexpr size_t kLfsFilesPageMax = 1000;

inline constexpr size_t kReconstructionsMax = 1000;
/// As many as a data URL signs, and some for clients that split them further.
inline constexpr size_t kDataRangesMax = 1000;

inline constexpr size_t kTrendingMax = 100;

}  // namespace hearth::api
