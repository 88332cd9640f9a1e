-- When a pupil who is of age agreed to the link: from `adult_from` on it holds only then.
ALTER TABLE guardian_links ADD COLUMN agreed_at INTEGER;
