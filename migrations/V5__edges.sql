-- Whom a token of the school's own app may act for depends on how somebody came to be here: made by such a token, imported (or
-- added by an API key), or added by hand; and on whether there ever was a password, or a link to set one.
ALTER TABLE users ADD COLUMN origin TEXT NOT NULL DEFAULT 'hand' CHECK (origin IN ('token', 'import', 'hand'));
ALTER TABLE users ADD COLUMN had_login INTEGER NOT NULL DEFAULT 0;
-- Whether the role was set by an import or an administrator: then no token changes it.
ALTER TABLE users ADD COLUMN role_set INTEGER NOT NULL DEFAULT 1;
UPDATE users SET
    origin = CASE WHEN username IS NULL THEN 'token' WHEN password_hash IS NULL THEN 'import' ELSE 'hand' END,
    had_login = password_hash IS NOT NULL OR key IN (SELECT user_key FROM password_links),
    role_set = username IS NOT NULL;

-- What usernames are compared by: case folded, composed. Where two have become one the older keeps it, and the other has none: it
-- logs in by its exact spelling. `schoolbell_case_key` and `schoolbell_fold` are functions of the program.
ALTER TABLE users ADD COLUMN username_key TEXT;
CREATE TEMP TABLE keys AS SELECT key, schoolbell_case_key(username) AS username_key FROM users WHERE username IS NOT NULL;
UPDATE users SET username_key = (
    SELECT k.username_key FROM keys k
    WHERE k.key = users.key AND k.key = (SELECT min(o.key) FROM keys o WHERE o.username_key = k.username_key)
) WHERE username IS NOT NULL;
DROP TABLE keys;
CREATE UNIQUE INDEX users_by_username_key ON users (username_key) WHERE username_key IS NOT NULL;

UPDATE users SET folded = schoolbell_fold(name || ' ' || coalesce(username, '')) WHERE erased_at IS NULL;

-- An address may be several people's; it logs somebody in only while it is one person's.
DROP INDEX users_by_email;
CREATE INDEX users_by_email ON users (email) WHERE email IS NOT NULL;

-- As whom somebody acts who has a token of this issuer and subject: an administrator said so.
CREATE TABLE identities (
    issuer   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_user ON identities (user_key);

-- Sessions that were logged out before their tokens end. Kept until then.
CREATE TABLE ended_sessions (
    id       TEXT    PRIMARY KEY,
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether a group was made by hand: an import takes nobody out of it.
ALTER TABLE groups ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;

-- Names and addresses do not belong into the audit log: whoever is erased would stay in it. What is left says which fields changed.
DROP TRIGGER audit_is_not_edited;
UPDATE audit SET detail = '' WHERE action = 'person.add' AND detail <> 'imported';
UPDATE audit SET detail = rtrim(
    CASE WHEN detail LIKE 'username%' OR detail LIKE '%, username%' THEN 'username, ' ELSE '' END
    || CASE WHEN detail LIKE 'name%' OR detail LIKE '%, name%' THEN 'name, ' ELSE '' END
    || CASE WHEN detail LIKE 'e-mail%' OR detail LIKE '%, e-mail%' OR detail LIKE 'email%' OR detail LIKE '%, email%'
            THEN 'email, ' ELSE '' END
    || CASE WHEN detail LIKE 'role%' OR detail LIKE '%, role%' THEN 'role, ' ELSE '' END
    || CASE WHEN detail LIKE 'groups%' OR detail LIKE '%, groups%' THEN 'groups, ' ELSE '' END
    || CASE WHEN detail LIKE 'status%' OR detail LIKE '%, status%' THEN 'status, ' ELSE '' END, ', ')
WHERE action = 'person.change';
-- Titles are what somebody wrote; names of groups may be names of people.
UPDATE audit SET detail = '' WHERE action IN ('announcement.make', 'group.add', 'group.change', 'group.remove', 'key.make');
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;
-- INSERT OR REPLACE would be an edit.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE key = NEW.key) BEGIN
    SELECT RAISE(ABORT, 'the audit log is not edited');
END;

CREATE INDEX audit_by_action ON audit (action, at);

-- Texts are cut into words before they are indexed (model::search), so the index is made anew, behind other writes.
DROP TABLE message_search;
CREATE VIRTUAL TABLE message_search USING fts5 (
    people, content,
    content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'", prefix = '2 3'
);
UPDATE message_search_watermark SET seq = 0;
