-- A wake job is done in the transaction of its turn: none is open any more whose turn is on record.
UPDATE jobs SET state = 'done', outcome = '{"ok":"\"turn\""}', holder = NULL
    WHERE state = 'open' AND id IN (SELECT wake FROM sessions WHERE wake_used = 1);
UPDATE sessions SET wake = NULL WHERE wake_used = 1;
ALTER TABLE sessions DROP COLUMN wake_used;
