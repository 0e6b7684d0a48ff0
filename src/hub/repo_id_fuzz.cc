#include <cstdlib>

#include "base/bytes.h"
#include "base/text.h"
#include "hub/repo.h"

// Names of repositories: what is taken is taken as it stands and leads nowhere.
namespace hearth {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = as_text({data, size});
  auto id = hub::RepoId::parse(text);
  if (!id) return 0;
  if (id->full() != text || text.size() > 200) std::abort();
  for (std::string_view part : split(text, '/')) {
    if (part.empty() || part.front() == '.' || part.find("..") != std::string_view::npos) {
      std::abort();
    }
  }
  return 0;
}

}  // namespace hearth
