-- Repositories that are older than the tables of lists (0006) are in no list: a task for each makes
-- their rows. Owner: hub/repositories.
INSERT INTO task (id, kind, payload, unique_key, state, attempts, attempts_max, run_after_ms,
                  cancel_wanted, progress, log, created_ms)
SELECT r.id, 'repo.index', '{"repo_id":"' || r.id || '"}', r.id, 'queued', 0, 5, 0, 0, '{}', '',
       r.updated_ms
FROM repo r
WHERE NOT EXISTS (SELECT 1 FROM repo_rank k WHERE k.repo_id = r.id);
