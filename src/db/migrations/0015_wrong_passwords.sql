-- Guessed passwords, by name and address. Owner: hub/wrong_passwords. Since then the columns
-- wrong_passwords and blocked_until_ms of account are not read any more.

CREATE TABLE wrong_password (
  name_hash {{bytes}} NOT NULL,         -- SHA-256: someone may type a password where the name belongs
  address TEXT NOT NULL,                -- a caller's network; '*': all that the name does not know
  wrong_count {{bigint}} NOT NULL,
  since_ms {{bigint}} NOT NULL,         -- of the first of them
  blocked_until_ms {{bigint}} NOT NULL, -- no password is tried before
  known_until_ms {{bigint}} NOT NULL,   -- 0: the name never signed in from there
  forget_ms {{bigint}} NOT NULL,
  PRIMARY KEY (name_hash, address)
) {{strict}};
CREATE INDEX wrong_password_forget ON wrong_password (forget_ms);
