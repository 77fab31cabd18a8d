"""Floors: what plain SQLite and plain Python do on this machine, now.

The floor of a job is one transaction each for its insert, its claim and its completion, by two
processes on one file, with `synchronous=FULL`: the least that a durable queue on SQLite can do
without grouping its commits.
"""

import multiprocessing
import sqlite3
import tempfile
import time
from contextlib import closing
from multiprocessing.synchronize import Event

from bench.figures import percentile

_SPAWN = multiprocessing.get_context("spawn")


def sqlite_jobs(count: int = 500) -> float:
    """Jobs a second through a plain table, one process inserts and one claims and completes."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/floor.db"
        with closing(_open(path)) as store:
            _create(store)
            ready = _SPAWN.Event()
            worker = _SPAWN.Process(target=_work, args=(path, count, ready))
            worker.start()
            ready.wait()
            begin = time.perf_counter()
            for _ in range(count):
                _insert(store)
            worker.join()
            return count / (time.perf_counter() - begin)


def sqlite_job_ms(count: int = 200) -> float:
    """Median milliseconds of one job alone: insert, claim and complete, one after the other."""
    with tempfile.TemporaryDirectory() as folder, closing(_open(f"{folder}/f.db")) as store:
        _create(store)
        times: list[float] = []
        for _ in range(count):
            begin = time.perf_counter()
            _insert(store)
            _claim_and_complete(store)
            times.append(time.perf_counter() - begin)
        return percentile(times, 50) * 1e3


def sqlite_commit_ms(count: int = 200) -> float:
    """Median milliseconds of one durable transaction with one row."""
    with tempfile.TemporaryDirectory() as folder, closing(_open(f"{folder}/f.db")) as store:
        _create(store)
        times: list[float] = []
        for _ in range(count):
            begin = time.perf_counter()
            _insert(store)
            times.append(time.perf_counter() - begin)
        return percentile(times, 50) * 1e3


def sqlite_read_seconds(count: int) -> float:
    """Seconds to read so many rows, decoded from JSON by the standard library."""
    with tempfile.TemporaryDirectory() as folder, closing(_open(f"{folder}/f.db")) as store:
        _create(store)
        store.execute("begin")
        store.executemany("insert into job (state, input) values ('done', ?)", [("{}",)] * count)
        store.execute("commit")
        begin = time.perf_counter()
        for (_identity,) in store.execute("select input from job order by id"):
            pass
        return time.perf_counter() - begin


def _open(path: str) -> sqlite3.Connection:
    store = sqlite3.connect(path, isolation_level=None, timeout=60)
    store.execute("pragma journal_mode = wal")
    store.execute("pragma synchronous = full")
    return store


def _create(store: sqlite3.Connection) -> None:
    store.execute("create table job (id integer primary key, state text, input text, outcome text)")
    store.execute("create index job_state on job (state, id)")


def _insert(store: sqlite3.Connection) -> None:
    store.execute("begin immediate")
    store.execute("insert into job (state, input) values ('queued', '{}')")
    store.execute("commit")


def _claim_and_complete(store: sqlite3.Connection) -> bool:
    store.execute("begin immediate")
    row = store.execute("select id from job where state = 'queued' order by id limit 1").fetchone()
    if row is not None:
        store.execute("update job set state = 'running' where id = ?", row)
    store.execute("commit")
    if row is None:
        return False
    store.execute("begin immediate")
    store.execute("update job set state = 'done', outcome = '1' where id = ?", row)
    store.execute("commit")
    return True


def _work(path: str, count: int, ready: Event) -> None:
    with closing(_open(path)) as store:
        ready.set()
        done = 0
        while done < count:
            if _claim_and_complete(store):
                done += 1
            else:
                time.sleep(0.0002)
