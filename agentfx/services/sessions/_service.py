"""The session service: registers `agentfx::session::*`, and wakes what has something new."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any, TypeVar

from agentfx._clock import Clock
from agentfx.jobs import Result
from agentfx.services._host import FunctionError, Handler
from agentfx.services._run_rows import RunRow
from agentfx.services._session_rows import SessionRow
from agentfx.services._store import StorageFullError, Store, Transaction
from agentfx.services._tasks import Tasks
from agentfx.services.dispatch import Jobs, parse
from agentfx.services.sessions._deltas import Live
from agentfx.services.sessions._fork import fork
from agentfx.services.sessions._log import After, Log, run_of, sent
from agentfx.services.sessions._messages import (
    Append,
    BlobName,
    Cancel,
    Decide,
    Delta,
    Fork,
    GetSession,
    OpenSession,
    ReadLog,
    Some,
    Watch,
)
from agentfx.services.sessions._owner import SessionJobs, overdue_result
from agentfx.services.sessions._writes import append, cancel, decide, send
from agentfx.wire import Json

T = TypeVar("T")
SWEEP_SECONDS = 5.0
MOST_WAIT_SECONDS = 10.0
SESSION_FINGERPRINT = "session"
"""The runs that own sessions' jobs have it; no driver can open them."""


