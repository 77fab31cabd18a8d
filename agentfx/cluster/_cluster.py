"""A cluster of this machine: the embedded engine, and workers that run this process's tasks."""

import asyncio
import contextvars
import sys
from collections.abc import Iterable
from importlib.metadata import version
from secrets import token_hex
from types import TracebackType
from typing import Any

from agentfx._clock import Clock, SystemClock
from agentfx.algebra import AnyTask
from agentfx.backends import LOST_SECONDS, Connection, EngineAwayError, IiiBackend
from agentfx.cluster._about import About, about, version_of_services
from agentfx.cluster._bundle import drop_forgotten, write_bundle
from agentfx.cluster._control import ControlClient
from agentfx.cluster._find import ClusterError, Found, find_engine, log_tail, start_supervisor
from agentfx.cluster._foreign import Manifest, make_ready, read_manifest
from agentfx.cluster._home import Home
from agentfx.cluster._options import DEFAULT_SLOTS
from agentfx.cluster._refusal import reasons, size_of
from agentfx.interpreters import Listener, OpenedRun, RunRequest

JOIN_SECONDS = 45.0
SERVE_FAILURES = 2

enclosing: contextvars.ContextVar["Engine | None"] = contextvars.ContextVar(
    "agentfx_enclosing", default=None
)
"""The cluster or connection of the enclosing `async with`."""


class Engine(IiiBackend):
    """A connection to an engine, which runs this process's code where it can.

    Args:
        found: The engine.
        connection: To it.
        clock: The time.
        given: Tasks beside those that this process has registered.
    """

    def __init__(
        self, found: Found, connection: Connection, clock: Clock, given: Iterable[AnyTask] = ()
    ) -> None:
        super().__init__(connection, clock)
        self.found = found
        self._given = tuple(given)

    @property
    def url(self) -> str:
        """Of the engine, for any other iii client."""
        return self.found.url

    @property
    def token(self) -> str | None:
        """For the engine, as a bearer token."""
        return self.found.token

    async def start(self) -> None:
        """See `IiiBackend.start`.

        Raises:
            ClusterError: The services are of another version of agentfx, and may not understand.
        """
        theirs, ours = await version_of_services(self.connection), version("agentfx-kit")
        if theirs not in (None, ours):
            raise ClusterError(
                f"the services at {self.url} are of agentfx {theirs}, this is {ours}: end them "
                "(a cluster by `agentfx down`) and start them anew, or use their version here"
            )
        await super().start()

    async def about(self) -> About:
        """Which engine it is, and which services it has."""
        return await about(self.connection)

    def bring_code(self) -> str | None:
        """Let local workers have this process's code as it is now; its version."""
        if self.found.home is not None:
            self._code = write_bundle(self.found.home, self._given)
            drop_forgotten(self.found.home, self._clock.wall())
        return self._code

    async def open_run(self, request: RunRequest, listener: Listener) -> OpenedRun:
        """See `Backend.open_run`; the code as it is now goes along to local workers."""
        self.bring_code()
        return await super().open_run(request, listener)

    async def __aenter__(self) -> "Engine":
        self._outer = enclosing.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        enclosing.reset(self._outer)
        await self.close()


async def open_engine(found: Found, clock: Clock, given: Iterable[AnyTask] = ()) -> Engine:
    """Connect to an engine.

    Raises:
        ConnectionFailedError: It does not answer, or refuses the token.
        ClusterError: Its services are of another version of agentfx.
    """
    connection = await _connected(found, clock)
    engine = Engine(found, connection, clock, given)
    try:
        await engine.start()
    except BaseException:
        await engine.close()
        raise
    return engine


async def _connected(found: Found, clock: Clock) -> Connection:
    """A link to an engine; to one of a cluster that runs also while it is started again."""
    deadline = clock.monotonic() + LOST_SECONDS
    while True:
        try:
            return await Connection.connect(found.url, found.token, f"driver.{token_hex(4)}")
        except EngineAwayError:
            kept = found.home is not None and found.home.find() is not None
            if not kept or clock.monotonic() > deadline:
                raise
            await clock.sleep(0.02)


