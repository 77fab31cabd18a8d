"""The dispatch service on a real store, with workers, drivers and time in the test's hands."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from agentfx.jobs import Job, job_id, task_error
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import RosterRow
from agentfx.services._sqlite import SqliteStore
from agentfx.services._sqlite._transaction import SqliteTransaction
from agentfx.services._store import StorageFullError, Transaction
from agentfx.services.dispatch import DispatchService
from agentfx.wire import packed, unpacked
from tests.services.dispatch.switchboard import Switchboard
from tests.services.kit import HandClock, broken, still
from tests.waiting import eventually

T = TypeVar("T")
TASK = "tests::work"
DONE = {"ok": '"done"'}
"""The outcome of a start that ends, where a test does not say how."""


class Worker:
    """A worker whose jobs start and end when the test says so.

    Attributes:
        running: Jobs that it was given and has not ended, by start.
        given: Starts in the order in which they came.
        silent: It does not answer pings.
    """

    def __init__(self, kit: "Kit", label: str, slots: int, tasks: Sequence[str]) -> None:
        self._kit, self.label, self._slots, self._tasks = kit, label, slots, list(tasks)
        self.number = next(kit.numbers)
        self.id = f"{label}.{self.number}"
        self.link = ""
        self.running: dict[str, dict[str, Any]] = {}
        self.given: list[str] = []
        self.stopped: list[str] = []
        self.confirmed: list[str] = []
        self.unconfirmed: dict[str, dict[str, Any]] = {}
        self.generations: list[int] = []
        self.silent = False
        self.loses_starts = False

    async def hello(self, **more: Any) -> int:
        """Connect, and say what it holds; the generation of the services."""
        self.link = self._kit.host.connect()
        self._kit.host.register(self.link, f"agentfx::exec::{self.id}", self.hear)
        return await self.greet(**more)

    async def greet(self, **more: Any) -> int:
        """Say so over the link that it has."""
        answer = await self.ask("worker::hello", **self._greeting(), **more)
        for outcome in list(self.unconfirmed.values()):
            await self.tell([outcome])
        return int(answer["gen"])

    def _greeting(self) -> dict[str, Any]:
        return {
            "label": self.label, "host": "here", "pid": self.number, "born": 1.0,
            "slots": self._slots, "tasks": [{"id": task} for task in self._tasks],
            "held": [{"start": start, "job": job} for start, job in self._held()],
        }  # fmt: skip

    def _held(self) -> list[tuple[str, str]]:
        held = {**{s: job["id"] for s, job in self.running.items()}}
        held.update((start, outcome["job"]) for start, outcome in self.unconfirmed.items())
        return list(held.items())

    async def ask(self, name: str, **data: Any) -> Any:
        message = {"worker": self.id, **data}
        return await self._kit.host.call_over(self.link, f"agentfx::{name}", message)

    async def hear(self, message: Any, caller: str | None) -> Any:
        self.generations.append(message["gen"])
        if message.get("ping"):
            if self.silent:
                await asyncio.Event().wait()
            return {"held": [[start, job] for start, job in self._held()]}
        for start in unpacked(message, "confirm"):
            self.confirmed.append(start)
            self.unconfirmed.pop(start, None)
        for start in unpacked(message, "stop"):
            self.stopped.append(start)
            self.running.pop(start, None)
            self.unconfirmed.pop(start, None)
        for item in unpacked(message, "starts"):
            self.given.append(item["start"])
            if not self.loses_starts:
                self.running[item["start"]] = item
        return None

    async def end(self, start: str, value: Any = "done") -> None:
        """A start comes to its end with a value."""
        await self._report(start, {"ok": json.dumps(value)}, None, dead=False)

    async def fail(self, start: str) -> None:
        """A start ends in a declared failure."""
        await self._report(start, {"err": "tests:Failed", "value": "{}"}, "Failed", dead=False)

    async def crash(self, start: str, reason: str = "crashed") -> None:
        """A start ends in a `TaskError`."""
        wire = json.loads(task_error(TASK, reason, "no"))
        await self._report(start, wire, f"TaskError {reason}", dead=True)

    async def _report(
        self, start: str, wire: dict[str, Any], error: str | None, *, dead: bool
    ) -> None:
        item = self.running.pop(start, {"id": start.rpartition("/")[0]})
        outcome = {
            "start": start, "job": item["id"], "outcome": json.dumps(wire), "ms": 1.0,
            "error": error, "dead": dead,
        }  # fmt: skip
        self.unconfirmed[start] = outcome
        await self.tell([outcome])

    async def tell(self, outcomes: Iterable[dict[str, Any]]) -> None:
        """Say how starts have ended, maybe again."""
        await self.ask("worker::outcomes", outcomes=packed(list(outcomes)))

    def cut(self) -> None:
        """Its link closes."""
        self._kit.host.cut(self.link)

    async def die(self) -> None:
        """Its process ends, and the services find out."""
        self._kit.dead.add(self.number)
        self.cut()
        await self._kit.passes(0.0)

    @property
    def starts(self) -> list[str]:
        """Starts that run now."""
        return list(self.running)


class Driver:
    """A process that drives runs; it keeps what it hears."""

    def __init__(self, kit: "Kit", name: str) -> None:
        self._kit, self.id = kit, name
        self.link = ""
        self.heard: dict[str, list[Any]] = {}
        self.epochs: dict[str, int] = {}
        self.connect()

    def connect(self) -> None:
        self.link = self._kit.host.connect()
        self._kit.host.register(self.link, f"agentfx::driver::{self.id}", self._hear)

    async def _hear(self, message: Any, caller: str | None) -> Any:
        for key in message:
            self.heard.setdefault(key, []).extend(unpacked(message, key))
        return None

    def told(self, key: str) -> list[Any]:
        """What it heard under a key: done, dead, ended, superseded, refused, released."""
        return self.heard.get(key, [])

    async def ask(self, name: str, **data: Any) -> Any:
        return await self._kit.host.call_over(self.link, f"agentfx::{name}", data)

    async def refused(self, name: str, **data: Any) -> FunctionError:
        """Ask what must be refused; its error."""
        try:
            await self.ask(name, **data)
        except FunctionError as error:
            return error
        raise AssertionError("it was accepted")

    async def open(self, run: str = "r", fingerprint: str = "f", **more: Any) -> Any:
        """Open a run; what came of it."""
        answer = await self.ask(
            "run::open", run=run, driver=self.id, fingerprint=fingerprint, **more
        )
        if answer["how"] in ("new", "resumed"):
            self.epochs[run] = answer["epoch"]
        return answer

    async def rejoin(self, run: str = "r") -> None:
        """Connect, and go on with a run that it drove before the services were restarted."""
        self.connect()
        await self.ask("run::rejoin", run=run, epoch=self.epochs[run], driver=self.id)

    async def alive(self) -> None:
        await self.ask("driver::alive", driver=self.id)

    async def submit(self, *jobs: Job, run: str = "r", **more: Any) -> Any:
        """Submit jobs, and wait until they are on record."""
        found = packed([asdict(job) for job in jobs])
        return await self.ask("run::submit", run=run, epoch=self.epochs[run], jobs=found, **more)

    async def put(self, path: str, value: str, what: str = "use", run: str = "r") -> Any:
        """Journal a step; the (what, value) that won."""
        steps = [{"path": path, "what": what, "value": value}]
        won = await self.ask("run::put", run=run, epoch=self.epochs[run], steps=steps)
        return tuple(won[0])

    async def end(self, *, ok: bool = True, run: str = "r", **more: Any) -> Any:
        """End a run; how it ended."""
        message = {"exit": "+1" if ok else "-1", **more}
        return await self.ask("run::end", run=run, epoch=self.epochs[run], ok=ok, **message)

    async def settled(self, count: int = 1, key: str = "done") -> dict[str, Any]:
        """Wait for outcomes; those heard so far, by job."""
        await eventually(lambda: len(self.told(key)) >= count)
        return {job: json.loads(outcome) for job, outcome in self.told(key)}


class Kit:
    """The services, and who talks to them."""

    def __init__(self, path: Path, clock: HandClock) -> None:
        self.path, self.clock = path, clock
        self.host = Switchboard()
        self.numbers = count(1)
        self.dead: set[int] = set()
        self.elsewhere: set[int] = set()
        self.kept_code: list[tuple[set[str], float]] = []
        self.blocked: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        self.store = SqliteStore(self.path / "store.db", broken)
        self.service = DispatchService(
            self.store, self.host, self.clock, self._process_ended, self._drop_code
        )
        await self.service.start()

    async def stop(self) -> None:
        await self.service.stop()
        await self.host.close()
        self.store.close()

    async def restart(self) -> None:
        """The services end, and there are new ones on the same store: all links are gone."""
        await self.stop()
        self.host = Switchboard()
        await self.start()

    def _process_ended(self, row: RosterRow) -> bool | None:
        return None if row.pid in self.elsewhere else row.pid in self.dead

    def _drop_code(self, kept: set[str], before: float) -> None:
        self.kept_code.append((kept, before))

    async def worker(
        self, label: str = "w1", *, slots: int = 4, tasks: Sequence[str] = (TASK,)
    ) -> Worker:
        """A worker that has said hello."""
        worker = Worker(self, label, slots, tasks)
        await worker.hello()
        return worker

    def driver(self, name: str = "d1") -> Driver:
        return Driver(self, name)

    async def call(self, name: str, **data: Any) -> Any:
        """Ask the services something, from anywhere."""
        return await self.host.call(f"agentfx::{name}", data)

    async def refused(self, name: str, **data: Any) -> FunctionError:
        """Ask what must be refused; its error."""
        try:
            await self.call(name, **data)
        except FunctionError as error:
            return error
        raise AssertionError("it was accepted")

    async def still(self) -> None:
        """Let everything happen that can happen without time passing."""
        await still(self.store)

    async def passes(self, seconds: float) -> None:
        """Time passes, second by second, as the services' own tick expects it."""
        whole = int(seconds)
        for step in [0.0] + [1.0] * whole + ([seconds - whole] if seconds > whole else []):
            await self.still()
            self.clock.advance(step)
            await self.still()

    async def events(self, run: str = "r", after: int = 0) -> list[Any]:
        """All events of a run, of workers and of services."""
        found: list[Any] = await self.call("run::events", run=run, after=after, limit=5000)
        return found

    async def kinds(self, run: str = "r") -> list[str]:
        """Types of the events of a run, without those of workers and services."""
        return [event["type"] for event in await self.events(run) if event["run"] == run]

    async def status(self, run: str = "r") -> str:
        return str((await self.call("run::get", run=run))["status"])

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the store has."""

        def read(t: Transaction) -> list[tuple[Any, ...]]:
            return cast("SqliteTransaction", t).connection.execute(query).fetchall()

        return await self.store.read(read)

    async def execute(self, *statements: str) -> None:
        """Change the store behind the services' back."""

        def write(t: Transaction) -> None:
            for statement in statements:
                cast("SqliteTransaction", t).connection.execute(statement)

        await self.store.write(write)

    async def limit_pages(self, spare: int | None) -> None:
        """Leave the store so much room to grow, or all it wants."""
        used = (await self.rows("PRAGMA page_count"))[0][0]
        most = (1 << 30) if spare is None else used + spare
        while True:
            try:
                await self.execute(f"PRAGMA max_page_count = {most}")
            except StorageFullError:
                continue
            return


