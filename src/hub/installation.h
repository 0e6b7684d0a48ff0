#pragma once
// Which data folder and which database belong together.
//
// Both hold the same id: the table `installation` and DATA/installation. A folder served with
// another's database would show repositories whose files it does not have, and clear away those
// that it has; so that is refused.

#include <string>

#include "base/fs.h"
#include "base/time.h"
#include "db/db.h"

namespace hearth::hub {

struct Installation {
  std::string id;
  std::string hub_id;  // The same in all restored copies: by it a folder of backups is known.
  bool tags_known = false;
};

/// Makes the pair known to each other at the first start (also of a folder and database that are
/// older than the id), or compares them. Throws Error{kConflict} with a sentence for the operator.
/// Safe when several processes start at once.
Installation pair_installation(const fs::path& data_dir, db::Database& database,
                               const Clock& clock);

/// What a restore ends with: the folder learns the id that the database already has.
void write_installation_file(const fs::path& data_dir, const std::string& id);

/// Whether ref_tag holds all tags, also those that are older than it.
bool tags_known(db::Tx& tx);
/// Notes that ref_tag is complete.
void set_tags_known(db::Database& database);

}  // namespace hearth::hub
