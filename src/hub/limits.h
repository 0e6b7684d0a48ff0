#pragma once
// The numbers of hub/ that callers can run into; docs/limits.md is made of them
// (api/limits_doc.cc).

#include <cstddef>
#include <cstdint>

namespace hearth::hub {

// --- Commits ---
/// Each is a change of the tree in memory, some 200 bytes.
inline constexpr size_t kOperationsMax = 100'000;
/// Files copied from other revisions are read and written anew, which costs their client nothing.
inline constexpr uint64_t kCopiedBytesMax = uint64_t{256} << 20;
/// huggingface_hub 2.4 sends 256, @huggingface/hub 100.
inline constexpr size_t kPreuploadFilesMax = 1000;

// --- Reading ---
/// As the hosted hub's; hub-api 2.4.
inline constexpr size_t kTreePageMax = 1000;
inline constexpr size_t kExpandedTreePageMax = 100;  // Each entry's last commit is looked up.
inline constexpr size_t kCommitsPageMax = 1000;
inline constexpr size_t kPathsInfoMax = 1000;  // The hosted hub's: huggingface_hub _commit_api.py.
inline constexpr uint64_t kHistoryMax = 100'000;
inline constexpr size_t kListPageMax = 1000;     // Page size of the hosted hub.
inline constexpr size_t kFullListPageMax = 100;  // With files or cards, which may be large.
inline constexpr size_t kFilterCountMax = 50;    // Each is a condition of the statement.
inline constexpr size_t kFilterBytesMax = 300;   // Tags have 256 at most.

// --- Names and texts ---
inline constexpr size_t kNameBytesMax = 96;       // huggingface_hub utils/_validators.py
inline constexpr size_t kNamespaceBytesMax = 60;  // Room for what is put behind it in 96.
inline constexpr size_t kFullnameBytesMax = 200;
inline constexpr size_t kEmailBytesMax = 254;  // RFC 5321 4.5.3.1.3, without the brackets.
inline constexpr size_t kDiscussionTitleBytesMax = 1000;
inline constexpr size_t kMessageBytesMax = size_t{64} << 10;  // Of comments, and of commits.
inline constexpr size_t kTokenNameBytesMax = 100;
inline constexpr size_t kTokensOfOneUserMax = 1000;
inline constexpr size_t kTokenScopesMax = 200;

}  // namespace hearth::hub