class Answer(Generic[T]):
    """An answer that is awaited later."""

    def __init__(self, work: Awaitable[T]) -> None:
        self._task = asyncio.ensure_future(work)

    def __await__(self) -> Generator[Any, None, T]:
        return self._task.__await__()

    async def error(self) -> FunctionError:
        """The error that it must be."""
        try:
            await self
        except FunctionError as error:
            return error
        raise AssertionError("it succeeded")


def later(work: Awaitable[T]) -> Answer[T]:
    """Begin something, and go on without waiting for it."""
    return Answer(work)


async def turns(number: int = 10) -> None:
    """Let what is ready to run do so, without waiting for the store."""
    for _ in range(number):
        await asyncio.sleep(0)


async def block_writer(kit: Kit) -> Callable[[], None]:
    """Let the store's writer wait until the function that this returns is called."""
    entered, release = threading.Event(), threading.Event()

    def operation(t: Transaction) -> None:
        entered.set()
        release.wait()

    kit.blocked.append(kit.store.write(operation))
    await asyncio.to_thread(entered.wait)
    return release.set


def job(path: str = "1", *, attempt: int = 1, run: str = "r", task: str = TASK, **more: Any) -> Job:
    """A job of a run."""
    name = job_id(run, path, attempt)
    return Job(name, run, path, attempt, task, "{}", name, **more)


