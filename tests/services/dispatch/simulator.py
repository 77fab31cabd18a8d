"""Drivers, workers and services on a real store, under a random schedule of one seed.

What is decided in transactions, epochs, journals, outcomes, generations, is held against a model:
nothing acknowledged is lost or changes, and only the highest epoch writes.
"""

from pathlib import Path
from random import Random
from typing import Any

from agentfx.jobs import Job
from agentfx.services._host import FunctionError
from tests.invariant import check
from tests.services.dispatch.kit import Driver, Kit, Worker, dispatching, job

RUNS = ("r0", "r1")
PATHS = [str(number) for number in range(1, 40)]


class Story:
    """One schedule."""

    def __init__(self, seed: int, kit: Kit) -> None:
        self.random = Random(seed)  # noqa: S311 - a schedule that can be replayed, no secret
        self.kit = kit
        self.events = 0
        self.drivers: list[Driver] = []
        self.workers: list[Worker] = []
        self.epochs: dict[str, int] = {}
        self.steps: dict[tuple[str, str], str] = {}
        self.jobs: dict[str, Job] = {}
        self.outcomes: dict[str, str] = {}
        self.generation = 0

    async def play(self, events: int) -> None:
        """A time of trouble, then peace, in which every acknowledged job comes to its end."""
        acts = [self._open] * 4 + [self._put] * 6 + [self._submit] * 5 + [self._end_job] * 6
        acts += [self._kill_driver, self._kill_worker, self._cut_worker, self._restart, self._wait]
        self.drivers = [self.kit.driver(f"d{number}") for number in range(3)]
        for number in range(2):
            self.workers.append(await self.kit.worker(f"w{number}", slots=3))
        for _ in range(events):
            self.events += 1
            await self.random.choice(acts)()
            await self.kit.still()
        await self._peace()

    async def _ask(self, driver: Driver, run: str, work: Any) -> Any:
        """What came of a request; None if it was refused, as only a lower epoch may be."""
        latest = driver.epochs.get(run) == self.epochs.get(run)
        try:
            answer = await work
        except FunctionError as error:
            check(error.code == "superseded", f"refused with {error}")
            check(not latest, "the latest epoch is refused")
            return None
        check(latest, "a lower epoch is let in")
        return answer

    def _driver(self) -> tuple[Driver, str] | None:
        opened = [(d, run) for d in self.drivers for run in d.epochs]
        return self.random.choice(opened) if opened else None

    async def _open(self) -> None:
        driver, run = self.random.choice(self.drivers), self.random.choice(RUNS)
        answer = await driver.open(run)
        if answer["how"] == "attached":
            check(answer["epoch"] == self.epochs[run], "attached to another epoch")
            return
        check(answer["epoch"] > self.epochs.get(run, 0), "an epoch does not grow")
        self.epochs[run] = answer["epoch"]

    async def _put(self) -> None:
        found = self._driver()
        if found is None:
            return
        driver, run = found
        path, value = self.random.choice(PATHS), f"v{self.events}"
        won = await self._ask(driver, run, driver.put(path, value, run=run))
        if won is not None:
            expected = self.steps.setdefault((run, path), value)
            check(won == ("use", expected), f"step {path} was {expected} and is {won}")

    async def _submit(self) -> None:
        found = self._driver()
        if found is None:
            return
        driver, run = found
        wanted = [job(path, run=run) for path in self.random.sample(PATHS, 3)]
        told = len(driver.told("refused"))
        count = await driver.submit(*wanted, run=run)
        await self.kit.still()
        if count is None:
            check(driver.epochs[run] < self.epochs[run], "the latest epoch is refused")
            check(len(driver.told("refused")) > told, "nobody says that it was refused")
            return
        check(driver.epochs[run] == self.epochs[run], "a lower epoch is let in")
        self.jobs.update((one.id, one) for one in wanted)

    async def _end_job(self) -> None:
        running = [(w, start) for w in self.workers for start in w.starts]
        if not running:
            return
        worker, start = self.random.choice(running)
        await worker.end(start, f"{start} of {worker.id}")
        await self._outcomes_hold()

    async def _outcomes_hold(self) -> None:
        rows = await self.kit.rows("SELECT id, outcome FROM jobs WHERE state = 'done'")
        for job_id, outcome in rows:
            before = self.outcomes.setdefault(job_id, outcome)
            check(before == outcome, f"the outcome of {job_id} changes")
        check(len(rows) == len(self.outcomes), "an outcome is gone")

    async def _kill_driver(self) -> None:
        driver = self.random.choice(self.drivers)
        self.kit.host.cut(driver.link)
        self.drivers.remove(driver)
        self.drivers.append(self.kit.driver(f"d{self.events}"))

    async def _kill_worker(self) -> None:
        worker = self.random.choice(self.workers)
        await self.kit.call("worker::kill_asked", worker=worker.id)
        await worker.die()
        self.workers.remove(worker)
        self.workers.append(await self.kit.worker(f"w{self.events}", slots=3))

    async def _cut_worker(self) -> None:
        worker = self.random.choice(self.workers)
        worker.cut()
        await self.kit.still()
        await worker.hello()

    async def _restart(self) -> None:
        await self.kit.restart()
        for driver in self.drivers:
            driver.connect()
        generations = {await worker.hello() for worker in self.workers}
        check(min(generations) > self.generation, "a generation does not grow")
        self.generation = max(generations)
        for driver in self.drivers:
            for run, epoch in list(driver.epochs.items()):
                message = {"run": run, "epoch": epoch, "driver": driver.id}
                await self._ask(driver, run, driver.ask("run::rejoin", **message))

    async def _wait(self) -> None:
        await self.kit.passes(self.random.choice((1, 2, 7)))

    async def _peace(self) -> None:
        for _ in range(10 * len(self.jobs) + 10):
            await self.kit.passes(1)
            running = [(w, start) for w in self.workers for start in w.starts]
            if not running:
                break
            for worker, start in running:
                await worker.end(start)
        await self._outcomes_hold()
        lost = self.jobs.keys() - self.outcomes.keys()
        check(not lost, f"acknowledged jobs that never end: {sorted(lost)[:3]}")
        query = "SELECT r.id, s.path, s.value FROM steps s JOIN runs r ON r.no = s.run_no"
        rows = {(run, path): value for run, path, value in await self.kit.rows(query)}
        check(rows == self.steps, "a step is gone, or is not what was told")


async def simulate(seed: int, events: int, folder: Path) -> Story:
    """One schedule, to its end.

    Raises:
        InvariantError: Something happened that must not; the seed plays the same schedule.
    """
    async with dispatching(folder) as kit:
        story = Story(seed, kit)
        try:
            await story.play(events)
        except AssertionError as error:
            error.add_note(f"services, seed {seed}, event {story.events} of {events}")
            raise
        return story
