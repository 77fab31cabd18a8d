"""A world of made-up processes around the real decisions of dispatch and workers.

Services, workers and drivers are simulated; what they decide is `jobs.Dispatch` and
`jobs.Holding`. Messages are delayed, links break, processes pause, die and come back, all by
one seed: a failing seed replays exactly. Invariants are checked at every event, and at the end,
when the faults have ceased, that everything came to its end.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from zlib import crc32

from agentfx.jobs import (
    Abort,
    Action,
    Dispatch,
    Ended,
    Holding,
    Lost,
    OpenJob,
    Order,
    Requeued,
    Route,
    Run,
    Start,
    Started,
    Stop,
    Tell,
    Unclaimed,
    Worker,
    start_id,
)
from tests.invariant import InvariantError, check
from tests.jobs.simulated import Plan, Process, Row

RESEND_SECONDS = 2.0
FOREVER = float("inf")


class World:
    """One simulated cluster."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - a schedule that can be replayed, no secret
        self.plan = plan or Plan()
        self.now = 0.0
        self.events = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._names = itertools.count(1)
        self.store: dict[str, Row] = {}
        self.roster: dict[str, None] = {}
        self.workers: dict[str, Process] = {}
        self.dispatch: Dispatch | None = None
        self.generation = 0
        self.services_paused_until = 0.0
        self.executions: Counter[str] = Counter()
        self.finished: set[str] = set()
        self.poison: set[str] = set()
        self.faults = True
        self.submitted = 0

    # Time

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), act))

    def soon(self, act: Callable[[], None]) -> None:
        self.after(self.random.choice((0.0005, 0.001, 0.005, 0.05)) * self.random.random(), act)

    def run(self) -> None:
        """Everything: a time of faults, then a time of peace."""
        self._start_services()
        for _ in range(3):
            self._start_worker()
        self.after(0.0, self._drive)
        self.after(RESEND_SECONDS, self._resend)
        self.after(0.0, self._ping)
        for kind, rate in (
            (self._kill, self.plan.kills),
            (self._cut, self.plan.cuts),
            (self._pause, self.plan.pauses),
            (self._restart_services, self.plan.restarts),
            (self._cancel, self.plan.cancels),
            (self._freeze, self.plan.freezes),
        ):
            self._keep_doing(kind, rate)
        self._advance(self.plan.seconds)
        self.faults = False
        for process in list(self.workers.values()):
            if process.paused_until < FOREVER:
                process.paused_until = 0.0
        self.services_paused_until = 0.0
        self._advance(self.plan.seconds + 600.0)
        still = [job for job, row in self.store.items() if self._should_end(row)]
        check(not still, f"jobs that never end: {still[:5]}")

    def _advance(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, act = heapq.heappop(self._queue)
            self.events += 1
            act()
            if not self.faults and not any(map(self._should_end, self.store.values())):
                return
        self.now = until

    def _should_end(self, row: Row) -> bool:
        """An action on a frozen worker is neither lost nor run again; all other jobs end."""
        holder = self.workers.get(row.holder or "")
        frozen = holder is not None and holder.paused_until == FOREVER
        return row.state == "open" and not (row.at_most_once and frozen)

    def _keep_doing(self, act: Callable[[], None], rate: float) -> None:
        if not rate:
            return

        def again() -> None:
            if self.faults:
                act()
                self._keep_doing(act, rate)

        self.after(self.random.expovariate(rate), again)

    # The driver

    def _drive(self) -> None:
        """Submit some jobs now and then; they go straight into the store, as one transaction."""
        if not self.faults:
            return
        batch = [f"job{self.submitted + n}#1" for n in range(self.random.randint(1, 12))]
        self.submitted += len(batch)
        for job in batch:
            if self.random.random() < self.plan.poison:
                self.poison.add(job)
        self._submit(batch)
        self.after(self.random.expovariate(1.0), self._drive)

    def _submit(self, batch: list[str]) -> None:
        def arrive() -> None:
            if self.dispatch is None or self.services_paused_until > self.now:
                return  # lost on the way: the driver asks again
            new = [job for job in batch if job not in self.store]
            for job in new:
                route = Route(f"run{crc32(job.encode()) % 3}", f"task{len(job) % 2}", None)
                self.store[job] = Row(route, at_most_once=job not in self.poison and job[3] == "7")
            self._apply(self.dispatch.submit([self._open(job) for job in new]))

        self._sent = [*getattr(self, "_sent", []), *batch]
        self.soon(arrive)

    def _resend(self) -> None:
        """What nobody knows is sent again under the same id."""
        lost = [job for job in self._sent if job not in self.store]
        if lost:
            self._submit(lost[:64])
        self.after(RESEND_SECONDS, self._resend)

    def _open(self, job: str) -> OpenJob:
        row = self.store[job]
        return OpenJob(
            job, row.route, row.at_most_once, row.deliveries,
            shared_losses=row.shared, lone_losses=row.lone,
        )  # fmt: skip

    def _cancel(self) -> None:
        open_jobs = [job for job, row in self.store.items() if row.state == "open"]
        if not open_jobs or self.dispatch is None:
            return
        job = self.random.choice(open_jobs)
        self.store[job].state = "cancelled"
        self._apply(self.dispatch.cancel([job]))

    # The services

    def _start_services(self) -> None:
        self.generation += 1
        self.dispatch = Dispatch(self.now)
        roster = [
            Worker(name, 1, frozenset(), home=None, heard_at=self.now) for name in self.roster
        ]
        jobs: list[OpenJob] = []
        for job, row in self.store.items():
            if row.state == "open":
                open_job = self._open(job)
                if row.holder in self.roster:
                    start = start_id(job, row.deliveries)
                    open_job.starts[start] = Started(str(row.holder), row.alone)
                jobs.append(open_job)
        self.dispatch.restore(jobs, roster, self.now)
        for name in list(self.roster):
            if name not in self.workers:
                self._gone(name)
        for process in self.workers.values():
            self._reconnect(process)

    def _restart_services(self) -> None:
        """Killed; a moment later there are new ones on the same store."""
        if self.dispatch is None:
            return
        self.dispatch = None
        for process in self.workers.values():
            process.linked = process.greeted = False
            process.inbox.clear()
        self.after(self.random.uniform(0.1, 3.0), self._start_services)

    def _ping(self) -> None:
        self.after(1.0, self._ping)
        if self.dispatch is None or self.services_paused_until > self.now:
            return
        self._apply(self.dispatch.tick(self.now))
        if not self._alive():
            return
        for name in [n for n in self.roster if n not in self.dispatch.workers]:
            self.roster.pop(name)
        for process in list(self.workers.values()):
            if process.linked and process.greeted:
                self._to_worker(process, lambda p=process: self._pong(p))  # type: ignore[misc]

    def _alive(self) -> bool:
        return self.dispatch is not None

    def _pong(self, process: Process) -> None:
        held, life = process.holding.held(), self.generation

        def arrive() -> None:
            if self.dispatch is not None and life == self.generation:
                self._apply(self.dispatch.pong(process.id, held, self.now))

        self.soon(arrive)

    def _apply(self, actions: list[Action]) -> None:
        """Record, then do; killed in between, nothing is done."""
        for action in actions:
            match action:
                case Start():
                    row = self.store[action.job]
                    check(row.state == "open", f"{action.job} is started though it is {row.state}")
                    check(action.delivery <= 10, f"{action.job} again and again")
                    self._record_start(action, row)
                case Lost():
                    row = self.store[action.job]
                    row.holder = None
                    row.shared += action.counted == "shared"
                    row.lone += action.counted == "alone"
                case Ended():
                    row = self.store[action.job]
                    check(row.state == "open", f"{action.job} ends twice")
                    row.state, row.outcome = "dead", action.reason
                case Requeued() | Stop() | Unclaimed():
                    pass
        if self.faults and self.random.random() < 0.002:
            self._restart_services()  # killed between the record and the deed
            return
        self._carry_out(actions)

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start():
                    self._send(action.worker, action.job, action.start)
                case Stop():
                    self._send_stop(action.worker, action.start)
                case Unclaimed():
                    self.soon(partial(self._look_up, action.job))
                case Lost() | Requeued() | Ended():
                    pass

    def _look_up(self, job: str) -> None:
        if self.dispatch is not None and job in self.store:
            self._apply(self.dispatch.settled(job))

    def _record_start(self, action: Start, row: Row) -> None:
        """The start of an action is on record before it is sent, others a moment later."""
        life = self.generation

        def record() -> None:
            if life == self.generation and self.dispatch is not None:
                row.deliveries, row.holder = max(row.deliveries, action.delivery), action.worker
                row.alone = action.alone

        if row.at_most_once:
            record()
        else:
            self.soon(record)

    def _send(self, worker: str, job: str, start: str) -> None:
        process = self.workers.get(worker)
        if process is None or (self.faults and self.random.random() < self.plan.lost_messages):
            return
        life = self.generation
        self._to_worker(process, lambda: self._take(process, job, start, life))

    def _send_stop(self, worker: str, start: str) -> None:
        process = self.workers.get(worker)
        if process is not None:
            job = start.rpartition("/")[0]
            self._to_worker(process, lambda: self._obey(process, process.holding.stop(job, start)))

    def _to_worker(self, process: Process, act: Callable[[], None]) -> None:
        """Messages of one link arrive in order, if it holds."""
        if not process.linked:
            return
        process.inbox.append(act)

        def arrive() -> None:
            if act not in process.inbox or process.id not in self.workers:
                return
            if process.paused_until > self.now:
                if process.paused_until < FOREVER:
                    self.after(process.paused_until - self.now, arrive)
                return
            while process.inbox:
                first = process.inbox.pop(0)
                first()
                if first is act:
                    return

        self.soon(arrive)

    # Workers

    def _start_worker(self) -> None:
        name = f"w{next(self._names)}"
        slots = self.random.randint(1, 4)
        tasks = frozenset({"task0", "task1"})
        process = Process(name, slots, tasks, Holding(slots))
        self.workers[name] = process
        self._reconnect(process)

    def _reconnect(self, process: Process) -> None:
        def hello() -> None:
            if process.id not in self.workers or process.greeted:
                return
            if self.dispatch is None or process.paused_until > self.now:
                if process.paused_until < FOREVER:
                    self.after(0.05, hello)
                return
            process.linked = process.greeted = True
            check(self.generation >= process.generation, "an older generation is obeyed")
            process.generation = self.generation
            worker = Worker(process.id, process.slots, process.tasks, home=None, heard_at=self.now)
            self.roster[process.id] = None
            self._apply(self.dispatch.joined(worker, process.holding.held()))
            for tell in process.holding.unconfirmed():
                self._tell(process, tell)

        self.after(self.random.uniform(0.02, 1.0), hello)

    def _take(self, process: Process, job: str, start: str, life: int) -> None:
        if life < process.generation:
            return  # refused: other services have taken over
        self._obey(process, process.holding.take(job, start))

    def _obey(self, process: Process, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Run():
                    self._begin(process, order.job)
                case Abort():
                    self.after(0.001, lambda job=order.job: self._ended(process, job, aborted=True))  # type: ignore[misc]
                case Tell():
                    self._tell(process, order)
        check(len(process.running) <= process.slots, f"{process.id} runs more than its slots")

    def _begin(self, process: Process, job: str) -> None:
        row = self.store[job]
        check(job not in process.running, f"{job} runs twice on {process.id}")
        check(job not in process.kept, f"{process.id} runs {job} again though it has its outcome")
        if row.at_most_once:
            check(self.executions[job] == 0, f"{job} runs a second time, though it may run once")
        self.executions[job] += 1
        process.running[job] = self.now
        if job in self.poison:
            self.after(self.random.uniform(0.0, 0.2), lambda: self._die(process.id))
        else:
            self.after(self.random.expovariate(2.0), lambda: self._ended(process, job))

    def _ended(self, process: Process, job: str, *, aborted: bool = False) -> None:
        if process.id not in self.workers or job not in process.running:
            return
        if process.paused_until > self.now:
            left = process.paused_until - self.now
            if left < FOREVER:
                self.after(left, lambda: self._ended(process, job, aborted=aborted))
            return
        del process.running[job]
        self._obey(process, process.holding.ended(job))
        process.kept = {tell.job for tell in process.holding.unconfirmed()}
        self._obey(process, process.holding.free())

    def _tell(self, process: Process, tell: Tell) -> None:
        life = self.generation

        def arrive() -> None:
            linked = process.linked and life == self.generation
            if self.dispatch is None or not linked or self.services_paused_until > self.now:
                return  # lost with the link; it is told again after the next hello
            self._apply(self.dispatch.ended(process.id, tell.start, tell.job))
            if not self._alive():
                return  # killed before the outcome was on record
            row = self.store[tell.job]
            if row.state == "open":
                row.state, row.outcome = "done", f"{process.id}/{tell.start}"
                self.finished.add(tell.job)
            self._to_worker(process, lambda: self._confirm(process, tell))

        self.soon(arrive)
        self.after(2.0, lambda: self._tell_again(process, tell))

    def _confirm(self, process: Process, tell: Tell) -> None:
        process.holding.confirm(tell.job, tell.start)
        process.kept = {kept.job for kept in process.holding.unconfirmed()}

    def _tell_again(self, process: Process, tell: Tell) -> None:
        if process.id in self.workers and process.linked and tell in process.holding.unconfirmed():
            self._tell(process, tell)

    # What goes wrong

    def _victim(self) -> Process | None:
        return self.random.choice(list(self.workers.values())) if self.workers else None

    def _kill(self) -> None:
        victim = self._victim()
        if victim is not None:
            self._die(victim.id)

    def _die(self, name: str) -> None:
        if name not in self.workers:
            return
        del self.workers[name]
        if self.random.random() < self.plan.unseen_deaths:
            self.soon(lambda: self._left(name))  # on a machine that nobody can look into
        else:
            self.soon(lambda: self._gone(name))
        self.after(self.random.uniform(0.2, 1.0), self._start_worker)

    def _gone(self, name: str) -> None:
        if self.dispatch is not None:
            self._apply(self.dispatch.left(name, self.now, certain=True))
            self.roster.pop(name, None)

    def _left(self, name: str) -> None:
        if self.dispatch is not None:
            self._apply(self.dispatch.left(name, self.now, certain=False))

    def _cut(self) -> None:
        """A worker's link breaks; the process lives on and connects again."""
        victim = self._victim()
        if victim is None or not victim.linked or self.dispatch is None:
            return
        victim.linked = victim.greeted = False
        victim.inbox.clear()
        self._apply(self.dispatch.left(victim.id, self.now, certain=False))
        self._reconnect(victim)

    def _pause(self) -> None:
        if self.random.random() < 0.2:
            self.services_paused_until = self.now + self.random.uniform(0.5, 8.0)
            return
        victim = self._victim()
        if victim is not None and victim.paused_until < self.now:
            victim.paused_until = self.now + self.random.uniform(0.5, 12.0)

    def _freeze(self) -> None:
        """A worker stands still for good; its link holds."""
        if all(process.paused_until < FOREVER for process in self.workers.values()):
            victim = self._victim()
            if victim is not None:
                victim.paused_until = FOREVER
                self._start_worker()


def simulate(seed: int, plan: Plan | None = None) -> World:
    """Run one world to its end.

    Raises:
        InvariantError: Something happened that must not; the seed replays it.
    """
    world = World(seed, plan)
    try:
        world.run()
    except InvariantError as error:
        error.add_note(f"seed {seed}, at {world.now:.3f} s, after {world.events} events")
        raise
    return world
