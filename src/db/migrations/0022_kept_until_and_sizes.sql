-- Until when a deleted repository is kept, as its deleter was told. Owner: hub/repo_deletion.
-- Decided when it is deleted: a collection with other settings does not take it earlier. Null in
-- what was deleted before this column: it is kept until a server starts, which knows its setting.
ALTER TABLE repo ADD COLUMN kept_until_ms {{bigint}};

-- For quotas: whether a file of a size can be there already. Owner: hub/ledger.
CREATE INDEX pointer_size ON pointer (repo_id, size_bytes);
