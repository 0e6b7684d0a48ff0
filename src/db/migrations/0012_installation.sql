-- Which installation this database belongs to, and tags as the last change of each left them.
-- Owner: hub/installation, hub/receive.

-- At most one row. DATA/installation holds the same id: a data folder is only served with its own
-- database. A restored copy is another installation of the same hub.
CREATE TABLE installation (
  only_one {{bigint}} PRIMARY KEY CHECK (only_one = 1),
  id TEXT NOT NULL,
  hub_id TEXT NOT NULL,                 -- kept when a backup is restored
  created_ms {{bigint}} NOT NULL,
  tags_known {{bigint}} NOT NULL        -- whether ref_tag holds the tags that are older than it
) {{strict}};

-- Where tags stand: beside ref_head, which counts commits, so that a snapshot of the database alone
-- says what every ref of every repository was.
CREATE TABLE ref_tag (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  ref TEXT NOT NULL,                    -- "refs/tags/v1"
  target_oid TEXT NOT NULL,             -- of an annotated tag the tag object
  PRIMARY KEY (repo_id, ref)
) {{strict}};
