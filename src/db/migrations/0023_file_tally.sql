-- What the names of a repository's files tell, counted (cards/file_tally), of the commit in
-- commit_oid. Owner: hub/facts. Empty in facts of before this column: counted at the next commit.
ALTER TABLE repo_facts ADD COLUMN file_tally TEXT NOT NULL DEFAULT '';
