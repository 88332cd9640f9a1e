-- A device that its push service throttles waits alone: until when, and how often that was in a row.
ALTER TABLE push_subscriptions ADD COLUMN paused_until INTEGER;
ALTER TABLE push_subscriptions ADD COLUMN throttled INTEGER NOT NULL DEFAULT 0;
-- Its push service knows it by another key than ours: nothing is pushed to it until the key changes or the device subscribes anew.
ALTER TABLE push_subscriptions ADD COLUMN stopped_at INTEGER;
