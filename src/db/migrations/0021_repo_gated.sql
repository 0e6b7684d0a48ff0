-- For lists of gated repositories, which are few.
CREATE INDEX repo_gated ON repo (type, id) WHERE gated <> '';
