-- Facts about people, from which it follows who may write to whom. A day is a text, `2026-11-30`, of the school's time zone.

-- A pupil's, as OneRoster codes it: PK, KG, 01 … 13.
ALTER TABLE users ADD COLUMN grade TEXT;
-- From this day on a pupil's guardian links count only if the pupil has agreed.
ALTER TABLE users ADD COLUMN adult_from TEXT;
-- Telephone numbers, as a JSON array.
ALTER TABLE users ADD COLUMN phones TEXT;

-- Whether they lead the group. NULL: teachers and staff lead a class.
ALTER TABLE group_members ADD COLUMN lead INTEGER;
-- The first and the last day of the membership. NULL: no such day.
ALTER TABLE group_members ADD COLUMN from_day TEXT;
ALTER TABLE group_members ADD COLUMN until_day TEXT;

CREATE TABLE guardian_links (
    child_key     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    guardian_key  INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    -- Free text: mother, foster parent.
    kind          TEXT,
    -- The first and the last day on which it holds. NULL: no such day.
    from_day      TEXT,
    until_day     TEXT,
    -- 0: it gives no relation between the guardian and the school's people.
    contact       INTEGER NOT NULL DEFAULT 1,
    -- 0: the guardian gets nothing of what concerns the child.
    receives      INTEGER NOT NULL DEFAULT 1,
    -- In which order the office calls, 1 first.
    priority      INTEGER,
    -- 1: no import changes it.
    locked        INTEGER NOT NULL DEFAULT 0,
    -- 1: a person set it, on a page or the command line.
    by_hand       INTEGER NOT NULL DEFAULT 0,
    -- 1: a person took it away. It is kept so that no import makes it again, and shown nowhere.
    ended_by_hand INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (child_key, guardian_key),
    CHECK (child_key <> guardian_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX guardian_links_by_guardian ON guardian_links (guardian_key);

-- What imports made had no kind yet: a class, unless a guardian is in it.
UPDATE groups SET kind = 'class' WHERE kind = 'other' AND NOT by_hand AND NOT EXISTS (
    SELECT 1 FROM group_members m JOIN users u ON u.key = m.user_key WHERE m.group_key = groups.key AND u.role = 'guardian');
