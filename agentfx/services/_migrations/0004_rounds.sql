-- A job that was redriven, or dropped and needed after all, is open once more. Its starts are
-- numbered on; outcomes of starts up to this one no longer count.
ALTER TABLE jobs ADD COLUMN voided INTEGER NOT NULL DEFAULT 0;
