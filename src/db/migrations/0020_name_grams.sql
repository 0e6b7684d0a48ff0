-- Where to look for a word in names: each run of four letters of repo.name_key, and the shorter ones
-- at its end, so that any part of a name begins one. Owner: hub/search. Derived from repo.
--
-- Without a reference to repo: its index would double the table. hub/repository_store keeps both
-- together.
CREATE TABLE name_gram (
  gram TEXT NOT NULL,
  repo_id TEXT NOT NULL,
  PRIMARY KEY (gram, repo_id)
) {{strict_by_key}};

WITH RECURSIVE place (number) AS (
  SELECT 1 UNION ALL SELECT number + 1 FROM place WHERE number < 200
)
INSERT INTO name_gram (gram, repo_id)
SELECT substr(r.name_key, p.number, 4), r.id
FROM repo r JOIN place p ON p.number <= length(r.name_key)
WHERE r.deleted_ms IS NULL
GROUP BY 1, 2 ORDER BY 1, 2;  -- Sorted, so that each page of the table is written once.
