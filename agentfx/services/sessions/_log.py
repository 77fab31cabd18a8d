"""One session inside one transaction: events, jobs and calls change together or not at all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson

from agentfx.jobs import Job, Pulse, Result, call_key, ghost, job_id, needs_step, start_id
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import EventRow
from agentfx.services._session_rows import CallRow, LogRow, SessionRow
from agentfx.services._store import Transaction
from agentfx.services.sessions._messages import NewCall, NewEvent, StepEnd
from agentfx.wire import Json

INLINE_BYTES = 256 * 1024
"""A larger body is stored as a blob, and the event refers to it."""
EVENT_BYTES = 4 * 1024 * 1024
"""A larger one is refused."""
STEP_DONE = '{"ok":"\\"turn\\""}'
"""The outcome of a wake job whose turn is on record, as its worker would have said it."""
NEWS_EVENTS, NEWS_BYTES = 12, 16 * 1024
"""How much of the end of a log goes with its wake job: a few turns, for a worker that had them."""


@dataclass(slots=True)
class After:
    """What has to be told once the transaction is committed.

    Attributes:
        session: Whose log changed.
        new: Jobs to start, with the run that owns them.
        dropped: Jobs that are not needed any more.
        done: Starts of jobs that have their end on record, before their worker says so.
        tools: Ids of those new jobs whose start goes into the log.
        due_at: When the session wants to be looked at again.
        news: Inputs of new wake jobs, with what is new in the log.
        busy: A step is still due or under way: whoever waits for the end need not look.
    """

    session: str
    new: list[tuple[int, Job]] = field(default_factory=list[tuple[int, Job]])
    dropped: list[str] = field(default_factory=list[str])
    done: list[str] = field(default_factory=list[str])
    tools: list[str] = field(default_factory=list[str])
    due_at: float | None = None
    news: dict[str, str] = field(default_factory=dict[str, str])
    busy: bool = False


class Log:
    """A session that is being written.

    Args:
        t: The transaction.
        row: The session as it is.
        now: By the wall clock.
    """

    def __init__(self, t: Transaction, row: SessionRow, now: float) -> None:
        self.t, self.row, self.now = t, row, now
        self.after = After(row.id)
        self._unknown: set[str] = set()

    # Events

    def add(self, writer: str, events: Sequence[NewEvent]) -> list[int]:
        """Append events; those whose key is known already are not appended again.

        Raises:
            FunctionError: `key_conflict`, `too_large`, or a reaction to less than before.
        """
        numbers: list[int] = []
        rows: list[LogRow] = []
        for event in events:
            body = self._stored(orjson.dumps(event.body))
            known = self.known(event, body)
            if known is not None:
                numbers.append(known)
                continue
            self._check_reaction(event)
            row = self._next(writer, event, body)
            rows.append(row)
            numbers.append(row.seq)
            self.row = replace(self.row, head=row.seq, chain=row.hash)
        self.t.sessions.append(self.row.no, rows)
        self._unknown.clear()
        return numbers

    def known(self, event: NewEvent, body: str | None = None) -> int | None:
        """The number of an event that was appended with this key before."""
        if event.key is None or event.key in self._unknown:
            return None
        row = self.t.sessions.keyed(self.row.no, event.key)
        if row is None:
            self._unknown.add(event.key)
            return None
        text = body if body is not None else self._stored(orjson.dumps(event.body))
        if (row.kind, row.body) != (event.kind, text):
            raise FunctionError(
                "key_conflict", f"event {row.seq} has the key {event.key} and another body"
            )
        return row.seq

    def _check_reaction(self, event: NewEvent) -> None:
        if event.reacting_to is None:
            return
        _, reacted = self.t.sessions.watermarks(self.row.no)
        if not reacted <= event.reacting_to <= self.row.head:
            raise FunctionError(
                "bad_reaction", f"reacting to {event.reacting_to}, after {reacted} was reacted to"
            )

    def _stored(self, body: bytes) -> str:
        if len(body) > EVENT_BYTES:
            raise FunctionError(
                "too_large", f"the event has {len(body):,} bytes, the limit is {EVENT_BYTES:,}"
            )
        if len(body) <= INLINE_BYTES:
            return body.decode()
        return orjson.dumps({"$blob": self.blob(body), "bytes": len(body)}).decode()

    def blob(self, data: bytes) -> str:
        """Keep bytes beside the log; their name."""
        digest = hashlib.sha256(data).hexdigest()
        self.t.sessions.put_blob(digest, data)
        return digest

    def _next(self, writer: str, event: NewEvent, body: str) -> LogRow:
        row = LogRow(
            self.row.head + 1, self.now, writer, self.row.epoch, event.kind, event.key, body,
            event.stimulus, event.reacting_to, "",
        )  # fmt: skip
        return replace(row, hash=chained(self.row.chain, row))

    # Calls

    def start_calls(self, calls: Sequence[NewCall]) -> None:
        """Queue jobs for tool calls; those that need an approval are held."""
        for call in calls:
            deadline = None if call.limit_seconds is None else self.now + call.limit_seconds
            request = {
                "call": call.call, "task": call.task, "input": call.input, "code": call.code,
                "request": call.request,
                "at_most_once": call.at_most_once, "timeout_seconds": call.timeout_seconds,
            }  # fmt: skip
            row = CallRow(
                self.row.no, call.call, call.task, "held", None, orjson.dumps(request).decode(),
                deadline,
            )  # fmt: skip
            self.t.sessions.add_call(row)
            if call.held:
                event = NewEvent(
                    "approval_requested", {"call": call.call, **_named(call.request)},
                    f"held/{call.call}",
                )  # fmt: skip
                self.add("services", [event])
            else:
                self.queue_call(row)

    def queue_call(self, call: CallRow, text: str | None = None) -> None:
        """Queue the job of a call; `text` is its input, if not what the model asked for."""
        asked = orjson.loads(call.request)
        path = f"call/{call.call}"
        identity = self.identity
        job = Job(
            id=job_id(identity, path, 1),
            run=identity,
            path=path,
            attempt=1,
            task=asked["task"],
            input=asked["input"] if text is None else text,
            key=call_key(identity, path),
            label=f"{self.row.id} {call.call}",
            at_most_once=asked["at_most_once"],
            timeout_seconds=asked["timeout_seconds"],
            code=asked["code"] or self.row.code,
        )
        self.t.sessions.set_call(replace(call, state="queued", job=job.id))
        self._open(job)
        self.after.tools.append(job.id)

    @property
    def identity(self) -> str:
        """The run that owns this session's jobs."""
        return run_of(self.row.id)

    def _open(self, job: Job) -> None:
        self.t.jobs.add(self.row.run_no, [job])
        self.t.jobs.record([EventRow("job_queued", self.now, job=job.id)])
        self.after.new.append((self.row.run_no, job))

    def _drop(self, job: str) -> None:
        if self.t.jobs.settle(job, "cancelled", None):
            self.t.jobs.record([EventRow("job_cancelled", self.now, job=job)])
            self.after.dropped.append(job)

    def close_call(self, call: CallRow, result: Result, writer: str, why: str) -> bool:
        """Give a call its result; False if it has one already."""
        if not self.t.sessions.close_call(self.row.no, call.call):
            return False
        content = result.content
        edited = self.t.sessions.keyed(self.row.no, f"decision/{call.call}")
        if edited is not None and (arguments := orjson.loads(edited.body).get("arguments")):
            ran = orjson.dumps(arguments).decode()
            content = f"[A person changed the arguments before approving; it ran {ran}]\n{content}"
        body: dict[str, Json] = {
            "call": call.call, "content": content, "is_error": result.is_error, "by": why,
            **_named(orjson.loads(call.request)["request"]),
        }  # fmt: skip
        if result.rest is not None:
            body["blob"] = self.blob(result.rest.encode())
        self.add(writer, [NewEvent("tool_result", body, f"result/{call.call}", stimulus=True)])
        if call.job is not None:
            self._drop(call.job)
        return True

    def close_open_calls(self, why: str, writer: str, *, started_too: bool) -> None:
        """Give open calls a result that says whether they may have had effects."""
        for call in self.open_calls:
            started = call.state == "started"
            if started_too or not started:
                self.close_call(call, ghost(started=started, why=why), writer, "services")

    # Wakes

    def raise_epoch(self) -> None:
        """From here on, turns that were begun before are refused."""
        if self.row.wake is not None:
            self._drop(self.row.wake)
        self.row = replace(self.row, epoch=self.row.epoch + 1, wake=None)

    @property
    def pulse(self) -> Pulse:
        """What decides whether a step is due."""
        stimulus, reacted = self.t.sessions.watermarks(self.row.no)
        message = self.t.sessions.last_message(self.row.no) if stimulus > reacted else 0
        waits = message <= reacted < stimulus  # for results: then it matters which are missing
        return Pulse(stimulus, message, reacted, len(self.open_calls) if waits else 0)

    @property
    def open_calls(self) -> list[CallRow]:
        """Calls without a result."""
        return self.t.sessions.open_calls(self.row.no)

    @property
    def wants_step(self) -> bool:
        """Whether something is new that a step has to react to, at its time."""
        return needs_step(self.pulse, self.row.results)

    def wake(self) -> None:
        """Queue a wake job, if one is needed and none is open."""
        if self.row.wake is not None or not self.wants_step:
            return
        if self.row.due_at is not None and self.row.due_at > self.now:
            self.after.due_at = self.row.due_at
            return
        number = self.row.wakes + 1
        path = f"wake/{number}"
        identity = self.identity
        job = Job(
            id=job_id(identity, path, 1),
            run=identity,
            path=path,
            attempt=1,
            task=self.row.agent,
            input="",
            key=call_key(identity, path),
            label=f"{self.row.id} step",
            code=self.row.code,
        )
        asked = {"session": self.row.id, "wake": job.id, "epoch": self.row.epoch}
        self.after.news[job.id] = orjson.dumps({**asked, "news": self._news()}).decode()
        self.row = replace(
            self.row, wakes=number, wake=job.id, wake_head=self.row.head, due_at=None
        )
        self._open(replace(job, input=orjson.dumps(asked).decode()))

    def end_wake(self, worker: str, end: StepEnd) -> None:
        """Put on record that the open wake job is done; the next is queued, if one is needed."""
        job = self.row.wake or ""
        self.t.jobs.settle(job, "done", STEP_DONE)
        fields = {"worker": worker, "ms": end.ms, "delivery": end.delivery}
        self.t.jobs.record([EventRow("job_done", self.now, job=job, fields=fields)])
        self.after.done.append(start_id(job, end.delivery))
        self.row = replace(self.row, wake=None)
        self.wake()

    def _news(self) -> Json:
        """The end of the log, for a worker that has what comes before it."""
        after = max(self.row.head - NEWS_EVENTS, 0)
        rows = self.t.sessions.events(self.row.no, max(after - 1, 0), 1 << 20, NEWS_BYTES)
        if not rows or rows[-1].seq != self.row.head:
            return None
        before = rows.pop(0).hash if after else ""
        return {
            "after": after, "after_hash": before, "head": self.row.head,
            "events": [sent(row) for row in rows],
        }  # fmt: skip

    def save(self) -> After:
        """Write the session's own row; what has to be told after the commit."""
        self.t.sessions.update(self.row)
        self.after.busy = self.row.wake is not None
        return self.after


def sent(row: LogRow) -> Json:
    """An event as clients and workers read it."""
    return {
        "seq": row.seq, "at": row.at, "writer": row.writer, "epoch": row.epoch, "kind": row.kind,
        "key": row.key, "body": orjson.loads(row.body), "stimulus": row.stimulus,
        "reacting_to": row.reacting_to, "hash": row.hash,
    }  # fmt: skip


def run_of(session: str) -> str:
    """The id of the run that owns a session's jobs."""
    return f"session/{session}"


def chained(previous: str, row: LogRow) -> str:
    """The hash of an event and of all before it."""
    text = orjson.dumps(
        [
            previous, row.seq, row.at, row.writer, row.epoch, row.kind, row.key, row.body,
            row.stimulus, row.reacting_to,
        ]
    )  # fmt: skip
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _named(request: Json) -> dict[str, Json]:
    """What events about a call repeat of it."""
    return {name: request[name] for name in ("id", "name", "input") if name in (request or {})}
