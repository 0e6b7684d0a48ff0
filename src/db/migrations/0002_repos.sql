-- Repositories: what git cannot hold, and indexes of git. Owner: hub/repositories, hub/receive.

CREATE TABLE repo (
  id TEXT PRIMARY KEY,                  -- 24 hex; names the git folder
  type TEXT NOT NULL CHECK (type IN ('model', 'dataset', 'space')),
  name_key TEXT NOT NULL,               -- "namespace/name" in lower case
  namespace_id TEXT NOT NULL REFERENCES namespace (id),
  namespace_name TEXT NOT NULL,
  name TEXT NOT NULL,
  creator_id TEXT NOT NULL,
  is_private {{bigint}} NOT NULL,
  gated TEXT NOT NULL CHECK (gated IN ('', 'auto', 'manual')),
  disabled {{bigint}} NOT NULL,
  discussions_disabled {{bigint}} NOT NULL,
  created_ms {{bigint}} NOT NULL,
  updated_ms {{bigint}} NOT NULL,       -- last change of content
  head_oid TEXT NOT NULL,               -- commit of main that the indexes tell of; '' before
  sdk TEXT NOT NULL,                    -- Spaces
  likes {{bigint}} NOT NULL,
  git_bytes {{bigint}} NOT NULL,        -- of the git folder, as last measured
  last_discussion {{bigint}} NOT NULL,  -- the counter of discussions and pull requests
  UNIQUE (type, name_key)
) {{strict}};
CREATE INDEX repo_namespace ON repo (namespace_id, type, name_key);
CREATE INDEX repo_updated ON repo (type, updated_ms, id);
CREATE INDEX repo_created ON repo (type, created_ms, id);

-- Names that repositories had before; a new repository of that name takes it over.
CREATE TABLE repo_alias (
  type TEXT NOT NULL,
  name_key TEXT NOT NULL,
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  created_ms {{bigint}} NOT NULL,
  PRIMARY KEY (type, name_key)
) {{strict}};
CREATE INDEX repo_alias_repo ON repo_alias (repo_id);

-- Each move of a ref, written before the ref moves; who did it, and whether the indexes know.
CREATE TABLE ref_update (
  id TEXT PRIMARY KEY,
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  old_oid TEXT NOT NULL,                -- '' when the ref was not there
  new_oid TEXT NOT NULL,                -- '' when it goes
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,                -- JSON: what completing it must also do
  user_id TEXT NOT NULL,                -- '' for the hub itself
  user_name TEXT NOT NULL,
  remote_address TEXT NOT NULL,
  created_ms {{bigint}} NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'dropped'))
) {{strict}};
CREATE INDEX ref_update_repo ON ref_update (repo_id, created_ms);
CREATE INDEX ref_update_pending ON ref_update (repo_id, created_ms) WHERE state = 'pending';

-- Where refs stood when the indexes last saw them, and how many commits they reach.
CREATE TABLE ref_head (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  commit_oid TEXT NOT NULL,
  commit_count {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, ref)
) {{strict}};

-- For each path of main the commit that last changed it. Folders end in '/'.
CREATE TABLE path_entry (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  commit_oid TEXT NOT NULL,
  title TEXT NOT NULL,
  time_ms {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, path)
) {{strict}};

CREATE TABLE path_index (
  repo_id TEXT PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
  commit_oid TEXT NOT NULL              -- what path_entry was made from
) {{strict}};

-- Blobs that are LFS pointers, in any commit: what they stand for.
CREATE TABLE pointer (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  blob_oid TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes {{bigint}} NOT NULL,
  pointer_bytes {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, blob_oid)
) {{strict}};
CREATE INDEX pointer_sha256 ON pointer (repo_id, sha256);
