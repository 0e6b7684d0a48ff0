-- What the garbage collection remembers. Owner: hub/gc, xet/collect.

-- When it was first seen that no commit of the repository names the object; null: one does, or it
-- was uploaded or promised to a client since.
ALTER TABLE repo_lfs ADD COLUMN unused_ms {{bigint}};
CREATE INDEX repo_lfs_unused ON repo_lfs (repo_id, unused_ms) WHERE unused_ms IS NOT NULL;

-- How far it has come with each repository.
CREATE TABLE gc_repo (
  repo_id TEXT PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
  marked_refs TEXT NOT NULL,            -- a hash of where its refs stood when pointers were last compared
  rights_due {{bigint}} NOT NULL,       -- objects went: rows of xorb_use may have lost their reason
  git_refs TEXT NOT NULL,               -- as marked_refs, when its git objects were last collected
  git_done_ms {{bigint}} NOT NULL
) {{strict}};

-- Shards whose files went since the last walk over all shards. At most one row.
CREATE TABLE gc_shards_due (
  only_one {{bigint}} PRIMARY KEY CHECK (only_one = 1)
) {{strict}};

-- Locks for the moment in which a stored file goes or comes into use. On SQLite, where writers wait
-- for each other anyway, it stays empty.
CREATE TABLE removal_slot (
  slot {{bigint}} PRIMARY KEY,
  uses {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX xorb_last_ref ON xorb (last_ref_ms);
CREATE INDEX xorb_upload_time ON xorb_upload (uploaded_ms);
