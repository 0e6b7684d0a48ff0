#include "base/bytes.h"
#include "base/text.h"
#include "git/names.h"

namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  if (auto path = git::RepoPath::parse(text)) {
    HEARTH_ASSERT(path->text() == text, "a path is taken as it stands");
    HEARTH_ASSERT(text.front() != '/' && text.back() != '/', "a path is relative");
    for (std::string_view segment : split(text, '/')) {
      std::string lower = to_lower(segment);
      HEARTH_ASSERT(!segment.empty() && segment != "." && segment != ".." && lower != ".git",
                    "no segment leads out of the repository or into its .git");
    }
    auto again = git::RepoPath::parse(std::string(text) + "/", git::TrailingSlash::kDrop);
    HEARTH_ASSERT(again.has_value() == (size < git::kPathBytesMax) || again.has_value(),
                  "one slash at the end is dropped");
  }
  if (!git::why_bad_branch_name(text)) {
    HEARTH_ASSERT(!git::why_bad_ref_name("refs/heads/" + std::string(text)),
                  "a branch's full name is a reference's");
    HEARTH_ASSERT(text.find("..") == std::string_view::npos && text.front() != '/',
                  "no reference leads out of its folder");
  }
  return 0;
}

}  // namespace hearth
