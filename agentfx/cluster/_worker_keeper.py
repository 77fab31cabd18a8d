"""Keeps the workers going: started as users ask, and again when they have ended."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agentfx._clock import Clock
from agentfx.backends import CallError, LinkLostError
from agentfx.cluster._control import ControlError, User
from agentfx.cluster._core_keeper import CoreKeeper
from agentfx.cluster._home import Home
from agentfx.cluster._nursery import Child, Nursery, end
from agentfx.cluster._options import DEFAULT_SLOTS, REFUSED, ForeignOptions, WorkerOptions
from agentfx.cluster._restarts import delay_seconds, failures_after

STOP_SECONDS = 35.0
"""How long a worker that is asked to stop may finish what it runs."""
END_SECONDS = 2.0
ASK_SECONDS = 0.5
LIST_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class _Worker:
    """A worker that should be there.

    Attributes:
        leaving: It was asked to stop, or killed on purpose: it is not started again.
        failures: Ends in quick succession.
        begun: Set, but for the moment in which its next life begins.
    """

    options: WorkerOptions | ForeignOptions
    owner: User | None
    child: Child
    started_at: float
    leaving: bool = False
    failures: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class WorkerKeeper:
    """Starts workers, starts them again when they have ended, and ends them.

    Args:
        home: Where they find code.
        core: Knows the engine.
        nursery: Forks processes.
        clock: The time.
        over: Set when the cluster is over.
        spawn: Runs something beside, until the cluster is over.
    """

    def __init__(
        self,
        home: Home,
        core: CoreKeeper,
        nursery: Nursery,
        clock: Clock,
        over: asyncio.Event,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._home, self._core, self._nursery, self._clock = home, core, nursery, clock
        self._over, self._spawn = over, spawn
        self._workers: dict[str, _Worker] = {}
        self._refused: set[str] = set()  # workers that could not start, and said why
        self._starting = asyncio.Lock()
        self._labels = 0

    async def answer(self, user: User, op: str, request: dict[str, Any]) -> Any:
        """Do what a user asks about workers.

        Raises:
            ControlError: It cannot be done.
        """
        label = str(request.get("label"))
        match op:
            case "spawn":
                return await self._start(user, request)
            case "serve":
                return await self._start_foreign(user, request)
            case "failures":
                worker = self._workers.get(label)
                return worker.failures if worker is not None else 0
            case "kill":
                return await self._kill(label)
            case "stop":
                return await self._stop(label)
            case "workers":
                return {label: worker.child.pid for label, worker in self._workers.items()}
            case "refused":
                return sorted(self._refused)
            case other:
                raise ControlError(f"unknown request {other!r}")

    def stop_owned(self, user: User) -> None:
        """A user has left, and its workers leave with it."""
        for worker in self._workers.values():
            if worker.owner is user:
                self._spawn(self._stop_quietly(worker.options.label))

    async def close(self) -> None:
        """End all workers; what they run starts elsewhere, or later."""
        await end([worker.child for worker in self._workers.values()], END_SECONDS)

    async def _start(self, user: User, request: dict[str, Any]) -> str:
        label = request.get("label") or await self._next_label()
        options = WorkerOptions(
            label=label,
            url=self._core.url or "",
            token=self._core.token,
            slots=int(request.get("slots") or DEFAULT_SLOTS),
            modules=list(request.get("modules") or []),
            home=str(self._home.path),
            path=list(request.get("path") or []),
        )
        async with self._starting:
            if self._known(label) is not None:
                raise ControlError(f"there is a worker {label} already: give another name")
            await self._keep(options, user if request.get("owned") else None)
        return label

    async def _start_foreign(self, user: User, request: dict[str, Any]) -> None:
        """Start a worker in any language; one that runs already is shared."""
        options = ForeignOptions(
            str(request["label"]),
            str(request["command"]),
            str(request["folder"]),
            self._core.url or "",
            self._core.token,
        )
        async with self._starting:
            known = self._known(options.label)
            if known is None:
                await self._keep(options, user)
            else:
                known.owner = None

    def _known(self, label: str) -> _Worker | None:
        """The worker of a label, also between two lives; None if it has ended for good."""
        worker = self._workers.get(label)
        if worker is None or not (worker.leaving and worker.begun.is_set()):
            return worker
        return None if worker.child.ended.done() else worker

    async def _next_label(self) -> str:
        others = await self._others()
        while True:
            self._labels += 1
            label = f"w{self._labels}"
            if label not in self._workers and label not in others:
                return label

    async def _others(self) -> set[str]:
        """Labels of the engine's workers: some may have been started by hand."""
        if self._core.connection is None:
            return set()
        try:
            rows = await self._core.connection.call(
                "agentfx::workers::list", {}, timeout_seconds=LIST_SECONDS
            )
        except (CallError, LinkLostError):
            return set()  # who takes one that is taken is told so
        return {row["label"] for row in rows if row["state"] != "away"}

    async def _keep(self, options: WorkerOptions | ForeignOptions, owner: User | None) -> None:
        child = await self._fork(options)
        worker = _Worker(options, owner, child, self._clock.monotonic())
        worker.begun.set()
        self._workers[options.label] = worker
        self._refused.discard(options.label)
        self._spawn(self._restart(worker))

    async def _fork(self, options: WorkerOptions | ForeignOptions) -> Child:
        kind = "worker" if isinstance(options, WorkerOptions) else "foreign"
        return await self._nursery.fork(kind, options)

    async def _restart(self, worker: _Worker) -> None:
        while True:
            status = await worker.child.status()
            if status == REFUSED:
                self._refused.add(worker.options.label)
            if worker.leaving or self._over.is_set() or status == REFUSED:
                self._forget(worker)
                return
            ran_seconds = self._clock.monotonic() - worker.started_at
            worker.failures = failures_after(worker.failures, ran_seconds)
            await self._clock.sleep(delay_seconds(worker.failures))
            if worker.leaving:  # it was ended between two lives
                self._forget(worker)
                return
            worker.started_at = self._clock.monotonic()
            worker.begun.clear()
            worker.child = await self._fork(worker.options)
            worker.begun.set()

    def _forget(self, worker: _Worker) -> None:
        if self._workers.get(worker.options.label) is worker:  # else another one has its label
            del self._workers[worker.options.label]

    def _named(self, label: str) -> _Worker:
        worker = self._known(label)
        if worker is None:
            there = ", ".join(sorted(self._workers)) or "none"
            raise ControlError(f"there is no worker {label}; there are: {there}")
        return worker

    async def _kill(self, label: str) -> None:
        """SIGKILL, on purpose: no job is blamed for it."""
        worker = self._named(label)
        worker.leaving = True
        if self._core.connection is not None:
            with suppress(CallError, LinkLostError):
                await self._core.connection.call(
                    "agentfx::worker::kill_asked", {"worker": label}, timeout_seconds=ASK_SECONDS
                )
        await worker.begun.wait()
        worker.child.kill()
        await worker.child.status()

    async def _stop(self, label: str) -> None:
        """SIGTERM: it finishes what it runs."""
        worker = self._named(label)
        worker.leaving = True
        await worker.begun.wait()
        worker.child.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await worker.child.status()
        except TimeoutError:
            worker.child.kill()

    async def _stop_quietly(self, label: str) -> None:
        with suppress(ControlError):
            await self._stop(label)
