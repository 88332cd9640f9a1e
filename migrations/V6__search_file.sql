-- The index of the search over messages has a file of its own (store::search): merging its segments cannot be cut short, and must
-- keep nobody's write waiting. What is in the file is made anew from the messages.
DROP TABLE message_search;
DROP TABLE message_search_watermark;
-- How many messages have ever been removed: by this the index notices that some of its own are gone.
INSERT INTO meta (name, value) VALUES ('messages_removed', '0');
