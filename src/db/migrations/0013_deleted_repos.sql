-- Repositories that were deleted and can still be brought back. Owner: hub/repo_deletion.

-- When it was deleted; null while it is there. A deleted one keeps everything but its name: name_key
-- is its id, which is nobody's name, so that the name is free at once.
ALTER TABLE repo ADD COLUMN deleted_ms {{bigint}};
CREATE INDEX repo_deleted ON repo (deleted_ms, id) WHERE deleted_ms IS NOT NULL;
