"""Stores that older versions wrote."""

import sqlite3
from contextlib import closing

from agentfx.services._sqlite._migrations import _scripts, migrate
from agentfx.services._sqlite._transaction import SqliteTransaction

_SESSION = (
    "INSERT INTO sessions (no, id, run_no, agent, policy, results, epoch, head, chain, wakes, "
    "wake, wake_head, wake_used, purse, created_at) "
    "VALUES (?, ?, 1, 'a', 'queue', 'all', 1, 4, '', 1, ?, 2, ?, 's', 0)"
)
_JOB = (
    "INSERT INTO jobs (id, run_no, path, attempt, task, input, key, at_most_once) "
    "VALUES (?, 1, 'wake/1', 1, 'a', '', 'k', 0)"
)


def test_a_wake_whose_turn_was_on_record_is_done_and_another_is_not() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        for script in _scripts()[:5]:
            old.executescript(script)
        old.execute("PRAGMA user_version = 5")
        old.execute(
            "INSERT INTO runs (no, id, fingerprint, epoch, driver, status, started_at) "
            "VALUES (1, 'session/s', 'session', 1, '', 'running', 0)"
        )
        for number, (name, used) in enumerate([("used", 1), ("open", 0)], start=1):
            old.execute(_JOB, (name,))
            old.execute(_SESSION, (number, name, name, used))
        migrate(old, "store")
        now = SqliteTransaction(old)
        assert [now.sessions.by_no(n).wake for n in (1, 2)] == [None, "open"]
        assert [now.jobs.state_of(job) for job in ("used", "open")] == ["done", "open"]
