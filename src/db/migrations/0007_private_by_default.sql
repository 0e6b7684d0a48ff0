-- Whether repositories of a namespace are private when their maker says nothing of it.
ALTER TABLE namespace ADD COLUMN private_by_default {{bigint}} NOT NULL DEFAULT 0;
