-- Reading all that is stored, again and again. Owner: hub/scrub.

CREATE TABLE scrub (
  kind TEXT PRIMARY KEY,                   -- blob, xorb, shard, git, database
  began_ms {{bigint}},                     -- when the pass that is under way began; null: none is
  after_name TEXT NOT NULL,                -- what that pass read last
  whole_since_ms {{bigint}} NOT NULL,      -- all of the kind was read (or written) since
  ended_ms {{bigint}},                     -- when the last whole pass ended; null: none has
  read_count {{bigint}} NOT NULL,          -- of the pass under way, or the last
  read_bytes {{bigint}} NOT NULL
) {{strict}};

-- What turned out to be damaged. xet/ reads it, so that clients are asked for such files again.
CREATE TABLE damaged (
  kind TEXT NOT NULL,                      -- as above
  name TEXT NOT NULL,
  why TEXT NOT NULL,
  found_ms {{bigint}} NOT NULL,
  PRIMARY KEY (kind, name)
) {{strict}};
