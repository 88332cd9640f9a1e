-- What administrators set on the dashboard, by `section.key`. A key that is set in the configuration wins.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
