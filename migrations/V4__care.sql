-- Somebody whose data was erased: the row stays for what others have of them, without a name.
ALTER TABLE users ADD COLUMN erased_at INTEGER;

-- Whose data was erased, by an HMAC of the id: a token from before must not make the account anew.
CREATE TABLE erased (
    mac TEXT PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lines of the audit log go when the configuration says how long they are kept, and in no other way: before it removes
-- any, retention writes down up to which time.
DROP TRIGGER audit_is_not_cut;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
WHEN OLD.at >= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'audit_kept_from'), 0) BEGIN
    SELECT RAISE(ABORT, 'the audit log is not cut');
END;
