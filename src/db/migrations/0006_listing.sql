-- What lists, filters and info answers show of a repository. Owner: hub/listing, hub/downloads.
-- All but repo_download is derived from git and can be made again (hearth verify --rebuild).

CREATE TABLE repo_facts (
  repo_id TEXT PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
  commit_oid TEXT NOT NULL,              -- what this was made from
  pipeline_tag TEXT NOT NULL,            -- models; '' when there is none
  library_name TEXT NOT NULL,            -- models
  main_bytes {{bigint}} NOT NULL,
  description TEXT NOT NULL,
  tags TEXT NOT NULL,                    -- JSON array, in order
  more TEXT NOT NULL,                    -- JSON: the rest of RepoFacts that is small
  headers TEXT NOT NULL,                 -- JSON {safetensors?, gguf?}
  card TEXT NOT NULL,                    -- JSON object
  config TEXT NOT NULL                   -- JSON object
) {{strict}};

CREATE TABLE repo_tag (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (repo_id, tag)
) {{strict}};
CREATE INDEX repo_tag_tag ON repo_tag (tag, repo_id);

-- A Space uses a model or a dataset; a model was made from a base model. Targets by name, in lower
-- case: they may live elsewhere, or come later.
CREATE TABLE repo_link (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('model', 'dataset', 'base')),
  target_key TEXT NOT NULL,
  PRIMARY KEY (repo_id, kind, target_key)
) {{strict}};
CREATE INDEX repo_link_target ON repo_link (kind, target_key, repo_id);

-- Downloads by day, and what lists sort by.
CREATE TABLE repo_download (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  day TEXT NOT NULL,                     -- "2026-01-02", UTC
  count {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, day)
) {{strict}};
CREATE INDEX repo_download_day ON repo_download (day, repo_id);

-- What lists sort and filter by: small rows beside repo_facts, so that a walk in the order of a sort
-- key reads little and stops at the end of the page. Each indexed repository has one.
CREATE TABLE repo_rank (
  repo_id TEXT PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
  type TEXT NOT NULL,                    -- as in repo
  pipeline_tag TEXT NOT NULL,            -- as in repo_facts
  parameter_count {{bigint}} NOT NULL,   -- models, from headers of weights; -1: not known
  main_bytes {{bigint}} NOT NULL,        -- as in repo_facts
  downloads {{bigint}} NOT NULL,         -- last 30 days
  downloads_all_time {{bigint}} NOT NULL,
  trending_score {{bigint}} NOT NULL     -- downloads of the last 7 days
) {{strict}};
CREATE INDEX repo_rank_trending ON repo_rank (type, trending_score, repo_id);
CREATE INDEX repo_rank_downloads ON repo_rank (type, downloads, repo_id);
CREATE INDEX repo_rank_parameters ON repo_rank (type, parameter_count, repo_id);
CREATE INDEX repo_rank_bytes ON repo_rank (type, main_bytes, repo_id);
CREATE INDEX repo_likes ON repo (type, likes, id);