def jobs(number: int, **more: Any) -> list[Job]:
    """Jobs of a fan-out."""
    return [job(f"1/{index}", index=index, **more) for index in range(number)]


def start_of(item: Job, delivery: int = 1) -> str:
    return f"{item.id}/{delivery}"


async def running(kit: Kit, *items: Job, workers: int = 2) -> tuple[list[Worker], Driver]:
    """Workers of four slots, and a run whose jobs run on the first of them."""
    found = [await kit.worker("w1")]
    driver = kit.driver()
    await driver.open()
    await driver.submit(*(items or (job(),)))
    await eventually(lambda: len(found[0].starts) == len(items or (1,)))
    return [*found, *[await kit.worker(f"w{n + 1}") for n in range(1, workers)]], driver


async def recorded(kit: Kit) -> None:
    """Wait until the start of the job is on record; it follows a moment after the start."""
    while await kit.rows("SELECT holder FROM jobs WHERE holder IS NULL"):
        await turns()


async def holds(condition: Callable[[], object], kit: Kit) -> None:
    """Something is so, and stays so while the services do all they have to do."""
    for _ in range(3):
        await kit.still()
        assert condition()


@asynccontextmanager
async def dispatching(path: Path) -> AsyncGenerator[Kit]:
    """The service on a store, for a while."""
    kit = Kit(path, HandClock())
    await kit.start()
    try:
        yield kit
    finally:
        await kit.stop()
