// The first line is the path, the rest the file.

#include "base/bytes.h"
#include "git/attributes.h"

namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  size_t end = text.find('\n');
  if (end == std::string_view::npos || end > 200 || size > 4096) return 0;
  std::string_view path = text.substr(0, end);
  text.remove_prefix(end + 1);
  git::Attributes::parse(text).is_lfs(path);
  git::Ignore::parse(text).matches(path);
  return 0;
}

}  // namespace hearth
