-- Who likes what. Owner: hub/likes. repo.likes is the count of a repository's rows.
CREATE TABLE repo_like (
  repo_id TEXT NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  created_ms {{bigint}} NOT NULL,
  PRIMARY KEY (repo_id, user_id)
) {{strict}};
CREATE INDEX repo_like_user ON repo_like (user_id, repo_id);
