#pragma once
// What all shards of a safetensors model say of themselves, in one answer.

#include <string>
#include <string_view>

#include "hub/contents.h"

namespace hearth::hub {

/// JSON `{"index":{"metadata":…},"headers":{"<shard>":{…}}}` of the index file at `path`. The
/// weight_map is left out: the headers say the same. The route has checked that the caller may read
/// files. Throws kNotFound EntryNotFound when the index or a shard is not there; kUnprocessable for
/// one that is no safetensors file; kTooLarge when the headers are longer than 64 MiB together.
/// Source: huggingface_hub 2.4.0 hf_api.py get_sharded_safetensors_metadata.
std::string safetensors_metadata(Contents& contents, const Repo& repo, const Revision& revision,
                                 std::string_view path);

}  // namespace hearth::hub