class SessionService:
    """Logs, wakes and tool calls of sessions.

    Args:
        store: Where everything is on record.
        jobs: The dispatch service, which runs the jobs.
        clock: The time.
    """

    def __init__(self, store: Store, jobs: Jobs, clock: Clock) -> None:
        self._store, self._jobs, self._clock = store, jobs, clock
        self._owner = SessionJobs(clock.wall, self._carry_out)
        self._live: dict[str, Live] = {}
        self._tasks = Tasks()
        self._timers: set[str] = set()

    async def prepare(self) -> None:
        """Own the jobs of what is on record; before dispatch starts."""
        runs, tools = await self._store.read(_known)
        self._owner.tools.update(tools)
        for run_no in runs:
            self._jobs.own(run_no, self._owner)

    async def start(self) -> None:
        """Serve; sessions with something new get their wakes. After dispatch has started."""
        for function_id, handler in self._functions().items():
            self._jobs.host.serve(function_id, handler, metadata={"internal": True})
        await self.sweep()
        self._tasks.spawn(self._sweep_slowly())

    async def stop(self) -> None:
        """Stop serving; what is on record stays."""
        for function_id in self._functions():
            self._jobs.host.withdraw(function_id)
        await self._tasks.close()

    def _functions(self) -> dict[str, Handler]:
        typed: dict[str, tuple[type[Any], Callable[[Any], Awaitable[Json]]]] = {
            "open": (OpenSession, self._open),
            "send": (Append, self._send),
            "append": (Append, self._append),
            "decide": (Decide, self._decide),
            "cancel": (Cancel, self._cancel),
            "fork": (Fork, self._fork),
            "read": (ReadLog, self._read),
            "watch": (Watch, self._watch),
            "delta": (Delta, self._delta),
            "get": (GetSession, self._get),
            "list": (Some, self._list),
            "blob": (BlobName, self._blob),
            "durability": (Some, self._durability),
        }
        return {
            f"agentfx::session::{name}": _handler(f"agentfx::session::{name}", kind, serve)
            for name, (kind, serve) in typed.items()
        }

    # Writes

    async def _write(self, operation: Callable[[Transaction], tuple[After, T]]) -> T:
        after, answer = await self._jobs.write(operation)
        self._carry_out([after])
        return answer

    async def _on(self, session: str, change: Callable[[Log], T]) -> T:
        now = self._clock.wall()

        def operation(t: Transaction) -> tuple[After, T]:
            log = Log(t, found(t, session), now)
            answer = change(log)
            return log.save(), answer

        return await self._write(operation)

    def _carry_out(self, afters: Sequence[After]) -> None:
        """What follows from a commit: jobs start, watchers hear of it."""
        for after in afters:
            self._owner.tools.update(after.tools)
            self._owner.tools.difference_update(after.dropped)
            for job, text in after.news.items():
                self._owner.tell(job, text)
            self._jobs.drop(after.dropped)
            self._jobs.done(after.done)
            self._jobs.submit(after.new)
            if after.due_at is not None:
                self._wake_later(after.session, after.due_at)
            if after.session in self._live:
                self._live[after.session].notify(busy=after.busy)

    async def _open(self, message: OpenSession) -> Json:
        now = self._clock.wall()

        def operation(t: Transaction) -> tuple[After, tuple[SessionRow, bool]]:
            known = t.sessions.find(message.session)
            row = known or _new_session(t, message, now)
            log = Log(t, row, now)
            if known is None:
                log.add(message.writer, message.events)
            elif (known.agent, known.code) != (message.agent, message.code):
                log.row = replace(row, agent=message.agent, code=message.code)
            return log.save(), (log.row, known is None)

        row, new = await self._write(operation)
        self._jobs.own(row.run_no, self._owner)
        return {"new": new, **_listed(row)}

    async def _send(self, message: Append) -> Json:
        sent = await self._on(message.session, lambda log: send(log, message))
        if not message.wait_seconds:
            return sent
        asked = GetSession(message.session, message.wait_seconds, message.after)
        return {**sent, **await self._get(asked)}

    async def _append(self, message: Append) -> Json:
        return await self._on(message.session, lambda log: append(log, message))

    async def _decide(self, message: Decide) -> Json:
        return await self._on(message.session, lambda log: decide(log, message))

    async def _cancel(self, message: Cancel) -> Json:
        return await self._on(message.session, lambda log: cancel(log, message))

    async def _fork(self, message: Fork) -> Json:
        now = self._clock.wall()

        def operation(t: Transaction) -> tuple[After, SessionRow]:
            if t.sessions.find(message.branch) is not None:
                raise FunctionError("session_exists", f"there is a session {message.branch}")
            source = found(t, message.session)
            copy = replace(
                source, id=message.branch, run_no=_new_run(t, message.branch, now),
                parent=source.id, parent_seq=message.at, created_at=now,
            )  # fmt: skip
            log = fork(t, source, copy, message, now)
            return log.save(), log.row

        row = await self._write(operation)
        self._jobs.own(row.run_no, self._owner)
        return _listed(row)

    # Reads

    async def _read(self, message: ReadLog) -> Json:
        return await self._store.read(partial(_page, message=message))

    async def _watch(self, message: Watch) -> Json:
        live = await self._watched(message.session)

        async def look() -> Json:
            answer = await self._read(ReadLog(message.session, message.after))
            parts = live.after(message.attempt, message.delta)
            return {**answer, "attempt": live.attempt, "parts": parts}

        def is_new(seen: Json) -> bool:
            return bool(seen["events"] or seen["parts"] or seen["attempt"] != message.attempt)

        seconds = min(message.wait_seconds, MOST_WAIT_SECONDS)
        return await live.changed.until(look, is_new, self._clock, seconds)

    async def _delta(self, message: Delta) -> Json:
        live = self._live.get(message.session)
        if live is None:
            return
        if message.kind == "void":
            live.void(message.attempt)
        else:
            live.take(message.attempt, message.parts)

    async def _get(self, message: GetSession) -> Json:
        live = await self._watched(message.session)

        async def look() -> Json:
            now = self._clock.wall()
            return await self._store.read(partial(_status, message=message, now=now))

        seconds = min(message.wait_seconds, MOST_WAIT_SECONDS)
        return await live.rested.until(look, lambda seen: not seen["busy"], self._clock, seconds)

    async def _watched(self, session: str) -> Live:
        """What hears of a session from here on.

        Raises:
            FunctionError: `unknown_session`.
        """
        if session not in self._live:
            await self._store.read(lambda t: found(t, session))
            self._live.setdefault(session, Live())
        return self._live[session]

    async def _list(self, message: Some) -> Json:
        rows = await self._store.read(lambda t: t.sessions.all(message.limit))
        return [_listed(row) for row in rows]

    async def _blob(self, message: BlobName) -> Json:
        data = await self._store.read(lambda t: t.sessions.blob(message.hash))
        if data is None:
            raise FunctionError("unknown_blob", f"nothing is stored as {message.hash}")
        return data.decode()

    async def _durability(self, message: Some) -> Json:
        return {"lossy": self._store.lossy}

    # What nobody asks for

    async def _sweep_slowly(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            with suppress(StorageFullError):  # the next time there may be room
                await self.sweep()

    async def sweep(self) -> None:
        """Wake sessions that were forgotten, and close calls that are overdue.

        Every change of a log queues the wake it needs in its own transaction; this is for what
        a defect or a restored backup left behind. Where nothing is new it writes nothing.
        """
        now = self._clock.wall()
        sleepy, late = await self._store.read(lambda t: _forgotten(t, now))
        for session in sleepy:
            await self._on(session, lambda log: log.wake())
        for session, calls in late.items():
            await self._on(session, partial(_close, calls=calls))

    def _wake_later(self, session: str, due_at: float) -> None:
        if session not in self._timers:
            self._timers.add(session)
            self._tasks.spawn(self._wait_and_wake(session, due_at))

    async def _wait_and_wake(self, session: str, due_at: float) -> None:
        try:
            await self._clock.sleep(max(due_at - self._clock.wall(), 0.0))
        finally:
            self._timers.discard(session)
        await self._on(session, lambda log: log.wake())


def found(t: Transaction, session: str) -> SessionRow:
    """A session by its id.

    Raises:
        FunctionError: `unknown_session`.
    """
    row = t.sessions.find(session)
    if row is None:
        raise FunctionError("unknown_session", f"no session {session}: `%agent list` has them")
    return row


def _page(t: Transaction, message: ReadLog) -> Json:
    row = found(t, message.session)
    events = t.sessions.events(row.no, message.after, message.limit, message.limit_bytes)
    before = t.sessions.events(row.no, message.after - 1, 1, 1) if message.after else []
    return {
        "events": [sent(e) for e in events],
        "after_hash": before[0].hash if before else "",
        **_listed(row),
    }


def _status(t: Transaction, message: GetSession, now: float) -> Json:
    row = found(t, message.session)
    calls = t.sessions.open_calls(row.no)
    runs = any(call.state != "held" for call in calls)
    busy = row.wake is not None or runs or Log(t, row, now).wants_step
    news = message.after is not None and not busy
    return {
        **(_page(t, ReadLog(message.session, message.after or 0)) if news else _listed(row)),
        "busy": busy,
        "spent": asdict(t.sessions.spent(row.purse)),
        "open_calls": [
            {"call": c.call, "tool": c.tool, "state": c.state, "deadline": c.deadline}
            for c in calls
        ],
    }


def _known(t: Transaction) -> tuple[list[int], list[str]]:
    runs = t.sessions.run_numbers()
    rows = t.sessions.all(1_000_000)
    tools = [c.job for row in rows for c in t.sessions.open_calls(row.no) if c.job is not None]
    return runs, tools


def _forgotten(t: Transaction, now: float) -> tuple[list[str], dict[str, list[str]]]:
    sleepy = [
        row.id
        for row in t.sessions.all(1_000_000)
        if row.wake is None
        and (row.due_at is None or row.due_at <= now)
        and Log(t, row, now).wants_step
    ]
    late: dict[str, list[str]] = {}
    for call in t.sessions.overdue(now):
        late.setdefault(t.sessions.by_no(call.session_no).id, []).append(call.call)
    return sleepy, late


def _close(log: Log, calls: list[str]) -> None:
    for name in calls:
        call = log.t.sessions.call(log.row.no, name)
        if call is not None:
            content, is_error = overdue_result(call)
            log.close_call(call, Result(content, is_error), "services", "limit")
    log.wake()


def _new_run(t: Transaction, session: str, now: float) -> int:
    run = RunRow(
        0, run_of(session), None, SESSION_FINGERPRINT, 1, 0, "", "running", None, None, now, None
    )
    return t.runs.add(run)


def _new_session(t: Transaction, message: OpenSession, now: float) -> SessionRow:
    row = SessionRow(
        0, message.session, _new_run(t, message.session, now), message.agent, message.code,
        message.policy, message.results, 1, 0, "", 0, None, 0, None, message.budget,
        message.purse or message.session, None, None, now,
    )  # fmt: skip
    return replace(row, no=t.sessions.add(row))


_HIDDEN = ("no", "run_no", "wake_head")
_LISTED = tuple(f.name for f in fields(SessionRow) if f.name not in _HIDDEN)


def _listed(row: SessionRow) -> dict[str, Json]:
    return {name: getattr(row, name) for name in _LISTED}


def _handler(function_id: str, kind: type[T], serve: Callable[[T], Awaitable[Json]]) -> Handler:
    async def handle(data: Json, caller: str | None) -> Json:
        return await serve(parse(kind, function_id, data))

    return handle
