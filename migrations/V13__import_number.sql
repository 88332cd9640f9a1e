-- Rises with each import that is written down: a plan that was made before another import is not done after it.
ALTER TABLE roster_import ADD COLUMN number INTEGER NOT NULL DEFAULT 1;
