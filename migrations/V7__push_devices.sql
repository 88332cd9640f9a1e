-- A device that its push service throttles waits alone: until when, and how often that was in a row.
ALTER TABLE push_subscriptions ADD COLUMN paused_until INTEGER;
ALTER TABLE push_subscriptions ADD COLUMN throttled INTEGER NOT NULL DEFAULT 0;
-- Its push service knows it by another key than ours: nothing is pushed to it until the key changes or the device subscribes anew.
ALTER TABLE push_subscriptions ADD COLUMN stopped_at INTEGER;

-- Devices that their person removed, by SHA-256 of the endpoint: a page that is opened there does not bring them back.
CREATE TABLE removed_endpoints (
    hash BLOB    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
