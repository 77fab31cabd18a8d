"""The session service on a real store, with jobs in the test's hands."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from agentfx.engine import Engine
from agentfx.jobs import Job
from agentfx.services._host import FunctionError, Host
from agentfx.services._sqlite import SqliteStore
from agentfx.services._store import Transaction
from agentfx.services.dispatch import JobOwner
from agentfx.services.sessions import SessionService
from tests.services.kit import HandClock, broken

T = TypeVar("T")
STEP_END = {"delivery": 1, "ms": 1.0}


class HandJobs:
    """Implements `Jobs`: what is submitted waits until the test lets it start and end."""

    def __init__(self, store: SqliteStore, host: Host, clock: HandClock) -> None:
        self.store, self.host, self.clock = store, host, clock
        self.owners: dict[int, JobOwner] = {}
        self.jobs: dict[str, tuple[int, Job]] = {}
        self.dropped: list[str] = []

    def own(self, run_no: int, owner: JobOwner) -> None:
        self.owners[run_no] = owner

    def submit(self, jobs: Sequence[tuple[int, Job]]) -> None:
        for run_no, job in jobs:
            assert job.id not in self.jobs
            self.jobs[job.id] = (run_no, job)

    def drop(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            self.jobs.pop(job, None)
            self.dropped.append(job)

    def done(self, starts: Sequence[str]) -> None:
        for start in starts:
            del self.jobs[start.rpartition("/")[0]]

    def write(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        return self.store.write(operation)

    def waiting(self, kind: str) -> list[Job]:
        """Jobs that were submitted: `wake` or `call`."""
        return [job for _, job in self.jobs.values() if job.path.startswith(kind)]

    async def start(self, job: str, worker: str = "w1", delivery: int = 1) -> None:
        """A worker is about to be sent a job."""
        owner = self.owners[self.jobs[job][0]]
        assert owner.input_of(self.jobs[job][1])
        assert owner.records_start(job) == self.jobs[job][1].path.startswith("call")
        after = await self.store.write(lambda t: owner.started(t, job, worker, delivery))
        if after is not None:
            owner.committed([after])

    async def end(
        self, job: str, outcome: dict[str, Any] | None = None, worker: str = "w1"
    ) -> bool:
        """A job has an outcome; False if it has one, or was cancelled, before."""
        run_no = self.jobs.pop(job, (None,))[0]
        owner = self.owners[run_no] if run_no is not None else next(iter(self.owners.values()))
        text = json.dumps(outcome or {"ok": '"turn"'})

        def operation(t: Transaction) -> tuple[bool, Any]:
            first = t.jobs.settle(job, "done", text)
            return first, owner.settled(t, job, text, worker) if first else None

        first, after = await self.store.write(operation)
        if after is not None:
            owner.committed([after])
        return first


class Sessions:
    """A client of the service."""

    def __init__(self, service: SessionService, jobs: HandJobs, clock: HandClock) -> None:
        self.service, self.jobs, self.clock = service, jobs, clock

    async def __call__(self, name: str, /, session: str = "s", **data: Any) -> Any:
        return await self.jobs.host.call(f"agentfx::session::{name}", {"session": session, **data})

    async def refused(self, name: str, /, **data: Any) -> str:
        """Ask what must be refused; the code of the error."""
        try:
            await self(name, **data)
        except FunctionError as error:
            return error.code
        raise AssertionError("it was accepted")

    async def open(self, session: str = "s", **more: Any) -> Any:
        event = {"kind": "session_started", "body": {"agent": "a"}, "key": "start"}
        return await self(
            "open", session=session, agent="agents::a", writer="client", events=[event], **more
        )

    async def say(self, text: str = "hi", session: str = "s", **more: Any) -> Any:
        event = {"kind": "user_message", "body": {"content": text}, "stimulus": True, **more}
        return await self("send", session=session, writer="client", events=[event])

    async def log(self, session: str = "s") -> list[Any]:
        """All events."""
        found: list[Any] = (await self("read", session=session, limit=100_000))["events"]
        return found

    async def kinds(self, session: str = "s") -> list[str]:
        return [event["kind"] for event in await self.log(session)]

    def wake(self) -> str:
        """The one wake job that waits."""
        (job,) = self.jobs.waiting("wake")
        return job.id

    async def turn(self, wake: str, *calls: dict[str, Any], epoch: int = 1, **more: Any) -> Any:
        """Append an answer with calls, as the step of a wake job does."""
        reacting = max((e["seq"] for e in await self.log() if e["stimulus"]), default=0)
        event = {
            "kind": "assistant", "body": {"content": [], "calls": list(calls)},
            "reacting_to": reacting, "key": f"turn/{wake}",
        }  # fmt: skip
        queued = [
            {
                "call": c["call"], "task": "t::x", "input": "{}", "request": {"id": c["call"]},
                **{name: c[name] for name in ("held", "limit_seconds") if name in c},
            }
            for c in calls
        ]  # fmt: skip
        return await self(
            "append", writer="w1", events=[event], calls=queued, epoch=epoch, wake=wake,
            ends_wake=STEP_END, **more,
        )  # fmt: skip


@asynccontextmanager
async def sessions(path: Path, clock: HandClock | None = None) -> AsyncGenerator[Sessions]:
    """The service on a store, for a while."""
    clock = clock or HandClock()
    store = SqliteStore(path / "store.db", broken)
    engine = Engine(clock=clock)
    jobs = HandJobs(store, engine.host, clock)
    service = SessionService(store, jobs, clock)
    await service.prepare()
    await service.start()
    try:
        yield Sessions(service, jobs, clock)
    finally:
        await service.stop()
        await engine.stop()
        store.close()
