-- Times are Unix milliseconds (UTC). Ids that leave the server are `id`; `key` columns are internal
-- and never leave it: they keep the rows and the indexes narrow.

-- Small facts about the database itself.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `epoch` names this history of the sequence: it is replaced when a backup is restored.
INSERT INTO meta (name, value) VALUES ('epoch', lower(hex(randomblob(8))));

-- The one sequence: the `seq` of the newest durable event. One row, written once per commit.
CREATE TABLE sequence (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO sequence (one, value) VALUES (1, 0);

CREATE TABLE users (
    key           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    username      TEXT    COLLATE NOCASE UNIQUE,
    name          TEXT    NOT NULL,
    email         TEXT    COLLATE NOCASE,
    avatar        TEXT,
    role          TEXT    NOT NULL CHECK (role IN ('student', 'teacher', 'guardian', 'staff', 'admin')),
    password_hash TEXT,
    -- Tokens of our own carry the version they were issued at; tokens of other issuers are compared by time.
    token_version INTEGER NOT NULL DEFAULT 0,
    tokens_after  INTEGER NOT NULL DEFAULT 0,
    -- `iat` (seconds) of the token that name, e-mail and avatar were last taken from: an older one does not undo it.
    profile_at    INTEGER NOT NULL DEFAULT 0,
    disabled_at   INTEGER,
    last_seen_at  INTEGER,
    -- Name and username, lower case and without diacritics, for the people search.
    folded        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_by_email ON users (email) WHERE email IS NOT NULL AND password_hash IS NOT NULL;
CREATE INDEX users_by_role ON users (role);

-- What a person has not read, kept by the writes that change it, so that no read counts rows.
CREATE TABLE unread (
    user_key      INTEGER PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    messages      INTEGER NOT NULL DEFAULT 0 CHECK (messages >= 0),
    notifications INTEGER NOT NULL DEFAULT 0 CHECK (notifications >= 0)
) STRICT;

CREATE TABLE groups (
    key        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('class', 'cohort', 'club', 'other')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE group_members (
    group_key INTEGER NOT NULL REFERENCES groups (key) ON DELETE CASCADE,
    user_key  INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    PRIMARY KEY (group_key, user_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_user ON group_members (user_key);

CREATE TABLE api_keys (
    key          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

-- A conversation of two people is found by its pair (low key, high key); one of a group has none.
CREATE TABLE conversations (
    key        INTEGER PRIMARY KEY,
    low_key    INTEGER REFERENCES users (key),
    high_key   INTEGER REFERENCES users (key),
    created_at INTEGER NOT NULL,
    CHECK ((low_key IS NULL) = (high_key IS NULL) AND (low_key IS NULL OR low_key < high_key))
) STRICT;
CREATE UNIQUE INDEX conversations_by_pair ON conversations (low_key, high_key) WHERE low_key IS NOT NULL;

-- The counters stand with the member, so that the list of conversations costs what it returns.
CREATE TABLE conversation_members (
    conversation_key INTEGER NOT NULL REFERENCES conversations (key) ON DELETE CASCADE,
    user_key         INTEGER NOT NULL REFERENCES users (key),
    last_seq         INTEGER NOT NULL,
    last_read_seq    INTEGER NOT NULL DEFAULT 0,
    unread_count     INTEGER NOT NULL DEFAULT 0 CHECK (unread_count >= 0),
    PRIMARY KEY (conversation_key, user_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_members_by_activity ON conversation_members (user_key, last_seq);

-- Clustered by conversation: a page of history lies together on disk, however many messages there are.
CREATE TABLE messages (
    conversation_key INTEGER NOT NULL REFERENCES conversations (key),
    seq              INTEGER NOT NULL,
    id               BLOB    NOT NULL,
    sender_key       INTEGER NOT NULL REFERENCES users (key),
    content          TEXT    NOT NULL,
    client_id        TEXT,
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (conversation_key, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_by_seq ON messages (seq);
CREATE UNIQUE INDEX messages_by_id ON messages (id);
CREATE UNIQUE INDEX messages_by_client_id ON messages (sender_key, client_id) WHERE client_id IS NOT NULL;

-- One row for each time somebody read something: the event to replay, and the time at which a message was read.
CREATE TABLE message_reads (
    seq              INTEGER PRIMARY KEY,
    conversation_key INTEGER NOT NULL REFERENCES conversations (key),
    reader_key       INTEGER NOT NULL REFERENCES users (key),
    partner_key      INTEGER NOT NULL REFERENCES users (key),
    up_to_seq        INTEGER NOT NULL,
    read_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX message_reads_by_conversation ON message_reads (conversation_key, partner_key, up_to_seq, read_at);
CREATE INDEX message_reads_by_reader ON message_reads (reader_key, seq);
CREATE INDEX message_reads_by_partner ON message_reads (partner_key, seq);

-- The text of a notification is stored once, whoever gets it.
CREATE TABLE notifications (
    key              INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE,
    type             TEXT    NOT NULL,
    title            TEXT    NOT NULL,
    message          TEXT    NOT NULL,
    link             TEXT,
    urgency          TEXT    NOT NULL CHECK (urgency IN ('very-low', 'low', 'normal', 'high')),
    ttl              INTEGER NOT NULL,
    -- Who sent it: `user:<id>` or `key:<id>`.
    sender           TEXT    NOT NULL,
    idempotency_key  TEXT,
    -- SHA-256 of the request that `idempotency_key` stood for, and the answer that it got.
    request_hash     BLOB,
    recipient_count  INTEGER NOT NULL,
    unknown          TEXT    NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX notifications_by_idempotency_key ON notifications (sender, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE notification_recipients (
    user_key         INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    notification_key INTEGER NOT NULL REFERENCES notifications (key) ON DELETE CASCADE,
    read_at          INTEGER,
    PRIMARY KEY (user_key, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX notification_recipients_by_notification ON notification_recipients (notification_key, user_key);

-- The recipients of a large announcement that have no row yet: 8 bytes little-endian for each user key.
-- The row goes when `done` has reached the end, so a restart finishes what a crash cut.
CREATE TABLE notification_deliveries (
    notification_key INTEGER PRIMARY KEY REFERENCES notifications (key) ON DELETE CASCADE,
    user_keys        BLOB    NOT NULL,
    done             INTEGER NOT NULL
) STRICT;

-- One row for each time somebody marked notifications read. `ids` is a JSON array, NULL for all of them.
CREATE TABLE notification_reads (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    ids      TEXT,
    PRIMARY KEY (user_key, seq)
) STRICT, WITHOUT ROWID;

-- Who took part in a message stands in `people` as one token each (`u17`), so that a search walks only the
-- caller's messages. Contentless: the text is not stored twice. The rowid is the message's seq.
CREATE VIRTUAL TABLE message_search USING fts5 (
    people, content,
    content = '', contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);

-- Messages up to this seq are in the index. It is written behind, when the writer is idle.
CREATE TABLE message_search_watermark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO message_search_watermark (one, seq) VALUES (1, 0);
