"""The kit of one kernel: its threads, the cluster it uses, the runs it drives."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from agentfx._clock import Clock, SystemClock
from agentfx.algebra import AnyEffect, Exit, is_task, task_named
from agentfx.cluster import Cluster, ClusterError, Engine, Home, connect, find_engine, local, start
from agentfx.harness import Agent
from agentfx.interpreters import Run, caller_loop
from agentfx.notebook._loop import LoopThread

T = TypeVar("T")
DEFAULT_WORKERS = 2
MOST_LETTERS = 10_000
MOST_PROGRAMS = 200
"""Runs of this kernel that can be resumed without giving their program."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What a cluster should have; see `agentfx.local`.

    Attributes:
        workers: How many there are afterwards, at least; None for some if there are none.
    """

    workers: int | None = None
    tasks: tuple[str, ...] = ()
    slots: int = 4
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    config: str | None = None
    serve: tuple[str, ...] = ()


class KernelRun(Run[Any, Any]):
    """A run that is driven on a thread of this kernel; any loop may wait for it.

    Attributes:
        exit: How it ends; done when it has ended.
        shown: The same, done when its panel shows the end as well; None without a panel.
    """

    def __init__(self, run: Run[Any, Any], exit_: "Future[Exit[Any, Any]]") -> None:
        super().__init__(run.id, run._backend, run._task)
        self.exit = exit_
        self.shown: Future[Exit[Any, Any]] | None = None

    async def result(self) -> Exit[Any, Any]:
        """See `Run.result`."""
        return await asyncio.shield(asyncio.wrap_future(self.shown or self.exit))


@dataclass(slots=True)
class _Held:
    """A connection that is kept open by a task of its own."""

    engine: Engine
    leave: asyncio.Event
    task: "asyncio.Task[None]" = field(repr=False)


class Kit:
    """Everything that outlives a cell; one for each kernel.

    Two threads: `cluster` for connections, displays and buttons, `driver` for the walk of
    programs, where the user's lambdas run. However long those take, buttons go on.

    Args:
        home: Folder of the cluster, `.agentfx` in the working folder without it.

    Attributes:
        session: The agent's session that magics mean when none is named.
        agents: With which agents this kernel opened sessions.
    """

    def __init__(self, home: str | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.cluster = LoopThread("agentfx-cluster")
        self.driver = LoopThread("agentfx-driver")
        self.driven: dict[str, KernelRun] = {}
        self.session: str | None = None
        self.agents: dict[str, Agent] = {}
        self.programs: dict[str, AnyEffect] = {}
        self._home_given = home
        self._held: _Held | None = None
        self._opening = asyncio.Lock()

    @property
    def home(self) -> Home:
        """Where the cluster of the working folder lives."""
        return Home.of(self._home_given)

    @property
    def engine_in_use(self) -> Engine | None:
        """The engine this kernel is connected to, None before it is needed."""
        return self._held.engine if self._held is not None else None

    # What runs on the cluster's thread

    async def engine(self) -> Engine:
        """The engine to use: the one in use, else `III_URL`'s, else this folder's cluster.

        A cluster that does not run yet is started.

        Raises:
            ClusterError: It did not start.
        """
        async with self._opening:
            if self._held is None:
                found = find_engine(None, None, self.home)
                if found is not None and found.home is None:
                    await self._hold(connect(home=str(self.home.path)))
                else:
                    await self._hold(self._local(ClusterOptions()))
            assert self._held is not None  # noqa: S101 - opened now
            return self._held.engine

    async def engine_with_workers(self, workers: int | None) -> Engine:
        """The engine to use, and workers to run on.

        Args:
            workers: How many a cluster of this folder has at least, None for some.

        Raises:
            ClusterError: It did not start.
        """
        await self.engine()
        async with self._opening:
            return await self._with_workers(ClusterOptions(workers))

    async def up(self, options: ClusterOptions) -> Engine:
        """Start the cluster of this folder, or attach to it; bring it to a number of workers.

        Raises:
            ClusterError: It did not start, or this kernel uses another engine already.
        """
        async with self._opening:
            if self._held is not None and options.url not in (None, self._held.engine.url):
                raise ClusterError(
                    f"this kernel uses {self._held.engine.url}: leave it with `%agentfx down`, or "
                    "restart the kernel"
                )
            if self._held is None:
                await self._hold(self._local(options))
            return await self._with_workers(options)

    def _local(self, options: ClusterOptions) -> local:
        return local(
            0, options.tasks, slots=options.slots, url=options.url, token=options.token,
            home=str(self.home.path), config=options.config,
        )  # fmt: skip

    async def _with_workers(self, options: ClusterOptions) -> Engine:
        assert self._held is not None  # noqa: S101 - opened before
        engine = self._held.engine
        if isinstance(engine, Cluster):
            kept = await engine.processes()  # one that is away starts again, or was killed here
            there = [
                row for row in await engine.workers()
                if row["state"] != "draining" and (row["state"] != "away" or row["label"] in kept)
            ]  # fmt: skip
            wanted = options.workers
            if wanted is None:
                wanted = len(there) or DEFAULT_WORKERS
            missing = range(wanted - len(there))
            # They belong to the folder, not to this kernel: others go on when it ends.
            spawned = [await engine.spawn(slots=options.slots, owned=False) for _ in missing]
            if spawned:
                await engine.joined(spawned)
            for path in options.serve:
                await engine.serve(path)
        return engine

    async def _hold(self, context: "connect | local") -> None:
        """Keep a connection open until it is left, or the cluster ends."""
        leave = asyncio.Event()
        opened: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()

        async def keep() -> None:
            try:
                async with context as engine:
                    opened.set_result(engine)
                    if isinstance(engine, Cluster):
                        await engine.until_gone(leave)
                    else:
                        await leave.wait()
            except Exception as error:
                if opened.done():
                    raise
                opened.set_exception(error)
            finally:
                if self._held is not None and self._held.task is task:
                    self._held = None  # else it was left, and another one may be held by now

        task = asyncio.ensure_future(keep())
        self._held = _Held(await opened, leave, task)

    async def own_cluster(self) -> Cluster:
        """The cluster, whose workers can be started and ended from here.

        Raises:
            ClusterError: The engine in use belongs to somebody else.
        """
        engine = await self.engine()
        if not isinstance(engine, Cluster):
            raise ClusterError(
                f"the workers of {engine.url} are not of this machine's cluster: start and end "
                "them where they run"
            )
        return engine

    async def request(self, name: str, data: dict[str, Any]) -> Any:
        """Ask the services anything; see `agentfx::*` in the reference."""
        return await (await self.engine()).request(name, data)

    async def redrive(self, job: str) -> dict[str, Any]:
        """Run a dead letter again, with this kernel's code as it is now if it has the task.

        Raises:
            BackendError: There is no such dead letter, or its run went on past it.
        """
        engine = await self.engine()
        letters = await engine.request("dead::list", {"limit": MOST_LETTERS})
        task = next((row["task"] for row in letters if row["id"] == job), "")
        code = engine.bring_code() if is_task(task_named(task)) else None
        answer: dict[str, Any] = await engine.request("dead::redrive", {"job": job, "code": code})
        return answer

    async def leave(self) -> None:
        """Let go of the engine; a cluster ends with its last user."""
        held, self._held = self._held, None
        if held is not None:
            held.leave.set()
            await held.task

    async def down(self) -> bool:
        """End the cluster of this folder, whoever uses it; whether there was one."""
        from agentfx.cluster import attach

        control = await attach(self.home)
        if control is not None:
            await control.ask("down")
            await control.closed()
        await self.leave()
        return control is not None

    # Runs

    async def drive(
        self,
        program: AnyEffect,
        env: Any,
        engine: Engine,
        run_id: str,
        *,
        fresh: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> KernelRun:
        """Drive a run on the driver's thread; returns once it is on record.

        Args:
            program: What to run.
            env: Its capabilities.
            engine: Where.
            run_id: Known or new.
            fresh: Start a known run over.
            loop: Where capabilities run, the driver's without it.
        """
        self._remember(run_id, program)
        known = self.driven.get(run_id)
        if known is not None and not known.exit.done() and not fresh:
            return known
        begin = _begin(program, env, engine, run_id, loop, fresh=fresh)
        run = await asyncio.wrap_future(self.driver.submit(begin))
        driven = KernelRun(run, self.driver.submit(run.result()))
        self.driven[run_id] = driven
        driven.exit.add_done_callback(lambda _: self._forget(run_id, driven))
        return driven

    def _remember(self, run_id: str, program: AnyEffect) -> None:
        self.programs.pop(run_id, None)
        self.programs[run_id] = program
        while len(self.programs) > MOST_PROGRAMS:
            del self.programs[next(iter(self.programs))]

    def _forget(self, run_id: str, driven: KernelRun) -> None:
        if self.driven.get(run_id) is driven:
            del self.driven[run_id]

    # From a cell

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the cluster's thread, and block until it is done."""
        return self.cluster.call(work)


async def _begin(
    program: AnyEffect,
    env: Any,
    engine: Engine,
    run_id: str,
    loop: asyncio.AbstractEventLoop | None,
    *,
    fresh: bool,
) -> Run[Any, Any]:
    caller_loop.set(loop)
    return await start(program, env, backend=engine, run_id=run_id, fresh=fresh)


_kits: list[Kit] = []


def the_kit() -> Kit:
    """The kit of this process; made when it is first asked for."""
    if not _kits:
        _kits.append(Kit())
        leave = partial(_leave_at_the_end, _kits[0])
        threading.Thread(target=leave, name="agentfx-end", daemon=True).start()
    return _kits[0]


def _leave_at_the_end(kit: Kit) -> None:
    """Let a script end that used the kit: the SDK's thread is no daemon, and Python waits for it.

    Python looks at such threads before it calls what is registered with `atexit`.
    """
    threading.main_thread().join()
    kit.call(kit.leave())


def labels(rows: Iterable[dict[str, Any]]) -> str:
    """Names of workers, for people."""
    return ", ".join(sorted(row["label"] for row in rows)) or "none"