class connect:  # noqa: N801 - `async with connect() as backend`
    """Connect to an engine that runs already.

    Args:
        url: Of the engine; without it `III_URL`, else the cluster that runs in the home.
        token: For it; without it `III_TOKEN`, or that of the cluster.
        home: Of a cluster, `.agentfx` in the working folder without it.
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, home: str | None = None
    ) -> None:
        self._url, self._token, self._home = url, token, Home.of(home)

    async def __aenter__(self) -> Engine:
        found = find_engine(self._url, self._token, self._home)
        if found is None:
            raise ClusterError(
                f"no engine: none runs in {self._home.path}, and III_URL is not set; start one "
                "with `agentfx up`, or use fx.local()"
            )
        self._engine = await open_engine(found, SystemClock())
        await self._engine.__aenter__()
        return self._engine

    async def __aexit__(self, *error: Any) -> None:
        await self._engine.__aexit__(*error)


class Cluster(Engine):
    """An engine with workers of our own beside it."""

    def __init__(
        self,
        found: Found,
        connection: Connection,
        clock: Clock,
        control: ControlClient,
        given: Iterable[AnyTask],
        modules: list[str],
        slots: int,
    ) -> None:
        super().__init__(found, connection, clock, given)
        self._control, self._modules, self._slots = control, modules, slots
        self._log_before = size_of(found.home.log) if found.home is not None else 0

    async def spawn(
        self, label: str | None = None, *, slots: int | None = None, owned: bool = True
    ) -> str:
        """Start a worker; its label.

        Args:
            label: Such as `w3`; the next free one without it.
            slots: Jobs at once.
            owned: It leaves with this user; else it stays for the others until the last one.

        Raises:
            ControlError: There is one of this label already.
        """
        found: str = await self._control.ask(
            "spawn",
            label=label,
            slots=slots or self._slots,
            modules=self._modules,
            path=sys.path,
            owned=owned,
        )
        return found

    async def serve(self, path: str) -> str:
        """Start a worker in any language; the name in its manifest.

        The packages of a worker in JavaScript are installed before its first start.

        Args:
            path: Its folder, with an `iii.worker.yaml`.

        Raises:
            ClusterError: It has no manifest, its language is not installed, or it did not
                register its functions in time.
        """
        manifest = read_manifest(path)
        await make_ready(manifest)
        await self._control.ask(
            "serve", label=manifest.name, command=manifest.start, folder=str(manifest.folder)
        )
        try:
            await self._served(manifest)
        except ClusterError:
            await self.stop(manifest.name)  # else it would be started again and again
            raise
        return manifest.name

    async def _served(self, manifest: Manifest) -> None:
        deadline = self._clock.monotonic() + JOIN_SECONDS
        while missing := set(manifest.functions) - set(await self._functions()):
            failures = await self._control.ask("failures", label=manifest.name)
            if failures > SERVE_FAILURES or self._clock.monotonic() > deadline:
                install = f"; has `{manifest.install}` been run?" if manifest.install else ""
                home = self.found.home
                raise ClusterError(
                    f"worker {manifest.name} did not register {', '.join(sorted(missing))}"
                    f"{install} {log_tail(home) if home is not None else ''}"
                )
            await self._clock.sleep(0.02)

    async def _functions(self) -> list[str]:
        listing = await self.connection.call("engine::functions::list", {})
        return [row["function_id"] for row in listing["functions"]]

    async def kill(self, label: str) -> None:
        """Kill a worker with SIGKILL; what it ran starts elsewhere.

        Raises:
            ControlError: There is no such worker.
        """
        await self._control.ask("kill", label=label)

    async def stop(self, label: str) -> None:
        """Let a worker finish what it runs, then end it.

        Raises:
            ControlError: There is no such worker.
        """
        await self._control.ask("stop", label=label)

    async def kill_engine(self) -> None:
        """Kill the embedded engine with SIGKILL; the supervisor starts it again."""
        await self._control.ask("kill_engine")

    async def status(self) -> dict[str, Any]:
        """Process ids of supervisor, engine and services, and how many users there are.

        `engine` is None for one that was started by somebody else, and so is `services`.
        """
        found: dict[str, Any] = await self._control.ask("status")
        return found

    async def workers(self) -> list[dict[str, Any]]:
        """The workers that are there, and what each runs now."""
        found: list[dict[str, Any]] = await self.request("workers::list", {})
        return found

    async def until_gone(self, done: asyncio.Event) -> None:
        """Wait until somebody sets `done`, or the cluster is ended by somebody else."""
        waiting = [asyncio.ensure_future(w) for w in (done.wait(), self._control.closed())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def processes(self) -> dict[str, int]:
        """Process ids of the workers, by label; also while there is no engine."""
        found: dict[str, int] = await self._control.ask("workers")
        return found

    async def joined(self, labels: Iterable[str], seconds: float = JOIN_SECONDS) -> None:
        """Wait until workers have said hello.

        Args:
            labels: Of the workers.
            seconds: How long, at most; a new interpreter on a busy machine takes its time.

        Raises:
            ClusterError: They did not, in time.
        """
        wanted = set(labels)
        deadline = self._clock.monotonic() + seconds
        while missing := wanted - await self._there():
            refused = missing.intersection(await self._control.ask("refused"))
            if refused or self._clock.monotonic() > deadline:
                raise ClusterError(
                    f"workers {', '.join(sorted(missing))} did not start: {self._why()}"
                )
            await self._clock.sleep(0.005)

    async def _there(self) -> set[str]:
        """Labels of the workers whose links are open."""
        return {row["label"] for row in await self.workers() if row["state"] != "away"}

    def _why(self) -> str:
        home = self.found.home
        if home is None:
            return "their log says why"
        return reasons(home.log, self._log_before) or f"see {home.log}"

    async def close(self) -> None:
        """Leave the cluster; the last user ends it."""
        await super().close()
        await self._control.close()


class local:  # noqa: N801 - `async with local(workers=2) as cluster`
    """A cluster on this machine: the embedded engine, and workers.

    The first one in a folder starts it, others attach and bring workers of their own; it ends
    with its last user.

    Args:
        workers: How many workers to bring.
        tasks: Modules, by name, that workers import; or task objects. Tasks that this process
            knows already travel by themselves.
        slots: Jobs at once, of each worker.
        url: Of an iii engine that runs already, instead of the embedded one.
        token: For that engine.
        home: Where the store is, `.agentfx` in the working folder without it.
        config: An iii configuration file for the embedded engine.
        serve: Folders of workers in any language, each with an `iii.worker.yaml`.
    """

    def __init__(
        self,
        workers: int = 2,
        tasks: Iterable[str | AnyTask] = (),
        *,
        slots: int = DEFAULT_SLOTS,
        url: str | None = None,
        token: str | None = None,
        home: str | None = None,
        config: str | None = None,
        serve: Iterable[str] = (),
    ) -> None:
        self._count, self._slots, self._serve = workers, slots, list(serve)
        given = list(tasks)
        self._modules = [task for task in given if isinstance(task, str)]
        self._given = [task for task in given if not isinstance(task, str)]
        self._url, self._token, self._config = url, token, config
        self._home = Home.of(home)

    async def __aenter__(self) -> Cluster:
        clock = SystemClock()
        control, answer = await start_supervisor(
            self._home, self._url, self._token, self._config, clock
        )
        if self._url is not None and answer["url"] != self._url:
            await control.close()
            raise ClusterError(
                f"the cluster in {self._home.path} is on {answer['url']}, not on {self._url}: end "
                "it with `agentfx down`, or give another home"
            )
        found = Found(
            answer["url"], answer["token"], f"the cluster in {self._home.path}", self._home
        )
        try:
            connection = await _connected(found, clock)
        except BaseException:
            await control.close()
            raise
        cluster = Cluster(
            found, connection, clock, control, self._given, self._modules, self._slots
        )
        self._cluster = cluster
        try:
            await cluster.start()
            labels = [await cluster.spawn() for _ in range(self._count)]
            for path in self._serve:
                await cluster.serve(path)
            await cluster.joined(labels)
        except BaseException:
            await cluster.close()
            raise
        await cluster.__aenter__()
        return cluster

    async def __aexit__(self, *error: Any) -> None:
        await self._cluster.__aexit__(*error)
