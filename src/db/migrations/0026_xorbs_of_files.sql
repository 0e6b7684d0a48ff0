-- Which files a xorb is a part of, so that the answer to a question for one chunk can tell of the whole
-- file. Derived from xet_file.terms; a task makes the rows of files that are older than it.
-- Owner: xet.
CREATE TABLE xet_file_xorb (
  xorb_hash {{bytes}} NOT NULL,
  file_hash {{bytes}} NOT NULL REFERENCES xet_file (file_hash) ON DELETE CASCADE,
  PRIMARY KEY (xorb_hash, file_hash)
) {{strict_by_key}};
CREATE INDEX xet_file_xorb_file ON xet_file_xorb (file_hash);

INSERT INTO task (id, kind, payload, unique_key, state, attempts, attempts_max, run_after_ms,
                  cancel_wanted, progress, log, created_ms)
SELECT '000000000000000000000026', 'xet.note_xorbs', '{}', 'xet.note_xorbs', 'queued', 0, 5, 0, 0, '{}', '',
       (SELECT MAX(created_ms) FROM xet_file)
WHERE EXISTS (SELECT 1 FROM xet_file);
