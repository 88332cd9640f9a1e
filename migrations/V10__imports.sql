-- The import that runs, or ran last: the mark by which a restart goes on with it.
CREATE TABLE roster_import (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    -- Names the files with their effects: what was confirmed.
    digest   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    address  TEXT,
    -- `staging`: its steps are being written down, and none is done.
    state    TEXT    NOT NULL CHECK (state IN ('staging', 'running', 'done')),
    total    INTEGER NOT NULL,
    done     INTEGER NOT NULL DEFAULT 0,
    -- How many people it adds, changes and disables, and how many links it changes, as JSON.
    counts   TEXT    NOT NULL,
    -- Steps that were no longer possible when their turn came, as a JSON array.
    problems TEXT    NOT NULL DEFAULT '[]'
) STRICT;

-- What is left to do, in this order. A step is removed in the write that does it.
CREATE TABLE roster_import_steps (
    n    INTEGER PRIMARY KEY,
    step TEXT NOT NULL
) STRICT;
