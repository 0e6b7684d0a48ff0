-- Discussions and pull requests. Owner: hub/community.

CREATE TABLE discussion (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  num {{bigint}} NOT NULL,              -- from repo.last_discussion
  is_pull_request {{bigint}} NOT NULL,
  title TEXT NOT NULL,
  author_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('draft', 'open', 'closed', 'merged')),
  base_ref TEXT NOT NULL,               -- "refs/heads/main"; '' for a discussion
  merge_commit_oid TEXT NOT NULL,       -- '' until merged
  pinned {{bigint}} NOT NULL,
  comment_count {{bigint}} NOT NULL,
  created_ms {{bigint}} NOT NULL,
  updated_ms {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, num)
) {{strict}};
CREATE INDEX discussion_status ON discussion (repo_id, status, num);
CREATE INDEX discussion_author ON discussion (repo_id, author_id, num);

CREATE TABLE discussion_event (
  id TEXT PRIMARY KEY,                  -- 24 hex
  repo_id TEXT NOT NULL,
  num {{bigint}} NOT NULL,
  position {{bigint}} NOT NULL,         -- in its discussion, from 0
  type TEXT NOT NULL,                   -- comment, status-change, title-change, commit
  author_id TEXT NOT NULL,              -- '' for the hub itself
  created_ms {{bigint}} NOT NULL,
  data TEXT NOT NULL,                   -- JSON as the clients read it
  UNIQUE (repo_id, num, position),
  FOREIGN KEY (repo_id, num) REFERENCES discussion (repo_id, num) ON DELETE CASCADE
) {{strict}};
