-- Logins, until they end. A token of a login from before this table has no row until it is renewed.
CREATE TABLE sessions (
    id           TEXT    PRIMARY KEY,
    user_key     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    -- The user's `token_version` then: with another one, the session has ended.
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    -- Browser and system.
    device       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_until ON sessions (until);
CREATE INDEX sessions_by_user ON sessions (user_key, last_seen_at);
