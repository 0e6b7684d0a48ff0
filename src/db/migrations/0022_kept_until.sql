-- Until when a deleted repository is kept, as its deleter was told. Owner: hub/repo_deletion.
-- Decided when it is deleted: a collection with other settings does not take it earlier.
ALTER TABLE repo ADD COLUMN kept_until_ms {{bigint}};
UPDATE repo SET kept_until_ms = deleted_ms + 7 * 86400000 WHERE deleted_ms IS NOT NULL;
