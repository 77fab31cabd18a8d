-- Logs of sessions. Jobs of a session belong to a run of its own, which no driver drives.

CREATE TABLE sessions (
    no         INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    run_no     INTEGER NOT NULL REFERENCES runs (no),
    agent      TEXT NOT NULL,           -- task that makes a step
    code       TEXT,                    -- version of the driver's code that has it
    policy     TEXT NOT NULL,           -- of a message during a turn: queue, preempt
    results    TEXT NOT NULL,           -- a step waits for all results, or for each
    epoch      INTEGER NOT NULL,        -- turns and wakes of a lower one are refused
    head       INTEGER NOT NULL,        -- seq of the last event
    chain      TEXT NOT NULL,           -- hash of the last event
    wakes      INTEGER NOT NULL,        -- how many wake jobs there were
    wake       TEXT,                    -- the open wake job, if there is one
    wake_head  INTEGER NOT NULL,        -- head when it was queued
    wake_used  INTEGER NOT NULL,        -- its turn is on record
    due_at     REAL,                    -- no wake before
    budget     REAL,                    -- how much the model calls of its purse may cost
    purse      TEXT NOT NULL,           -- sessions with the same purse share a budget
    parent     TEXT,
    parent_seq INTEGER,
    created_at REAL NOT NULL
);
CREATE INDEX sessions_due ON sessions (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE session_events (
    session_no  INTEGER NOT NULL REFERENCES sessions (no) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    at          REAL NOT NULL,
    writer      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    key         TEXT,                   -- an append with it is made once
    body        TEXT NOT NULL,          -- JSON; of a large one, a reference to a blob
    stimulus    INTEGER NOT NULL,       -- somebody has to react to it
    reacting_to INTEGER,                -- the highest stimulus that this reacts to
    hash        TEXT NOT NULL,          -- of this event and of all before it
    PRIMARY KEY (session_no, seq)
);
CREATE UNIQUE INDEX session_keys ON session_events (session_no, key) WHERE key IS NOT NULL;
CREATE INDEX session_stimuli ON session_events (session_no, seq) WHERE stimulus = 1;
CREATE INDEX session_reactions ON session_events (session_no, reacting_to)
    WHERE reacting_to IS NOT NULL;
CREATE INDEX session_cuts ON session_events (session_no, seq) WHERE kind = 'cut';

-- Tool calls: which have no result yet. A call is closed in the transaction of its result.
CREATE TABLE session_calls (
    session_no INTEGER NOT NULL REFERENCES sessions (no) ON DELETE CASCADE,
    call       TEXT NOT NULL,
    tool       TEXT NOT NULL,
    state      TEXT NOT NULL,           -- held, queued, started, closed
    job        TEXT,
    request    TEXT NOT NULL,           -- JSON: what the log says of it
    deadline   REAL,
    PRIMARY KEY (session_no, call)
) WITHOUT ROWID;
CREATE UNIQUE INDEX session_call_jobs ON session_calls (job) WHERE job IS NOT NULL;
CREATE INDEX session_open_calls ON session_calls (session_no) WHERE state != 'closed';
CREATE INDEX session_deadlines ON session_calls (deadline)
    WHERE state != 'closed' AND deadline IS NOT NULL;

-- Money that a model call may cost, until its usage is booked.
CREATE TABLE session_costs (
    purse    TEXT NOT NULL,
    attempt  TEXT NOT NULL,
    reserved REAL NOT NULL,
    booked   REAL,
    PRIMARY KEY (purse, attempt)
) WITHOUT ROWID;

CREATE TABLE session_blobs (hash TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
