-- Long work and outside effects, and who did what. Owner: hub/tasks, hub/audit.

CREATE TABLE task (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,                -- JSON
  unique_key TEXT,                      -- at most one waiting task of a kind and key
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  owner_id TEXT,                        -- the account it is done for; null: the hub itself
  lease_owner TEXT,
  lease_until_ms {{bigint}},
  attempts {{bigint}} NOT NULL,
  attempts_max {{bigint}} NOT NULL,
  run_after_ms {{bigint}} NOT NULL,
  cancel_wanted {{bigint}} NOT NULL,
  progress TEXT NOT NULL,               -- JSON, shown to the owner
  log TEXT NOT NULL,                    -- its last part
  error TEXT,                           -- the last failure, in words
  created_ms {{bigint}} NOT NULL,
  started_ms {{bigint}},
  ended_ms {{bigint}}
) {{strict}};
CREATE INDEX task_due ON task (state, kind, run_after_ms);
CREATE INDEX task_lease ON task (state, lease_until_ms);
CREATE INDEX task_owner ON task (owner_id, created_ms);
CREATE INDEX task_created ON task (created_ms, id);
CREATE INDEX task_kind ON task (kind, created_ms, id);
CREATE INDEX task_ended ON task (ended_ms);
CREATE UNIQUE INDEX task_unique ON task (kind, unique_key) WHERE state = 'queued';

CREATE TABLE audit (
  seq {{serial_key}},
  time_ms {{bigint}} NOT NULL,
  actor_id TEXT,                        -- null: the command line, or the hub itself
  actor_name TEXT NOT NULL,
  remote_address TEXT NOT NULL,
  action TEXT NOT NULL,                 -- "token.create"
  target TEXT NOT NULL,
  detail TEXT NOT NULL                  -- JSON
) {{strict}};
CREATE INDEX audit_time ON audit (time_ms);
CREATE INDEX audit_target ON audit (target, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);
