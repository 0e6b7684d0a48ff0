// What is stored for whom, and how much that may be, on the command line.

#include "app/command_parts.h"
#include "app/commands.h"
#include "hub/ledger.h"

namespace hearth::app {

void quota_command(Instance& instance, const std::string& name, const std::string& size,
                   bool as_json) {
  if (!size.empty()) {
    hub::Ledger::Quota quota{.as_settings_say = size == "default"};
    if (!quota.as_settings_say) quota.bytes = hub::parse_quota(size);
    instance.parts.ledger.set_quota(hub::Actor::command_line(), name, quota);
  }
  std::vector<hub::NamespaceUse> all = name.empty()
                                           ? instance.parts.ledger.namespaces()
                                           : std::vector{instance.parts.ledger.of_namespace(name)};
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "USED", "ON DISK", "QUOTA", "SET BY"}};
  for (const hub::NamespaceUse& use : all) {
    list.push_back(use.to_json());
    rows.push_back({use.name, hub::bytes_text(use.used_bytes), hub::bytes_text(use.stored_bytes),
                    use.quota_bytes ? hub::bytes_text(*use.quota_bytes) : "unlimited",
                    use.has_own_quota ? "hearth quota" : "settings"});
  }
  if (!as_json) return say_table(rows);
  name.empty() ? say_json(list) : say_json(list.front());
}

}  // namespace hearth::app
