-- Large objects: which repository has which, and how the chunked ones are put together.
-- Owner: xet. Hashes of the Xet protocol are 32 raw bytes, SHA-256 are 64 hex digits.

-- A stored xorb. Can be made again by reading the file.
CREATE TABLE xorb (
  hash {{bytes}} PRIMARY KEY,
  packed_bytes {{bigint}} NOT NULL,     -- length of the stored file
  unpacked_bytes {{bigint}} NOT NULL,
  chunk_table {{bytes}} NOT NULL,       -- 40 bytes a chunk: hash, packed end with scheme, unpacked end
  created_ms {{bigint}} NOT NULL,
  last_ref_ms {{bigint}} NOT NULL       -- last upload or shard that named it
) {{strict}};

-- A file as a row of terms. Its SHA-256 was computed here from its bytes, never believed.
CREATE TABLE xet_file (
  file_hash {{bytes}} PRIMARY KEY,
  sha256 TEXT NOT NULL,
  size_bytes {{bigint}} NOT NULL,
  terms {{bytes}} NOT NULL,
  created_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX xet_file_sha256 ON xet_file (sha256);

-- The one table of large objects: what a repository may commit, read and hand out.
CREATE TABLE repo_lfs (
  repo_id TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes {{bigint}} NOT NULL,
  file_hash {{bytes}},                  -- null: stored whole only
  created_ms {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, sha256)
) {{strict}};
CREATE INDEX repo_lfs_file ON repo_lfs (repo_id, file_hash);
CREATE INDEX repo_lfs_sha256 ON repo_lfs (sha256);

-- Which xorbs the files of a repository are made of: who may read one of these repositories may
-- refer to the xorb.
CREATE TABLE xorb_use (
  repo_id TEXT NOT NULL,
  xorb_hash {{bytes}} NOT NULL,
  PRIMARY KEY (repo_id, xorb_hash)
) {{strict}};
CREATE INDEX xorb_use_xorb ON xorb_use (xorb_hash);

-- Who uploaded a xorb, and may therefore refer to it before any file does.
CREATE TABLE xorb_upload (
  user_id TEXT NOT NULL,
  xorb_hash {{bytes}} NOT NULL,
  uploaded_ms {{bigint}} NOT NULL,
  PRIMARY KEY (user_id, xorb_hash)
) {{strict}};
CREATE INDEX xorb_upload_xorb ON xorb_upload (xorb_hash);

-- Chunks that clients ask for: first chunks of files, and one in 1024.
CREATE TABLE dedup_chunk (
  chunk_hash {{bytes}} NOT NULL,
  xorb_hash {{bytes}} NOT NULL,
  PRIMARY KEY (chunk_hash, xorb_hash)
) {{strict}};
CREATE INDEX dedup_chunk_xorb ON dedup_chunk (xorb_hash);
