-- Whether "delivered" was confirmed by the page itself (1), or just by its connection answering pings (0). NULL: not known, of before.
ALTER TABLE notification_recipients ADD COLUMN delivered_to_page INTEGER;
-- The device has had its pushes of this hour: what waits for it becomes one summary at this time.
ALTER TABLE push_subscriptions ADD COLUMN summary_at INTEGER;
