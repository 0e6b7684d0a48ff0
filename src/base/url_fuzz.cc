#include "base/text.h"
#include "base/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  hearth::Query query(text);
  hearth::Query again(query.to_string());
  if (again.items().size() > query.items().size()) __builtin_trap();
  (void)hearth::percent_decode(text);
  (void)hearth::is_utf8(text);
  return 0;
}
