"""The supervisor: keeps one engine and some workers going, for as long as somebody uses them."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from agentfx._clock import Clock, SystemClock
from agentfx._errors import AgentfxError
from agentfx.backends import CallError, LinkLostError
from agentfx.cluster._control import ControlError, ControlServer, Session
from agentfx.cluster._core_keeper import (
    RESTART_DELAYS,
    STEADY_SECONDS,
    CoreKeeper,
    CoreRefusedError,
)
from agentfx.cluster._home import Discovery, Home
from agentfx.cluster._nursery import Child, Nursery
from agentfx.cluster._options import (
    DEFAULT_SLOTS,
    REFUSED,
    ForeignOptions,
    WorkerOptions,
)
from agentfx.cluster._refusal import say_why

LINGER_SECONDS = 10.0
"""How long a cluster waits for a user whose process died: a kernel that is restarted."""
STOP_SECONDS = 35.0
LOCK_SECONDS = 0.1


@dataclass(eq=False, slots=True)
class _Worker:
    """A worker that should be there.

    Attributes:
        leaving: It was asked to stop, or killed on purpose: it is not started again.
        failures: Ends in quick succession.
    """

    options: WorkerOptions | ForeignOptions
    owner: Session | None
    child: Child
    started_at: float
    leaving: bool = False
    failures: int = 0


class Supervisor:
    """One cluster in one home.

    Args:
        home: Where everything is.
        url: Of an engine that runs already; None starts the embedded one.
        token: For that engine.
        config: An iii configuration file for the embedded engine.
        clock: The time.
    """

    def __init__(
        self, home: Home, url: str | None, token: str | None, config: str | None, clock: Clock
    ) -> None:
        self._home, self._clock = home, clock
        self._over = asyncio.Event()
        self._engine = CoreKeeper(home, url, token, config, clock, self._over, self._spawn)
        self._workers: dict[str, _Worker] = {}
        self._refused: set[str] = set()  # workers that could not start, and said why
        self._labels = 0
        self._users = 0
        self._watching: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the last user is gone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        if self._engine.embedded:
            self._engine.choose_address()
        self._nursery = Nursery(self._home.log, self._over.set)
        await self._nursery.start()
        serving = asyncio.ensure_future(self._begin())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((serving, over), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                control = await serving
                await over
                await control.stop()
        finally:
            self._home.withdraw()
            serving.cancel()
            over.cancel()
            await self._shut_down()

    async def _begin(self) -> ControlServer:
        """Start the engine, then be found."""
        await self._engine.start(self._nursery)
        control = ControlServer(self._home.control, self._serve, self._left)
        await control.start()
        self._announce()
        self._spawn(self._end_if_unused())
        return control

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _announce(self) -> None:
        me = psutil.Process()
        self._home.announce(
            Discovery(
                self._engine.url or "", self._engine.token or "", me.pid, me.create_time(),
                str(self._home.control),
            )
        )  # fmt: skip

    # Workers

    async def _start_worker(self, session: Session | None, request: dict[str, Any]) -> str:
        label = request.get("label") or self._next_label()
        known = self._workers.get(label)
        if known is not None and not known.child.ended.done():
            raise ControlError(f"there is a worker {label} already: give another name")
        options = WorkerOptions(
            label=label,
            url=self._engine.url or "",
            token=self._engine.token,
            slots=int(request.get("slots") or DEFAULT_SLOTS),
            modules=list(request.get("modules") or []),
            home=str(self._home.path),
            path=list(request.get("path") or []),
        )
        await self._keep(options, session if request.get("owned") else None)
        return label

    async def _start_foreign(self, session: Session, request: dict[str, Any]) -> None:
        """Start a worker in any language; one that runs already is shared."""
        label = str(request["label"])
        known = self._workers.get(label)
        if known is not None and not known.child.ended.done():
            known.owner = None
            return
        options = ForeignOptions(
            label,
            str(request["command"]),
            str(request["folder"]),
            self._engine.url or "",
            self._engine.token,
        )
        await self._keep(options, session)

    async def _keep(self, options: WorkerOptions | ForeignOptions, owner: Session | None) -> None:
        child = await self._fork_worker(options)
        worker = _Worker(options, owner, child, self._clock.monotonic())
        self._workers[options.label] = worker
        self._refused.discard(options.label)
        self._spawn(self._keep_worker(worker))

    async def _fork_worker(self, options: WorkerOptions | ForeignOptions) -> Child:
        kind = "worker" if isinstance(options, WorkerOptions) else "foreign"
        return await self._nursery.fork(kind, options)

    def _next_label(self) -> str:
        while True:
            self._labels += 1
            label = f"w{self._labels}"
            if label not in self._workers:
                return label

    async def _keep_worker(self, worker: _Worker) -> None:
        while True:
            status = await worker.child.ended
            if status == REFUSED:
                self._refused.add(worker.options.label)
            if worker.leaving or self._over.is_set() or status == REFUSED:
                self._workers.pop(worker.options.label, None)
                return
            steady = self._clock.monotonic() - worker.started_at > STEADY_SECONDS
            worker.failures = 0 if steady else worker.failures + 1
            await self._clock.sleep(
                RESTART_DELAYS[min(max(worker.failures - 1, 0), len(RESTART_DELAYS) - 1)]
            )
            if worker.leaving:  # it was ended between two lives
                self._workers.pop(worker.options.label, None)
                return
            worker.started_at = self._clock.monotonic()
            worker.child = await self._fork_worker(worker.options)

    def _named(self, label: str) -> _Worker:
        worker = self._workers.get(label)
        if worker is None or (worker.leaving and worker.child.ended.done()):
            there = ", ".join(sorted(self._workers)) or "none"
            raise ControlError(f"there is no worker {label}; there are: {there}")
        return worker

    async def _kill(self, label: str) -> None:
        """SIGKILL, on purpose: no job is blamed for it."""
        worker = self._named(label)
        worker.leaving = True
        if self._engine.connection is not None:
            with suppress(CallError, LinkLostError):
                await self._engine.connection.call(
                    "agentfx::worker::kill_asked", {"worker": label}, timeout_seconds=0.5
                )
        worker.child.kill()
        await worker.child.ended

    async def _stop(self, label: str) -> None:
        """SIGTERM: it finishes what it runs."""
        worker = self._named(label)
        worker.leaving = True
        worker.child.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.shield(worker.child.ended)
        except TimeoutError:
            worker.child.kill()

    # Users

    async def _serve(self, session: Session, request: dict[str, Any]) -> Any:
        match request.get("op"):
            case "attach":
                if self._over.is_set():
                    raise ControlError("this cluster ends")
                session.attached = True
                self._users += 1
                return {"url": self._engine.url, "token": self._engine.token}
            case "spawn" | "serve" | "failures" | "kill" | "stop" as op:
                return await self._about_worker(session, op, request)
            case "kill_engine":
                if self._engine.core is None or not self._engine.embedded:
                    raise ControlError("the engine is not ours: it was started by somebody else")
                return self._engine.kill()
            case "workers":
                return {label: worker.child.pid for label, worker in self._workers.items()}
            case "refused":
                return sorted(self._refused)
            case "status":
                return self._status()
            case "down":
                self._over.set()
                return None
            case other:
                raise ControlError(f"unknown request {other!r}")

    async def _about_worker(self, session: Session, op: str, request: dict[str, Any]) -> Any:
        label = str(request.get("label"))
        match op:
            case "spawn":
                return await self._start_worker(session, request)
            case "serve":
                return await self._start_foreign(session, request)
            case "failures":
                worker = self._workers.get(label)
                return worker.failures if worker is not None else 0
            case "kill":
                return await self._kill(label)
            case _:
                return await self._stop(label)

    def _status(self) -> dict[str, Any]:
        core = self._engine.core.child.pid if self._engine.core is not None else None
        return {
            "url": self._engine.url,
            "supervisor": os.getpid(),
            "engine": core if self._engine.embedded else None,
            "services": core,
            "users": self._users,
        }

    def _left(self, session: Session) -> None:
        """A user's link closed: it said goodbye, or its process is gone."""
        if not session.attached:
            return
        self._users -= 1
        if session.said_goodbye:
            for worker in [w for w in self._workers.values() if w.owner is session]:
                self._spawn(self._stop_quietly(worker.options.label))
        self._spawn(self._end_if_unused(0.0 if session.said_goodbye else LINGER_SECONDS))

    async def _stop_quietly(self, label: str) -> None:
        with suppress(ControlError):
            await self._stop(label)

    async def _end_if_unused(self, wait_seconds: float = LINGER_SECONDS) -> None:
        await self._clock.sleep(wait_seconds)
        if not self._users:
            self._over.set()

    async def _shut_down(self) -> None:
        for task in list(self._watching):
            task.cancel()
        workers = [w.child for w in self._workers.values() if not w.child.ended.done()]
        for child in workers:
            child.signal(signal.SIGTERM)
        await _all_ended(workers, 2.0)
        for child in workers:
            child.kill()
        if self._engine.connection is not None:
            await self._engine.connection.close()
        if self._engine.core is not None:
            self._engine.core.child.signal(signal.SIGTERM)
            await _all_ended([self._engine.core.child], 5.0)
            self._engine.core.child.kill()
        await self._nursery.close()


async def _all_ended(children: list[Child], seconds: float) -> None:
    waiting = [child.ended for child in children if not child.ended.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=seconds)


def supervise(
    home: Home, url: str | None, token: str | None, config: str | None, ready: Callable[[], None]
) -> int:
    """Run a supervisor, unless one runs in this home already; the exit status."""
    home.make()
    lock = FileLock(home.lock)
    while True:
        try:
            lock.acquire(timeout=LOCK_SECONDS)
            break
        except Timeout:
            if home.find() is not None:  # it serves; else it ends, and we come after it
                return 0
    ready()
    try:
        asyncio.run(Supervisor(home, url, token, config, SystemClock()).run())
    except CoreRefusedError:
        return 1
    except AgentfxError as error:
        say_why(error)
        return 1
    finally:
        lock.release()
    return 0


def main() -> None:
    """A supervisor's process: home, and where an engine runs already, its url, token, config."""
    home, url, token, config = sys.argv[1:5]
    sys.exit(supervise(Home(Path(home)), url or None, token or None, config or None, lambda: None))


if __name__ == "__main__":
    main()
