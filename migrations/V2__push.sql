-- Push services, by origin (`https://fcm.googleapis.com`), and what came of the pushes to them.
CREATE TABLE push_services (
    key             INTEGER PRIMARY KEY AUTOINCREMENT,
    origin          TEXT    NOT NULL UNIQUE,
    sent            INTEGER NOT NULL DEFAULT 0,
    failed          INTEGER NOT NULL DEFAULT 0,
    dead            INTEGER NOT NULL DEFAULT 0,
    last_success_at INTEGER,
    -- Nothing is sent before this; `refused`: the service does not accept our key or contact.
    paused_until    INTEGER,
    paused_for      TEXT CHECK (paused_for IN ('throttled', 'refused')),
    -- The last answer other than success: its status (NULL: none came) and what it said.
    last_error_at   INTEGER,
    last_status     INTEGER,
    last_error      TEXT
) STRICT;

-- Browsers that asked for pushes (PushSubscription of the Push API).
CREATE TABLE push_subscriptions (
    -- Never used again: what is on its way to a subscription that has gone must not be taken for another's.
    key             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              BLOB    NOT NULL UNIQUE,
    user_key        INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    service_key     INTEGER NOT NULL REFERENCES push_services (key),
    endpoint        TEXT    NOT NULL UNIQUE,
    p256dh          BLOB    NOT NULL CHECK (length(p256dh) = 65),
    auth            BLOB    NOT NULL CHECK (length(auth) = 16),
    -- Whether nobody but its owner has had it with this secret: who knows the secret may put another in its place.
    renewable       INTEGER NOT NULL DEFAULT 1,
    browser         TEXT    NOT NULL,
    -- When the browser says that it ends.
    expires_at      INTEGER,
    created_at      INTEGER NOT NULL,
    -- When the browser last sent it to us.
    posted_at       INTEGER NOT NULL,
    -- What the user got up to this seq was confirmed by one of their sockets, or is or was in the outbox.
    covered_seq     INTEGER NOT NULL,
    last_success_at INTEGER,
    -- When the push service first refused a push after the last that it took.
    failing_since   INTEGER
) STRICT;
CREATE INDEX push_subscriptions_by_user ON push_subscriptions (user_key);
CREATE INDEX push_subscriptions_by_service ON push_subscriptions (service_key);

-- One push to one subscription that is still to be sent. What it says is read from its message or notification when it
-- is sent. `object_key`: the conversation of a message, the notification; 0 for a test.
CREATE TABLE push_outbox (
    user_key         INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    subscription_key INTEGER NOT NULL,
    service_key      INTEGER NOT NULL,
    kind             TEXT    NOT NULL CHECK (kind IN ('message', 'notification', 'test')),
    object_key       INTEGER NOT NULL,
    urgency          TEXT    NOT NULL CHECK (urgency IN ('very-low', 'low', 'normal', 'high')),
    -- Seconds for which the push service may keep it, counted from `created_at`.
    ttl              INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    -- NULL: it is done, and stays until `covered_seq` has reached it, so that it is not done again.
    due_at           INTEGER,
    tries            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_key, seq, subscription_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_outbox_by_due ON push_outbox (service_key, due_at) WHERE due_at IS NOT NULL;

-- Instead of a foreign key, which would need an index of its own on every row.
CREATE TRIGGER push_outbox_without_subscription AFTER DELETE ON push_subscriptions BEGIN
    DELETE FROM push_outbox WHERE user_key = OLD.user_key AND subscription_key = OLD.key;
END;

-- Pushes that were given up, for two weeks, without what they said.
CREATE TABLE push_dead_letters (
    key         INTEGER PRIMARY KEY,
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    service_key INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    status      INTEGER,
    reason      TEXT    NOT NULL,
    died_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX push_dead_letters_by_time ON push_dead_letters (died_at);
CREATE INDEX push_dead_letters_by_user ON push_dead_letters (user_key);
CREATE INDEX push_dead_letters_by_service ON push_dead_letters (service_key);

-- What somebody wants pushed and when, as JSON; no row stands for everything, always.
CREATE TABLE push_preferences (
    user_key INTEGER PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    value    TEXT NOT NULL
) STRICT;
