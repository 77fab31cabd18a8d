"""Who runs which job now: decisions without I/O. Messages go in, actions come out.

The worker is the arbiter of what it runs; what is known here may lag behind it. The store is
the truth about outcomes; a job leaves this memory when its outcome is on record.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from agentfx.jobs._ids import delivery_of, start_id
from agentfx.jobs._job import (
    MOST_STARTS,
    Action,
    Ended,
    LossKind,
    Lost,
    OpenJob,
    Requeued,
    Route,
    Start,
    Started,
    Stop,
    Unclaimed,
)
from agentfx.jobs._roster import Worker, overdue, quiet

POISON_LOSSES = 3
"""Losses that make a job poison; those beside other jobs count as one."""
TICK_SECONDS = 1.0
"""How often `tick` is expected; a much longer gap means that this process itself was paused."""


class Dispatch:
    """Open jobs, the workers that may run them, and the rules that bring them together."""

    def __init__(self, now: float) -> None:
        self.jobs: dict[str, OpenJob] = {}
        self.workers: dict[str, Worker] = {}
        self._ready: dict[Route, deque[str]] = {}
        self._waiting: set[str] = set()  # jobs in a queue; what is left of others is skipped
        self._lone: list[str] = []  # jobs that wait for a worker of their own
        self.unclaimed: dict[str, set[str]] = {}  # starts of jobs that are not open here
        self._ticked_at = now
        self._held_back: set[str] = set()  # workers of before a restart, not heard of yet

    # Jobs

    def submit(self, jobs: Iterable[OpenJob]) -> list[Action]:
        """Take jobs that the store has as open; known ones are ignored."""
        actions: list[Action] = []
        for job in jobs:
            if job.id not in self.jobs:
                self.jobs[job.id] = job
                if job.id in self.unclaimed:
                    self._claim(job, actions)
                if not job.starts:
                    self._place(job, actions)
        return actions

    def settled(self, job_id: str) -> list[Action]:
        """A job that a worker holds has its end on record: nobody waits for it there."""
        actions: list[Action] = []
        starts = self.unclaimed.pop(job_id, set())
        for worker in self.workers.values():
            for start in sorted(starts & worker.starts.keys()):
                del worker.starts[start]
                actions.append(Stop(worker.id, start))
        if actions:
            self._fill_all(actions)
        return actions

    def restore(self, jobs: Iterable[OpenJob], workers: Iterable[Worker], now: float) -> None:
        """Start again from what a store has, before anything else.

        Args:
            jobs: Open jobs; `starts` are those that workers of the roster may still hold.
            workers: Those that were there; nothing starts until each is back or gone.
            now: They may stay away for `RETURN_SECONDS` from here.
        """
        for worker in workers:
            worker.link, worker.away_since = "away", now
            self.workers[worker.id] = worker
            self._held_back.add(worker.id)
        for job in jobs:
            self.jobs[job.id] = job
            for start, started in job.starts.items():
                self.workers[started.worker].starts[start] = job.id
            if not job.starts:
                self._queue(job)

    def ended(self, worker_id: str, start: str, job_id: str) -> list[Action]:
        """An outcome arrived: the job needs no further start, and its slot is free."""
        actions: list[Action] = []
        if start in self.unclaimed.get(job_id, ()):
            return actions  # the worker keeps the outcome for whoever sends the job again
        job = self.jobs.get(job_id)
        if job is not None and delivery_of(start) > job.voided:
            del self.jobs[job_id]
            self._withdraw(job)
            job.starts.pop(start, None)
            self._stop_all(job, actions)
        worker = self.workers.get(worker_id)
        if worker is not None:
            if worker.starts.pop(start, None) is not None:
                worker.told.add(start)
            self._fill(worker, actions)
        return actions

    def done(self, start: str, job_id: str) -> list[Action]:
        """A job has its end on record before its worker says so: as if it had."""
        job = self.jobs.get(job_id)
        if job is None:
            return []
        started = job.starts.get(start)
        return self.ended(started.worker if started is not None else "", start, job_id)

    def cancel(self, job_ids: Iterable[str]) -> list[Action]:
        """Drop jobs; what runs is asked to stop."""
        actions: list[Action] = []
        for job_id in job_ids:
            job = self.jobs.pop(job_id, None)
            if job is not None:
                self._withdraw(job)
                self._stop_all(job, actions)
        if actions:  # slots are free
            self._fill_all(actions)
        return actions

    def reroute(self, job_id: str, route: Route) -> list[Action]:
        """An open job needs another version of code, from its next start on."""
        actions: list[Action] = []
        job = self.jobs.get(job_id)
        if job is not None:
            waited = self._waits(job)
            self._withdraw(job)
            job.route = route
            if waited:
                self._place(job, actions)
        return actions

    # Workers

    def joined(
        self, worker: Worker, held: Sequence[tuple[str, str]], *, again: bool = False
    ) -> list[Action]:
        """A worker said hello, for the first time or again.

        Args:
            worker: As it describes itself; replaces what was known of the incarnation.
            held: (start, job) of all that it runs, or has an unconfirmed outcome of.
            again: It said so over this very link before: what it does not hold may be on its way.
        """
        actions: list[Action] = []
        known = self.workers.get(worker.id)
        before = dict(known.starts) if known is not None else {}
        self.workers[worker.id] = worker
        self._held_back.discard(worker.id)
        for start, job_id in held:
            before.pop(start, None)
            self._adopt(worker, start, job_id, actions)
        if again:  # pings will tell
            worker.starts.update(before)
            before.clear()
        for start, job_id in before.items():  # sent, but it never arrived there
            self._lose(worker, start, job_id, counted=False, actions=actions)
        self._fill_all(actions)
        return actions

    def brings(self, worker_id: str, tasks: Iterable[str]) -> list[Action]:
        """A worker can run more tasks."""
        actions: list[Action] = []
        worker = self.workers.get(worker_id)
        if worker is not None:
            worker.tasks |= set(tasks)
            self._fill(worker, actions)
        return actions

    def let_go(self, worker_id: str, start: str, task: str) -> list[Action]:
        """A worker gives a start back: it cannot run the task any more, until it brings it."""
        worker = self.workers.get(worker_id)
        actions: list[Action] = []
        if worker is not None:
            worker.tasks -= {task}
            job_id = start.rpartition("/")[0]
            self._lose(worker, start, job_id, counted=False, actions=actions)
        return actions

    def left(self, worker_id: str, now: float, *, certain: bool) -> list[Action]:
        """A worker's link closed.

        Args:
            worker_id: The incarnation.
            now: It may come back for `RETURN_SECONDS` from here.
            certain: Its process has ended, so it will not come back.
        """
        worker = self.workers.get(worker_id)
        if worker is None:
            return []
        if certain:
            return self._gone(worker)
        worker.link, worker.away_since = "away", now
        return []

    def drain(self, worker_id: str) -> None:
        """Give a worker nothing new."""
        if worker_id in self.workers:
            self.workers[worker_id].draining = True

    def kill_asked(self, worker_id: str) -> None:
        """Somebody wants this worker killed: what it loses is not counted against jobs."""
        if worker_id in self.workers:
            self.workers[worker_id].killed = True

    def pong(self, worker_id: str, held: Sequence[tuple[str, str]], now: float) -> list[Action]:
        """A worker answered a ping with all that it holds, as for `joined`."""
        worker = self.workers.get(worker_id)
        if worker is None:
            return []
        worker.hear(now)
        actions: list[Action] = []
        for start, job_id in held:
            if start not in worker.starts and start not in worker.told:
                self._adopt(worker, start, job_id, actions)
        starts = {start for start, _ in held}
        worker.told &= starts
        missing = worker.starts.keys() - starts
        # Twice in a row: one may have been on its way while the worker answered.
        for start in sorted(missing & worker.missing):
            self._lose(worker, start, worker.starts[start], counted=False, actions=actions)
        worker.missing = frozenset(missing)
        self._fill(worker, actions)
        return actions

    def heard(self, worker_id: str, now: float) -> None:
        """A worker gave a sign of life."""
        if worker_id in self.workers:
            self.workers[worker_id].hear(now)

    def tick(self, now: float) -> list[Action]:
        """Look after silent and missing workers; to be called once a second."""
        actions: list[Action] = []
        if now - self._ticked_at > 2 * TICK_SECONDS:
            # This process was paused: that nobody was heard says nothing about them.
            for worker in self.workers.values():
                worker.heard_at = now
                worker.away_since = max(worker.away_since, now - TICK_SECONDS)
        self._ticked_at = now
        for worker in overdue(list(self.workers.values()), now):
            actions += self._gone(worker)
        for worker in quiet(self.workers.values(), now):
            for job_id in dict.fromkeys(worker.starts.values()):
                if job_id in self.jobs:
                    self._copy(self.jobs[job_id], actions)
        self._fill_all(actions)
        return actions

    @property
    def settling(self) -> bool:
        """Whether workers of before a restart have not been heard of yet."""
        return bool(self._held_back)

    def can_serve(self, task: str, code: str | None) -> bool:
        """Whether a worker that is there has, or can load, a task."""
        route = Route("", task, code)
        return any(w.link == "up" and w.can(route) for w in self.workers.values())

    # Placing

    def _place(self, job: OpenJob, actions: list[Action]) -> None:
        if job.worn_out:
            self._give_up(job, f"started {MOST_STARTS} times without an end", actions)
        elif _is_suspect(job):
            self._queue(job)
            self._place_lone(actions)
        elif (worker := self._best_for(job.route)) is not None:
            self._start(job, worker, alone=False, actions=actions)
        else:
            self._queue(job)

    def _queue(self, job: OpenJob, *, first: bool = False) -> None:
        if self._waits(job):
            return
        if _is_suspect(job):
            self._lone.append(job.id)
            return
        queue = self._ready.setdefault(job.route, deque())
        self._waiting.add(job.id)
        if first:
            queue.appendleft(job.id)
        else:
            queue.append(job.id)

    def _best_for(self, route: Route) -> Worker | None:
        if self._held_back:
            return None
        able = [w for w in self.workers.values() if w.free > 0 and w.can(route)]
        return max(able, key=lambda w: w.free, default=None)

    def _fill_all(self, actions: list[Action]) -> None:
        self._place_lone(actions)
        while True:
            able = sorted((w for w in self.workers.values() if w.free > 0), key=lambda w: -w.free)
            if not any(self._give_next(worker, actions) for worker in able):
                return

    def _fill(self, worker: Worker, actions: list[Action]) -> None:
        if self._lone or worker.alone is not None:
            self._place_lone(actions)
        while worker.free > 0 and self._give_next(worker, actions):
            pass

    def _give_next(self, worker: Worker, actions: list[Action]) -> bool:
        """Start the next job that a worker can run; routes take turns."""
        if self._held_back:
            return False
        for route in [r for r in self._ready if worker.can(r)]:
            job = self._next_of(route)
            if job is not None:
                self._start(job, worker, alone=False, actions=actions)
                return True
        return False

    def _next_of(self, route: Route) -> OpenJob | None:
        queue = self._ready.pop(route)
        while queue:
            job_id = queue.popleft()
            if job_id in self._waiting and self.jobs[job_id].route == route:
                self._waiting.discard(job_id)
                if queue:
                    self._ready[route] = queue  # at the end: the other routes come first now
                return self.jobs[job_id]
        return None

    def _place_lone(self, actions: list[Action]) -> None:
        for worker in self.workers.values():
            if worker.alone is not None and worker.alone not in self.jobs:
                worker.alone = None
        for job_id in list(self._lone):
            job = self.jobs[job_id]
            own = self._own_worker(job)
            if own is None:
                continue
            own.alone = job_id  # it takes nothing new, so it becomes empty in time
            if not own.starts:
                self._lone.remove(job_id)
                self._start(job, own, alone=True, actions=actions)

    def _own_worker(self, job: OpenJob) -> Worker | None:
        if self._held_back:
            return None
        able = [w for w in self.workers.values() if w.there and w.can(job.route)]
        kept = next((w for w in able if w.alone == job.id), None)
        unkept = (w for w in able if w.alone is None)
        return kept or min(unkept, key=lambda w: len(w.starts), default=None)

    def _start(self, job: OpenJob, worker: Worker, *, alone: bool, actions: list[Action]) -> None:
        job.deliveries += 1
        start = start_id(job.id, job.deliveries)
        job.starts[start] = Started(worker.id, alone)
        worker.starts[start] = job.id
        actions.append(Start(worker.id, job.id, start, job.deliveries, alone, job.at_most_once))

    def _withdraw(self, job: OpenJob) -> None:
        """Take a job out of the queues."""
        self._waiting.discard(job.id)
        if job.id in self._lone:
            self._lone.remove(job.id)

    # Losing

    def _gone(self, worker: Worker) -> list[Action]:
        """An incarnation will not come back."""
        actions: list[Action] = []
        del self.workers[worker.id]
        self._held_back.discard(worker.id)
        for start, job_id in list(worker.starts.items()):
            self._lose(worker, start, job_id, counted=not worker.killed, actions=actions)
        self._fill_all(actions)
        return actions

    def _lose(
        self, worker: Worker, start: str, job_id: str, *, counted: bool, actions: list[Action]
    ) -> None:
        worker.starts.pop(start, None)
        self._forsake(start, job_id)
        job = self.jobs.get(job_id)
        started = job.starts.pop(start, None) if job is not None else None
        if job is None or started is None:
            return
        if counted:
            job.lone_losses += started.alone
            job.shared_losses += not started.alone
        kind: LossKind = "alone" if started.alone else "shared"
        actions.append(Lost(job.id, start, worker.id, kind if counted else None))
        if not job.starts or not self._is_heard(job):
            self._again(job, actions)

    def _is_heard(self, job: OpenJob) -> bool:
        """Whether a worker that is not silent holds one of its starts."""
        holders = [self.workers.get(started.worker) for started in job.starts.values()]
        return any(holder is None or not holder.silent for holder in holders)

    def _again(self, job: OpenJob, actions: list[Action]) -> None:
        if job.at_most_once:
            if job.starts:
                return  # its worker is silent, not lost: it may still come to its end
            self.jobs.pop(job.id)
            self._withdraw(job)
            message = "its worker was lost; it may have completed, and is not run again"
            actions.append(Ended(job.id, job.route.task, "lost", message))
        elif min(job.shared_losses, 1) + job.lone_losses >= POISON_LOSSES:
            losses = job.shared_losses + job.lone_losses
            self._give_up(job, f"{losses} workers were lost while they ran it", actions)
        else:
            self._copy(job, actions)

    def _copy(self, job: OpenJob, actions: list[Action]) -> None:
        """Start a job once more, unless a worker that is heard of has it or it waits already."""
        if self._is_heard(job) or job.at_most_once or self._waits(job):
            return
        actions.append(Requeued(job.id))
        worker = None if _is_suspect(job) else self._best_for(job.route)
        if job.worn_out or worker is None:
            self._requeue(job, actions)
        else:
            self._start(job, worker, alone=False, actions=actions)

    def _requeue(self, job: OpenJob, actions: list[Action]) -> None:
        if job.worn_out:
            self._give_up(job, f"started {MOST_STARTS} times without an end", actions)
            return
        self._queue(job, first=True)  # it has waited its turn before
        self._place_lone(actions)

    def _waits(self, job: OpenJob) -> bool:
        return job.id in self._waiting or job.id in self._lone

    def _give_up(self, job: OpenJob, message: str, actions: list[Action]) -> None:
        self.jobs.pop(job.id)
        self._withdraw(job)
        self._stop_all(job, actions)
        actions.append(Ended(job.id, job.route.task, "poison", message))

    def _adopt(self, worker: Worker, start: str, job_id: str, actions: list[Action]) -> None:
        """A worker holds a start, which may be unknown here after a restart."""
        job = self.jobs.get(job_id)
        if job is None:
            worker.starts[start] = job_id
            self.unclaimed.setdefault(job_id, set()).add(start)
            actions.append(Unclaimed(job_id))
            return
        if delivery_of(start) <= job.voided:
            actions.append(Stop(worker.id, start))
            return
        known = job.starts.get(start)
        job.starts[start] = Started(worker.id, known.alone if known else False)
        job.deliveries = max(job.deliveries, delivery_of(start))
        worker.starts[start] = job_id
        self._withdraw(job)

    def _claim(self, job: OpenJob, actions: list[Action]) -> None:
        """A job that workers hold already is open now."""
        starts = self.unclaimed.pop(job.id)
        for worker in self.workers.values():
            for start in sorted(starts & worker.starts.keys()):
                del worker.starts[start]
                self._adopt(worker, start, job.id, actions)

    def _forsake(self, start: str, job_id: str) -> None:
        """A worker no longer holds a start of a job that is not open here."""
        starts = self.unclaimed.get(job_id)
        if starts is not None:
            starts.discard(start)
            if not starts:
                del self.unclaimed[job_id]

    def _stop_all(self, job: OpenJob, actions: list[Action]) -> None:
        for start, started in job.starts.items():
            worker = self.workers.get(started.worker)
            if worker is not None:
                worker.starts.pop(start, None)
                actions.append(Stop(worker.id, start))
        job.starts.clear()


def _is_suspect(job: OpenJob) -> bool:
    """Whether a job has to run alone.

    The first loss does not yet isolate a job: most workers are lost to a deploy or to memory,
    and what ran there starts elsewhere at once. From the second on, nothing runs beside it.
    """
    return job.shared_losses + job.lone_losses >= 2
