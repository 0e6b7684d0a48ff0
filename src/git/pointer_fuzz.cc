#include "base/bytes.h"
#include "base/error.h"
#include "git/lfs_pointer.h"

namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  if (auto pointer = git::LfsPointer::parse(text)) {
    HEARTH_ASSERT(pointer->format() == text, "a pointer has one spelling only");
  }
  return 0;
}

}  // namespace hearth
