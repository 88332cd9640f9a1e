-- What the columns of other programs' files are, by the names of the columns: kept for the next file of the kind.
CREATE TABLE roster_mappings (
    -- The names, as a JSON array.
    header  TEXT PRIMARY KEY,
    mapping TEXT NOT NULL
) STRICT, WITHOUT ROWID;
