#pragma once
// Numbers as the generated pages show them (private to api/*_doc.cc).

#include <cstdint>
#include <string>

namespace hearth::api {

/// "10,000"
std::string count_text(uint64_t count);
/// "64 KiB"; bytes when it is none of the larger units exactly; "–" for 0.
std::string size_text(uint64_t bytes);

}  // namespace hearth::api
