-- Whether "delivered" was confirmed by the page itself, and not just by its link answering pings.
ALTER TABLE notification_recipients ADD COLUMN delivered_to_page INTEGER NOT NULL DEFAULT 0;
-- The device has had its pushes of this hour: what waits for it becomes one summary at this time.
ALTER TABLE push_subscriptions ADD COLUMN summary_at INTEGER;
