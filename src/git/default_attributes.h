#pragma once
// The .gitattributes that new repositories start with (hub-api 6.7).

#include <string>

namespace hearth::git {

enum class AttributesFor { kModel, kDataset, kSpace };

/// The text of the file. Clients rely on it: `*.parquet` in LFS is what keeps
/// Dataset.push_to_hub from losing its shards (hub-api trap 6).
std::string default_gitattributes(AttributesFor kind);

}  // namespace hearth::git
