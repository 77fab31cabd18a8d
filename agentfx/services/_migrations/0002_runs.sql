-- Runs, their journals, jobs and events. Times are seconds since the epoch.

CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE runs (
    no          INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    program     TEXT,               -- module:attribute, NULL for one that only a notebook has
    fingerprint TEXT NOT NULL,
    epoch       INTEGER NOT NULL,   -- writes of a lower one are refused
    life        INTEGER NOT NULL DEFAULT 0,  -- how often it was started over
    driver      TEXT NOT NULL,      -- empty when nobody drives it
    status      TEXT NOT NULL,      -- running, done, failed, cancelled
    exit        TEXT,
    failed_at   TEXT,               -- path of the step whose failure nobody caught
    started_at  REAL NOT NULL,
    ended_at    REAL
);

CREATE TABLE steps (
    run_no INTEGER NOT NULL REFERENCES runs (no) ON DELETE CASCADE,
    path   TEXT NOT NULL,
    what   TEXT NOT NULL,           -- kind, name and input digest: what a replay must meet here
    value  TEXT NOT NULL,
    PRIMARY KEY (run_no, path)
) WITHOUT ROWID;

CREATE TABLE jobs (
    no            INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    run_no        INTEGER NOT NULL REFERENCES runs (no) ON DELETE CASCADE,
    path          TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    idx           INTEGER,
    label         TEXT,
    task          TEXT NOT NULL,
    input         TEXT NOT NULL,
    key           TEXT NOT NULL,
    at_most_once  INTEGER NOT NULL,
    timeout       REAL,
    code          TEXT,
    state         TEXT NOT NULL DEFAULT 'open',   -- open, done, dead, cancelled
    outcome       TEXT,                           -- of a dead one: why it is dead
    deliveries    INTEGER NOT NULL DEFAULT 0,
    holder        TEXT,                           -- the worker incarnation it was last sent to
    alone         INTEGER NOT NULL DEFAULT 0,     -- that start had the worker to itself
    shared_losses INTEGER NOT NULL DEFAULT 0,
    lone_losses   INTEGER NOT NULL DEFAULT 0,
    passed        INTEGER NOT NULL DEFAULT 0      -- dead, and its run went on past it
);
CREATE INDEX jobs_of_run ON jobs (run_no, no);
CREATE INDEX jobs_open ON jobs (no) WHERE state = 'open';
CREATE INDEX jobs_dead ON jobs (no) WHERE state = 'dead';

CREATE TABLE events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    run_no INTEGER NOT NULL,        -- 0 for events of workers and services
    at     REAL NOT NULL,
    type   TEXT NOT NULL,
    job_no INTEGER,
    fields TEXT                     -- what the job's row does not have, as JSON
);
CREATE INDEX events_of_run ON events (run_no, seq);

CREATE TABLE workers (
    id    TEXT PRIMARY KEY,         -- incarnation
    label TEXT NOT NULL,
    host  TEXT NOT NULL,
    pid   INTEGER NOT NULL,
    born  REAL NOT NULL             -- when its process started, so that a pid is not mistaken
) WITHOUT ROWID;
