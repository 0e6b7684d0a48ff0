-- What lists ask for, as sets of repositories: for each condition ("models with the tag gguf") a bit
-- for each repository, which has a number for that. Derived from repo, repo_tag and repo_link; hearth
-- verify --rebuild makes them again. Owner: hub/list_sets.

CREATE TABLE list_number (
  number {{bigint}} PRIMARY KEY,
  repo_id TEXT NOT NULL UNIQUE REFERENCES repo (id) ON DELETE CASCADE
) {{strict}};

CREATE TABLE list_set (
  condition TEXT NOT NULL,               -- as hub/list_sets spells it
  block {{bigint}} NOT NULL,             -- of 65,536 numbers
  numbers {{bytes}} NOT NULL,            -- a sum, then a Roaring bitmap in its portable format
  PRIMARY KEY (condition, block)
) {{strict_by_key}};

-- Whoever writes sets holds its one row, which is made then: a restore begins with empty tables.
CREATE TABLE list_writer (
  only_one {{bigint}} PRIMARY KEY CHECK (only_one = 1)
) {{strict}};

-- Repositories that the sets do not tell of yet. Without a reference to repo: one that went is no harm.
CREATE TABLE list_change (
  seq {{serial_key}},
  repo_id TEXT NOT NULL
) {{strict}};
CREATE INDEX list_change_repo ON list_change (repo_id);
INSERT INTO list_change (repo_id) SELECT id FROM repo ORDER BY id;
