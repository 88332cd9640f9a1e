-- Mails that are to be sent, and what came of them, kept for two weeks. The text is made when it is sent: it holds no code of a link,
-- and no address.
CREATE TABLE mails (
    key        INTEGER PRIMARY KEY,
    -- A UUIDv7: of `Message-ID`, and what the code of a link is derived from.
    id         TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL CHECK (kind IN ('password_link', 'forgotten_password')),
    user_key   INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    -- Not to be sent later than this.
    expires_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    state      TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead', 'dropped')),
    done_at    INTEGER,
    -- Of the last attempt that failed: at which stage, SMTP's code if it had one, and what the server said.
    stage      TEXT,
    code       INTEGER,
    said       TEXT
) STRICT;
CREATE INDEX mails_due ON mails (due_at) WHERE state = 'waiting';
CREATE INDEX mails_by_user ON mails (user_key, created_at);
CREATE INDEX mails_done ON mails (done_at) WHERE done_at IS NOT NULL;

-- A link that its owner asked for does not take the place of one from the office, which anybody could make happen.
CREATE TABLE password_links_by_origin (
    user_key   INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    origin     TEXT    NOT NULL CHECK (origin IN ('office', 'forgotten')),
    -- SHA-256 of the code.
    hash       BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    -- Whether it went to an address: it ends when the address changes.
    mailed     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_key, origin)
) STRICT;
INSERT INTO password_links_by_origin (user_key, origin, hash, expires_at)
    SELECT user_key, 'office', hash, expires_at FROM password_links;
DROP TABLE password_links;
ALTER TABLE password_links_by_origin RENAME TO password_links;
