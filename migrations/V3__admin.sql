-- What administrators did. Lines are added and never changed.
CREATE TABLE audit (
    key     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    -- `user:<id>`, `key:<id>` or `command line`.
    actor   TEXT    NOT NULL,
    address TEXT,
    action  TEXT    NOT NULL,
    -- The id of what it was done to.
    target  TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is not cut');
END;

-- One-time links by which somebody sets their password; a new one replaces the one before.
CREATE TABLE password_links (
    user_key   INTEGER PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    -- SHA-256 of the code.
    hash       BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;

-- The stages of each recipient: confirmed by a socket, taken by a push service, or not pushed and why.
ALTER TABLE notification_recipients ADD COLUMN delivered_at INTEGER;
ALTER TABLE notification_recipients ADD COLUMN pushed_at INTEGER;
ALTER TABLE notification_recipients ADD COLUMN failure TEXT
    CHECK (failure IN ('gone', 'refused', 'expired', 'off', 'none'));
-- The origin of the push service that it failed at.
ALTER TABLE notification_recipients ADD COLUMN failed_at TEXT;

-- Its recipient took it from their list.
ALTER TABLE notification_recipients ADD COLUMN removed_at INTEGER;

-- Notifications up to this seq have their `delivered_at`, where a socket confirmed them.
ALTER TABLE unread ADD COLUMN delivered_seq INTEGER NOT NULL DEFAULT 0;
UPDATE unread SET delivered_seq = (SELECT value FROM sequence);

-- What an administrator announces, now or at a time. Who got it is the business of its notification.
CREATE TABLE announcements (
    key              INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE,
    title            TEXT    NOT NULL,
    message          TEXT    NOT NULL,
    link             TEXT,
    urgency          TEXT    NOT NULL CHECK (urgency IN ('very-low', 'low', 'normal', 'high')),
    -- Whom it is for, as JSON.
    audience         TEXT    NOT NULL,
    sender           TEXT    NOT NULL,
    idempotency_key  TEXT,
    reminder_of      INTEGER REFERENCES announcements (key),
    created_at       INTEGER NOT NULL,
    send_at          INTEGER NOT NULL,
    cancelled_at     INTEGER,
    -- Once it is sent.
    notification_key INTEGER UNIQUE REFERENCES notifications (key)
) STRICT;
CREATE UNIQUE INDEX announcements_by_idempotency_key ON announcements (sender, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX announcements_by_time ON announcements (send_at)
    WHERE notification_key IS NULL AND cancelled_at IS NULL;

-- Figures for charts, by hour (hours since 1970): counts, and how many answers took how long.
CREATE TABLE figures (
    hour  INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (hour, name)
) STRICT, WITHOUT ROWID;

-- Imports know groups by their name.
CREATE INDEX groups_by_name ON groups (name);
