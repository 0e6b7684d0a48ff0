#pragma once
// The parts of the hub that keep repositories, in the order in which they need each other.

#include "hub/commits.h"
#include "hub/community.h"
#include "hub/contents.h"
#include "hub/ledger.h"
#include "hub/lfs_files.h"
#include "hub/path_index.h"
#include "hub/receive.h"
#include "hub/repositories.h"

namespace hearth::hub {

struct RepositoryParts {
  explicit RepositoryParts(const HubContext& context)
      : ledger(context),
        path_index(context),
        receive(context, path_index),
        repositories(context, receive),
        contents(context, repositories, path_index),
        community(context, repositories, receive, contents),
        commits(context, repositories, receive, contents, community),
        lfs_files(context, repositories, receive) {}

  Ledger ledger;
  PathIndex path_index;
  Receive receive;
  Repositories repositories;
  Contents contents;
  Community community;
  Commits commits;
  LfsFiles lfs_files;
};

}  // namespace hearth::hub
