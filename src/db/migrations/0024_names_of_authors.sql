-- For lists of an author and lists in the order of names, which read nothing but ids: through the
-- unique index each id took a look at its row. Owner: hub/listing_query_store.
CREATE INDEX repo_name ON repo (type, name_key, id);
