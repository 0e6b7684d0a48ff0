#pragma once
// Bare git repositories: libgit2 for objects and refs, plain git for the wire. Include this one
// header; the others of this folder are its parts.

#include "git/attributes.h"
#include "git/commit_builder.h"
#include "git/default_attributes.h"
#include "git/lfs_pointer.h"
#include "git/names.h"
#include "git/oid.h"
#include "git/quarantine.h"
#include "git/receive_pack.h"
#include "git/repository.h"
#include "git/upload_pack.h"
