-- What the names of a repository's files tell, counted (cards/file_tally), behind the commit that it
-- was counted for. Owner: hub/facts. Empty in facts of before this column: counted at the next commit.
ALTER TABLE repo_facts ADD COLUMN file_tally TEXT NOT NULL DEFAULT '';
