"""Events in SQLite, as watchers read them: of a quick run there are thousands a second."""

import sqlite3
from typing import Any, TypeAlias

import orjson

from agentfx.wire import Json

_Event: TypeAlias = list[Any]
"""The values of `EVENT_FIELDS`."""

# A job that was handed out once and is done may leave out how it began: its end says it all.
# Rows come as one text: each one for itself would take the interpreter's lock from the others.
_EVENTS = (
    "SELECT '[' || group_concat(row) || ']' FROM (SELECT json_array(e.seq, e.at, e.type, "
    "j.path, j.idx, j.id, j.task, j.attempt, j.label, json(e.fields)) AS row "
    "FROM events e LEFT JOIN jobs j ON j.no = e.job_no "
    "WHERE e.run_no = ? AND e.seq > ? AND e.seq <= ? AND (e.seq >= ? "
    "OR e.type NOT IN ('job_queued', 'job_started') "
    "OR j.state != 'done' OR j.deliveries != 1 OR j.at_most_once) ORDER BY e.seq LIMIT ?)"
)
ROWS_AT_ONCE = 100
_RUN = (
    "SELECT id, CASE status WHEN 'running' THEN NULL ELSE "
    "(SELECT max(seq) FROM events WHERE run_no = no) END FROM runs WHERE no = ?"
)
_OUTPUT = (
    "SELECT e.seq, j.id, e.fields FROM events e LEFT JOIN jobs j ON j.no = e.job_no "
    "WHERE e.run_no = ? AND e.seq > ? AND e.type = 'output' ORDER BY e.seq"
)
_FROM_THE_END = "SELECT seq FROM events WHERE run_no = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_NEVER = 1 << 62
PAGE_CHARACTERS = 4 * 1024 * 1024
"""Of what events say, in one page: tasks may print a lot."""


def read_events(
    connection: sqlite3.Connection, run_no: int, after: int, limit: int, whole: int | None
) -> list[list[Json]]:
    """See `JobRows.events`."""
    run, ended = connection.execute(_RUN, (run_no,)).fetchone() or ("", None)
    told: list[_Event] = []
    end = ended or _NEVER
    if run_no:
        since = 0 if whole is None else _from_the_end(connection, run_no, whole)
        told, is_all = _page(connection, run, run_no, after, _NEVER, since, limit)
        if told and not is_all:
            end = told[-1][0]
    others, _ = _page(connection, "", 0, after, end, 0, limit)
    return sorted([*told, *others], key=_number)[:limit] if others else told


def read_output(
    connection: sqlite3.Connection, run_no: int, after: int
) -> tuple[int, list[list[Json]]]:
    """See `JobRows.output`."""
    pieces: list[list[Json]] = []
    size = 0
    for seq, job, fields in connection.execute(_OUTPUT, (run_no, after)):
        told = orjson.loads(fields)
        pieces.append([told["worker"], job, told["label"]])
        size += len(fields)
        if size > PAGE_CHARACTERS:
            return seq, pieces
    return max(after, last_event(connection)), pieces


def last_event(connection: sqlite3.Connection) -> int:
    """See `JobRows.last_event`."""
    (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
    return last or 0


def _from_the_end(connection: sqlite3.Connection, run_no: int, number: int) -> int:
    """Where so many of a run's latest events begin."""
    found = connection.execute(_FROM_THE_END, (run_no, max(number, 1) - 1)).fetchone()
    return 0 if found is None else int(found[0])


def _page(
    connection: sqlite3.Connection,
    run: str,
    run_no: int,
    after: int,
    until: int,
    since: int,
    limit: int,
) -> tuple[list[_Event], bool]:
    """Events of one run, or of none; and whether a page has room for all."""
    page: list[_Event] = []
    size = 0
    while size <= PAGE_CHARACTERS and (wanted := min(limit - len(page), ROWS_AT_ONCE)):
        where = (run_no, after, until, since, wanted)
        text = connection.execute(_EVENTS, where).fetchone()[0] or "[]"
        rows = orjson.loads(text)
        page += [_event(run, *row) for row in rows]
        if len(rows) < wanted:
            return page, True
        after, size = page[-1][0], size + len(text)
    return page, False


def _event(
    run: str,
    seq: int,
    at: float,
    kind: str,
    path: str | None,
    index: int | None,
    job: str | None,
    task: str | None,
    attempt: int | None,
    label: str | None,
    fields: dict[str, Any] | None,
) -> _Event:
    get = (fields or {}).get
    return [
        seq, at, run, kind, get("path", path), get("index", index), get("count"), job,
        get("task", task), get("worker"), attempt, get("delivery"), get("ms"), get("error"),
        get("label", label),
    ]  # fmt: skip


def _number(event: _Event) -> int:
    number: int = event[0]
    return number
