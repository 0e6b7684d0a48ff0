-- People, organisations and what they prove themselves with. Owner: hub/accounts.

-- One space of names for people and organisations: a repository id begins with one of them.
CREATE TABLE namespace (
  name_key TEXT PRIMARY KEY,            -- the name in lower case
  id TEXT NOT NULL UNIQUE,              -- of the account or organisation
  kind TEXT NOT NULL CHECK (kind IN ('user', 'org')),
  name TEXT NOT NULL,
  created_ms {{bigint}} NOT NULL
) {{strict}};

CREATE TABLE account (
  id TEXT PRIMARY KEY REFERENCES namespace (id) ON DELETE CASCADE,
  fullname TEXT NOT NULL,
  email TEXT,
  is_admin {{bigint}} NOT NULL,
  disabled {{bigint}} NOT NULL,
  password_hash TEXT,                   -- argon2id with its parameters; null: no password sign-in
  wrong_passwords {{bigint}} NOT NULL,  -- in a row
  blocked_until_ms {{bigint}} NOT NULL, -- no password is tried before
  updated_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX account_admin ON account (is_admin);

CREATE TABLE organisation (
  id TEXT PRIMARY KEY REFERENCES namespace (id) ON DELETE CASCADE,
  fullname TEXT NOT NULL,
  email TEXT
) {{strict}};

CREATE TABLE member (
  org_id TEXT NOT NULL REFERENCES organisation (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('read', 'contributor', 'write', 'admin')),
  created_ms {{bigint}} NOT NULL,
  PRIMARY KEY (org_id, user_id)
) {{strict}};
CREATE INDEX member_user ON member (user_id);

-- Secrets are kept as SHA-256 only: they are long random texts, so a slow hash adds nothing.
CREATE TABLE access_token (
  id TEXT PRIMARY KEY,
  token_hash {{bytes}} NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  display_name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('read', 'write', 'fineGrained')),
  scopes TEXT,                          -- JSON as in whoami-v2; fineGrained only
  created_ms {{bigint}} NOT NULL,
  last_used_ms {{bigint}},              -- to a few minutes
  expires_ms {{bigint}},
  UNIQUE (user_id, display_name)
) {{strict}};

CREATE TABLE session (
  id TEXT PRIMARY KEY,
  token_hash {{bytes}} NOT NULL UNIQUE,
  user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  created_ms {{bigint}} NOT NULL,
  last_used_ms {{bigint}} NOT NULL,
  expires_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_expiry ON session (expires_ms);

-- A sign-in that someone gave to a program; its tokens die with it.
CREATE TABLE oauth_grant (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,                  -- separated by blanks
  created_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX oauth_grant_user ON oauth_grant (user_id);

CREATE TABLE oauth_token (
  token_hash {{bytes}} PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
  grant_id TEXT NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
  created_ms {{bigint}} NOT NULL,
  expires_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX oauth_token_grant ON oauth_token (grant_id);
CREATE INDEX oauth_token_expiry ON oauth_token (expires_ms);

CREATE TABLE device_login (
  device_hash {{bytes}} PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,       -- without the dash
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied')),
  user_id TEXT REFERENCES account (id) ON DELETE CASCADE,
  interval_ms {{bigint}} NOT NULL,
  next_poll_ms {{bigint}} NOT NULL,
  created_ms {{bigint}} NOT NULL,
  expires_ms {{bigint}} NOT NULL
) {{strict}};
CREATE INDEX device_login_expiry ON device_login (expires_ms);

-- The single-use link by which the first administrator is made. At most one row.
CREATE TABLE setup_link (
  token_hash {{bytes}} PRIMARY KEY,
  created_ms {{bigint}} NOT NULL
) {{strict}};
