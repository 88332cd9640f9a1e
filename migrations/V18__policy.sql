-- Who may write to whom.

-- Stamps of what decisions rest on: one that was kept stands for as long as both numbers are the same. Triggers change them, so that no
-- write, of whatever program, can forget to. They are random: the number of a write that was rolled back must not come again.
CREATE TABLE policy_stamps (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    -- Roles, grades, groups, guardian links, no-contact orders and duties.
    roster INTEGER NOT NULL,
    -- What the dashboard sets.
    policy INTEGER NOT NULL,
    -- How many no-contact orders and blocks there are: most schools have none, and then no message looks for one.
    orders INTEGER NOT NULL,
    blocks INTEGER NOT NULL
) STRICT;
INSERT INTO policy_stamps (one, roster, policy, orders, blocks) VALUES (1, 1, 1, 0, 0);

-- Two people, or one and everybody of a role, who have nothing to do with each other here.
CREATE TABLE no_contact (
    key        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    a_key      INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    b_key      INTEGER REFERENCES users (key) ON DELETE CASCADE,
    role       TEXT CHECK (role IN ('student', 'teacher', 'guardian', 'staff', 'admin')),
    -- The last day on which it holds. NULL: until it is taken back.
    until_day  TEXT,
    reason     TEXT    NOT NULL,
    made_by    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CHECK ((b_key IS NULL) <> (role IS NULL) AND a_key IS NOT b_key)
) STRICT;
CREATE INDEX no_contact_by_a ON no_contact (a_key);
CREATE INDEX no_contact_by_b ON no_contact (b_key) WHERE b_key IS NOT NULL;
CREATE INDEX no_contact_by_role ON no_contact (role) WHERE role IS NOT NULL;

-- Duties that people have beside their role, while they are in force.
CREATE TABLE duties (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    duty     TEXT    NOT NULL CHECK (duty IN ('safeguarding')),
    PRIMARY KEY (user_key, duty)
) STRICT, WITHOUT ROWID;

-- What the blocked one writes to the user is stored, and shown to the writer alone.
CREATE TABLE blocks (
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    blocked_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (user_key, blocked_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_by_blocked ON blocks (blocked_key);

-- What the partner writes to the user is not pushed.
CREATE TABLE mutes (
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    partner_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (user_key, partner_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX mutes_by_partner ON mutes (partner_key);

-- 1: its receiver had blocked the sender, and never sees it.
ALTER TABLE messages ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
-- When the member's newest message was sent that the others can answer. Imported messages are history, which opens no answer: NULL.
ALTER TABLE conversation_members ADD COLUMN wrote_at INTEGER;
-- Whether others see when they are online. NULL: as the configuration has it for their role.
ALTER TABLE users ADD COLUMN show_online INTEGER;

-- The newest message of each member that was not imported: the id of one of our own is a UUIDv7.
UPDATE conversation_members SET wrote_at = (
    SELECT m.created_at FROM messages m
    WHERE m.conversation_key = conversation_members.conversation_key
      AND m.sender_key = conversation_members.user_key AND substr(hex(m.id), 13, 1) = '7'
    ORDER BY m.seq DESC LIMIT 1)
WHERE last_seq > 0;

CREATE TRIGGER policy_users AFTER UPDATE OF role, grade, adult_from, disabled_at ON users
WHEN (OLD.role, OLD.grade, OLD.adult_from, OLD.disabled_at IS NULL) IS NOT (NEW.role, NEW.grade, NEW.adult_from, NEW.disabled_at IS NULL)
BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_users_gone AFTER DELETE ON users BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_groups AFTER UPDATE OF id, kind ON groups BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_groups_new AFTER INSERT ON groups BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_groups_gone AFTER DELETE ON groups BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_members AFTER UPDATE ON group_members BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_members_new AFTER INSERT ON group_members BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_members_gone AFTER DELETE ON group_members BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_links AFTER UPDATE ON guardian_links BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_links_new AFTER INSERT ON guardian_links BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_links_gone AFTER DELETE ON guardian_links BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_orders AFTER UPDATE ON no_contact BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_orders_new AFTER INSERT ON no_contact BEGIN UPDATE policy_stamps SET roster = random(), orders = orders + 1; END;
CREATE TRIGGER policy_orders_gone AFTER DELETE ON no_contact BEGIN UPDATE policy_stamps SET roster = random(), orders = orders - 1; END;
CREATE TRIGGER policy_duties_new AFTER INSERT ON duties BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_duties_gone AFTER DELETE ON duties BEGIN UPDATE policy_stamps SET roster = random(); END;
CREATE TRIGGER policy_set AFTER INSERT ON settings WHEN NEW.name = 'policy' BEGIN UPDATE policy_stamps SET policy = random(); END;
CREATE TRIGGER policy_changed AFTER UPDATE ON settings WHEN NEW.name = 'policy' BEGIN UPDATE policy_stamps SET policy = random(); END;
CREATE TRIGGER policy_unset AFTER DELETE ON settings WHEN OLD.name = 'policy' BEGIN UPDATE policy_stamps SET policy = random(); END;
CREATE TRIGGER blocks_new AFTER INSERT ON blocks BEGIN UPDATE policy_stamps SET blocks = blocks + 1; END;
CREATE TRIGGER blocks_gone AFTER DELETE ON blocks BEGIN UPDATE policy_stamps SET blocks = blocks - 1; END;
