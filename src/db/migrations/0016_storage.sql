-- How much is stored for whom. Owner: hub/ledger.

-- Of each repository the large files that any commit names, each once, but for those that were
-- deleted for good; git_bytes beside it is what its git objects take, never less than that.
ALTER TABLE repo ADD COLUMN large_bytes {{bigint}} NOT NULL DEFAULT 0;
-- The sum of both over the repositories of a namespace that are not deleted.
ALTER TABLE namespace ADD COLUMN used_bytes {{bigint}} NOT NULL DEFAULT 0;
-- How much that may be; null: as the settings say; -1: any amount.
ALTER TABLE namespace ADD COLUMN quota_bytes {{bigint}};

UPDATE repo SET large_bytes = (
  SELECT COALESCE(SUM(f.size_bytes), 0) FROM (
    SELECT MAX(p.size_bytes) AS size_bytes FROM pointer p WHERE p.repo_id = repo.id GROUP BY p.sha256
  ) f
);
UPDATE namespace SET used_bytes = (
  SELECT COALESCE(SUM(r.large_bytes + r.git_bytes), 0) FROM repo r
  WHERE r.namespace_id = namespace.id AND r.deleted_ms IS NULL
);
-- Files that were deleted for good may be known already (0017) or not: a task takes them off.
INSERT INTO task (id, kind, payload, unique_key, state, attempts, attempts_max, run_after_ms,
                  cancel_wanted, progress, log, created_ms)
SELECT '000000000000000000000016', 'hub.count_storage', '{}', 'hub.count_storage', 'queued', 0, 5, 0, 0,
       '{}', '', r.updated_ms
FROM repo r ORDER BY r.updated_ms DESC LIMIT 1;
