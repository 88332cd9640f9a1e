-- Reports, reviews, holds, what was removed, and an audit log that proves that it is whole.

-- Each line of the audit log carries the SHA-256 of itself and of the line before, so that none can be changed, taken out, put in or moved
-- without a trace. The functions of the program work it out for the lines that are there.
DROP TRIGGER audit_is_not_edited;
ALTER TABLE audit ADD COLUMN hash BLOB;
CREATE TEMP TABLE chain (key INTEGER PRIMARY KEY, hash BLOB);
WITH RECURSIVE chained (key, hash) AS (
    SELECT key, schoolbell_audit_hash(zeroblob(32), key, at, actor, address, action, target, detail)
    FROM audit WHERE key = (SELECT min(key) FROM audit)
    UNION ALL
    SELECT a.key, schoolbell_audit_hash(c.hash, a.key, a.at, a.actor, a.address, a.action, a.target, a.detail)
    FROM chained c JOIN audit a ON a.key = (SELECT min(key) FROM audit WHERE key > c.key)
)
INSERT INTO chain SELECT key, hash FROM chained;
UPDATE audit SET hash = chain.hash FROM chain WHERE chain.key = audit.key;
DROP TABLE chain;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;
CREATE TRIGGER audit_is_chained BEFORE INSERT ON audit WHEN length(NEW.hash) IS NOT 32 BEGIN
    SELECT RAISE(ABORT, 'a line of the audit log needs its hash');
END;

-- The newest line that retention has removed: the chain begins after it.
CREATE TABLE audit_anchor (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    key  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;
-- Where lines were removed before there was a chain, it begins at the first that is left; and all chains begin with zeros.
INSERT INTO audit_anchor (one, key, hash)
SELECT 1, coalesce((SELECT min(key) - 1 FROM audit), (SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0), zeroblob(32);

-- Texts that a line of the audit log holds the salted hash of. They can be erased, and the line stays as it is.
CREATE TABLE audit_texts (
    audit_key INTEGER PRIMARY KEY,
    salt      BLOB NOT NULL,
    text      TEXT NOT NULL
) STRICT;

-- Who added somebody, granted them a duty, linked an identity to them or gave them a way in: they cannot approve what that one asks for.
CREATE TABLE account_makers (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    actor    TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (user_key, actor)
) STRICT, WITHOUT ROWID;

-- `pending`: another lead has to confirm the grant. `suspended`: an administrator could have logged in as the holder.
ALTER TABLE duties ADD COLUMN state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('pending', 'active', 'suspended'));
ALTER TABLE duties ADD COLUMN granted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE duties ADD COLUMN granted_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE duties ADD COLUMN confirmed_by TEXT;
ALTER TABLE duties ADD COLUMN confirmed_at INTEGER;
CREATE TRIGGER policy_duties_changed AFTER UPDATE OF state ON duties BEGIN UPDATE policy_stamps SET roster = random(); END;

-- Whether somebody has a duty, in whatever state: no token of the school's app acts for them. Triggers keep it, so that no write can forget to.
ALTER TABLE users ADD COLUMN has_duty INTEGER NOT NULL DEFAULT 0;
UPDATE users SET has_duty = 1 WHERE key IN (SELECT user_key FROM duties);
CREATE TRIGGER duties_given AFTER INSERT ON duties BEGIN UPDATE users SET has_duty = 1 WHERE key = NEW.user_key; END;
CREATE TRIGGER duties_taken AFTER DELETE ON duties BEGIN UPDATE users SET has_duty = 0 WHERE key = OLD.user_key; END;

-- The safeguarding leads whose duty is in force.
CREATE VIEW leads AS
SELECT d.user_key FROM duties d JOIN users u ON u.key = d.user_key
WHERE d.duty = 'safeguarding' AND d.state = 'active' AND u.role IN ('teacher', 'staff') AND u.disabled_at IS NULL;

-- A message that was taken back keeps its place, without its text. What it said is kept for the leads, as long as the message itself.
ALTER TABLE messages ADD COLUMN removed_at INTEGER;
ALTER TABLE messages ADD COLUMN removed_by TEXT CHECK (removed_by IN ('sender', 'school'));
CREATE TABLE message_removals (
    -- Of the event.
    seq              INTEGER PRIMARY KEY,
    conversation_key INTEGER NOT NULL REFERENCES conversations (key),
    message_seq      INTEGER NOT NULL,
    remover_key      INTEGER NOT NULL REFERENCES users (key),
    content          TEXT    NOT NULL,
    UNIQUE (conversation_key, message_seq)
) STRICT;

-- What somebody reported. The two are the people of the conversation.
CREATE TABLE reports (
    key          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    message_id   BLOB    NOT NULL,
    reporter_key INTEGER NOT NULL REFERENCES users (key),
    partner_key  INTEGER NOT NULL REFERENCES users (key),
    reason       TEXT    NOT NULL CHECK (reason IN ('bullying', 'unwanted', 'danger', 'other')),
    note         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'open', 'closed')),
    -- The lead who has it.
    lead_key     INTEGER REFERENCES users (key),
    outcome      TEXT    NOT NULL DEFAULT '',
    lead_note    TEXT    NOT NULL DEFAULT '',
    -- When a lead first opened it.
    opened_at    INTEGER,
    -- When the leads are told again; NULL: no more.
    alarm_at     INTEGER,
    closed_at    INTEGER,
    UNIQUE (reporter_key, message_id)
) STRICT;
CREATE INDEX reports_by_partner ON reports (partner_key);
CREATE INDEX reports_by_time ON reports (reporter_key, created_at);
CREATE INDEX reports_by_alarm ON reports (alarm_at) WHERE alarm_at IS NOT NULL;

