-- Codes of an authenticator app (RFC 6238) beside the password. The secret is derived from the nonce and the server's key: the database
-- alone does not have it.
ALTER TABLE users ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;
CREATE TABLE second_factors (
    user_key  INTEGER PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    nonce     TEXT    NOT NULL,
    -- The time step of the newest code that was accepted: none is accepted twice.
    last_step INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Each is accepted once, in the place of a code: for who has lost the app.
CREATE TABLE recovery_codes (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    -- SHA-256 of the code.
    hash     BLOB    NOT NULL,
    PRIMARY KEY (user_key, hash)
) STRICT, WITHOUT ROWID;
