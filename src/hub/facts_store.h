#pragma once
// The row of repo_facts as text, for the files of this folder that read it.

#include <cstdint>
#include <string>

#include "hub/facts.h"

namespace hearth::hub {

/// Columns of repo_facts; an empty text stands for one that was not asked for.
struct StoredFacts {
  std::string commit_oid;
  std::string pipeline_tag;
  std::string library_name;
  int64_t main_bytes = 0;
  std::string description;
  std::string tags;
  std::string more;
  std::string headers;
  std::string card;
  std::string config;
};

/// Throws Error{kCorrupt} when a column is not what index_repo wrote.
RepoFacts facts_of_texts(const StoredFacts& stored);

}  // namespace hearth::hub
