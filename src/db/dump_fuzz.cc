#include "db/dump.h"

/// What is read can be written, and reads as the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view line(reinterpret_cast<const char*>(data), size);
  auto values = hearth::db::parse_row(line);
  if (!values) return 0;
  std::string text = hearth::db::row_text(*values);
  auto again = hearth::db::parse_row(text);
  HEARTH_ASSERT(again && hearth::db::row_text(*again) == text, "a row reads as it was written");
  return 0;
}
