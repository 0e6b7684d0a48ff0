#include "hub/identity.h"

namespace hearth::hub {

std::string_view to_string(OrgRole role) {
  switch (role) {
    case OrgRole::kRead:
      return "read";
    case OrgRole::kContributor:
      return "contributor";
    case OrgRole::kWrite:
      return "write";
    case OrgRole::kAdmin:
      return "admin";
  }
  return "read";
}

std::optional<OrgRole> parse_org_role(std::string_view text) {
  if (text == "read") return OrgRole::kRead;
  if (text == "contributor") return OrgRole::kContributor;
  if (text == "write") return OrgRole::kWrite;
  if (text == "admin") return OrgRole::kAdmin;
  return std::nullopt;
}

}  // namespace hearth::hub
