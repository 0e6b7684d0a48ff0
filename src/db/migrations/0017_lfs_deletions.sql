-- Large files that someone deleted from a repository for good, though commits may name them still.
-- Owner: hub/lfs_files. A row goes when a new commit names the file again.
CREATE TABLE lfs_deletion (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  sha256 TEXT NOT NULL,
  user_id TEXT NOT NULL,
  deleted_ms {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, sha256)
) {{strict}};
