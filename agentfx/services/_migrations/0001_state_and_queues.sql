-- Values of `state::*`. `place` orders the keys of a scope by their first insertion.
CREATE TABLE state (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE UNIQUE INDEX state_order ON state (scope, place);

-- A queue: a named one, or what one function gets of one topic. A topic's queue without a
-- function keeps what was published before anybody subscribed.
-- `detached_ms`: null while somebody subscribes, else since when nobody does.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('named', 'topic')),
  name TEXT NOT NULL,
  namespace TEXT NOT NULL,
  function_id TEXT NOT NULL,
  detached_ms INTEGER,
  UNIQUE (kind, name, namespace, function_id)
);

-- Messages that wait or are being handled; which of the two is known in memory only, so after
-- a crash all of them wait. `due_ms`: not before, 0 for at once.
CREATE TABLE queue_message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id INTEGER NOT NULL REFERENCES queue (id),
  message_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  function_id TEXT NOT NULL,
  group_key TEXT,
  payload BLOB NOT NULL,
  traceparent TEXT,
  baggage TEXT,
  attempts INTEGER NOT NULL,
  losses INTEGER NOT NULL,
  due_ms INTEGER NOT NULL
);
CREATE INDEX queue_message_queue ON queue_message (queue_id, seq);

-- Messages that were given up.
CREATE TABLE dead_letter (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id INTEGER NOT NULL REFERENCES queue (id),
  message_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  function_id TEXT NOT NULL,
  group_key TEXT,
  payload BLOB NOT NULL,
  traceparent TEXT,
  baggage TEXT,
  attempts INTEGER NOT NULL,
  error TEXT NOT NULL,
  failed_at INTEGER NOT NULL
);
CREATE INDEX dead_letter_queue ON dead_letter (queue_id, seq);
CREATE INDEX dead_letter_message ON dead_letter (message_id);
