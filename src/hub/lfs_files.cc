#include "hub/lfs_files.h"

#include "base/text.h"
#include "db/db.h"
#include "xet/xet.h"

namespace hearth::hub {
namespace {

/// Empty: it can be shared.
std::string why_not(const std::optional<xet::LargeObject>& object, const SharedFile& file) {
  if (!object) return "The source repository has no such file.";
  if (file.xet_hash.empty()) return {};
  if (!object->file_hash || object->file_hash->text() != to_lower(file.xet_hash)) {
    return "The source repository has this file under another Xet hash: read it anew.";
  }
  return {};
}

}  // namespace

std::vector<SharingFailure> LfsFiles::share(const Repo& source, const Repo& target,
                                            const std::vector<SharedFile>& files) {
  return context_.database->write([&](db::Tx& tx) {
    std::vector<SharingFailure> failures;
    int64_t now_ms = context_.clock->now_ms();
    for (const SharedFile& file : files) {
      std::string sha256 = to_lower(file.sha256);
      std::string reason = why_not(xet::XetStore::find_in(tx, source.id, sha256), file);
      if (!reason.empty()) {
        failures.push_back({file.sha256, reason});
      } else {
        xet::XetStore::copy_object(tx, source.id, target.id, sha256, now_ms);
      }
    }
    return failures;
  });
}

}  // namespace hearth::hub