-- The message and those around it, as they were.
CREATE TABLE report_messages (
    report_key  INTEGER NOT NULL REFERENCES reports (key),
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    sender_id   TEXT    NOT NULL,
    sender_name TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    removed_at  INTEGER,
    removed_by  TEXT,
    PRIMARY KEY (report_key, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER report_messages_stay BEFORE DELETE ON report_messages BEGIN
    SELECT RAISE(ABORT, 'what was reported stays as it was');
END;
CREATE TRIGGER report_messages_are_not_edited BEFORE UPDATE ON report_messages BEGIN
    SELECT RAISE(ABORT, 'what was reported stays as it was');
END;

-- A lead's reading of a conversation.
CREATE TABLE reviews (
    key          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    low_key      INTEGER NOT NULL REFERENCES users (key),
    high_key     INTEGER NOT NULL REFERENCES users (key),
    reason       TEXT    NOT NULL,
    urgent       INTEGER NOT NULL,
    asked_by     INTEGER NOT NULL REFERENCES users (key),
    asked_at     INTEGER NOT NULL,
    approved_by  INTEGER REFERENCES users (key),
    approved_at  INTEGER,
    -- Until when it can be read; NULL: not yet.
    ends_at      INTEGER,
    -- When the two people were told.
    told_at      INTEGER,
    -- When the leads were reminded that they were not.
    reminded_at  INTEGER,
    CHECK (low_key < high_key)
) STRICT;
CREATE INDEX reviews_untold ON reviews (approved_at) WHERE told_at IS NULL AND reminded_at IS NULL;

-- What may not be removed: all of a person's, or the conversation of two.
CREATE TABLE holds (
    key        INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE,
    user_key   INTEGER NOT NULL REFERENCES users (key),
    other_key  INTEGER REFERENCES users (key),
    reason     TEXT    NOT NULL,
    made_by    INTEGER NOT NULL REFERENCES users (key),
    created_at INTEGER NOT NULL,
    ended_by   INTEGER REFERENCES users (key),
    ended_at   INTEGER
) STRICT;
CREATE INDEX holds_in_force ON holds (user_key) WHERE ended_at IS NULL;

-- People who are to be erased once no hold is in the way.
CREATE TABLE pending_erasures (
    user_key INTEGER PRIMARY KEY REFERENCES users (key),
    actor    TEXT    NOT NULL,
    messages TEXT    NOT NULL CHECK (messages IN ('keep', 'remove')),
    asked_at INTEGER NOT NULL
) STRICT;

-- What a copy of before must not bring back, as JSON: it stands also in a file beside the database.
CREATE TABLE journal (
    key   INTEGER PRIMARY KEY AUTOINCREMENT,
    id    TEXT    NOT NULL UNIQUE,
    entry TEXT    NOT NULL
) STRICT;

CREATE INDEX journal_by_child ON journal (entry ->> 'child') WHERE entry ->> 'child' IS NOT NULL;

-- When a lead's notice last answered somebody.
CREATE TABLE notice_replies (
    lead_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    at       INTEGER NOT NULL,
    PRIMARY KEY (lead_key, user_key)
) STRICT, WITHOUT ROWID;

-- 1: pushed through quiet hours.
ALTER TABLE notifications ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;

-- Mails of more kinds, and some to an address that is nobody's here.
CREATE TABLE mails_of_all_kinds (
    key        INTEGER PRIMARY KEY,
    -- A UUIDv7: of `Message-ID`, and what the code of a link is derived from.
    id         TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL,
    user_key   INTEGER REFERENCES users (key) ON DELETE CASCADE,
    -- `external`: to `safeguarding.external`.
    place      TEXT    CHECK (place IN ('external')),
    -- What its text names, as JSON.
    params     TEXT    NOT NULL DEFAULT '{}',
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
    said       TEXT,
    CHECK ((user_key IS NULL) <> (place IS NULL))
) STRICT;
INSERT INTO mails_of_all_kinds (key, id, kind, user_key, created_at, expires_at, due_at, attempts, state, done_at, stage, code, said)
SELECT key, id, kind, user_key, created_at, expires_at, due_at, attempts, state, done_at, stage, code, said FROM mails;
DROP TABLE mails;
ALTER TABLE mails_of_all_kinds RENAME TO mails;
CREATE INDEX mails_due ON mails (due_at) WHERE state = 'waiting';
CREATE INDEX mails_by_user ON mails (user_key, created_at);
CREATE INDEX mails_done ON mails (done_at) WHERE done_at IS NOT NULL;
