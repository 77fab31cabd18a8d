"""Event streams of runs that could have been: workers die, jobs move, drivers come and go."""

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Event = dict[str, Any]


class Story:
    """Makes up a run, event by event.

    Args:
        seed: Of all that happens.
        items: Of each fan-out.
    """

    def __init__(self, seed: int, items: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing is kept secret
        self._items = items
        self._seq, self._at = 0, 1000.0
        self.waiting: list[Event] = []
        self.running: dict[str, tuple[Event, str]] = {}
        self.ended: dict[str, str] = {}
        self.workers: list[str] = []
        self._labels = 0

    def _event(self, kind: str, **fields: Any) -> Event:
        self._seq += 1
        self._at += self._random.random() * 0.02
        return {"seq": self._seq, "at": self._at, "run": "r", "type": kind, **fields}

    def tell(self, steps: int) -> Iterator[Event]:
        """Some events of the run."""
        yield self._join()
        yield self._event("run_started")
        self.scope = 0
        for _ in range(steps):
            yield from self._random.choice(self._ACTS)(self)
        if self._random.random() < 0.7:
            yield from self._end()

    def _join(self) -> Event:
        self._labels += 1
        self.workers.append(f"w{self._labels}")
        return self._event("worker_joined", worker=self.workers[-1])

    def join(self) -> Iterator[Event]:
        """A worker joins."""
        yield self._join()

    def fan_out(self) -> Iterator[Event]:
        """A fan-out over a task begins."""
        self.scope += 1
        path = str(self.scope)
        yield self._event("step_started", path=path, task="t::f", count=self._items)
        for index in range(self._random.randint(0, self._items)):
            yield from self._queue(f"{path}/{index}", index)

    def programs(self) -> Iterator[Event]:
        """A fan-out of programs, or a named group, begins."""
        self.scope += 1
        path = str(self.scope)
        count = self._random.choice([None, self._items])
        yield self._event("step_started", path=path, label="named", count=count)
        for item in range(self._random.randint(0, min(self._items, 4))):
            inner = f"{path}/{item}/1" if count is not None else f"{path}/{item + 1}"
            yield from self._queue(inner, None)

    def step(self) -> Iterator[Event]:
        """A step of the driver is on record."""
        self.scope += 1
        yield self._event("step_done", path=str(self.scope), label="attempt look")

    def _queue(self, path: str, index: int | None) -> Iterator[Event]:
        job: Event = {"job": f"j{path}#1", "path": path, "task": "t::f", "attempt": 1}
        if index is not None:
            job["index"] = index
        self.waiting.append(job)
        yield self._event("job_queued", **job)

    def start(self) -> Iterator[Event]:
        """A job starts."""
        if self.waiting and self.workers:
            job = self.waiting.pop(self._random.randrange(len(self.waiting)))
            job["delivery"] = job.get("delivery", 0) + 1
            worker = self._random.choice(self.workers)
            self.running[job["job"]] = (job, worker)
            yield self._event("job_started", **job, worker=worker)

    def finish(self) -> Iterator[Event]:
        """A job ends."""
        if self.running:
            name = self._random.choice(sorted(self.running))
            job, worker = self.running.pop(name)
            kind = self._random.choice(["job_done"] * 4 + ["job_failed", "job_dead"])
            error = None if kind == "job_done" else "Boom(why='<b>')"
            ended = {"worker": worker, "ms": 5.0, **({"error": error} if error else {})}
            self.ended[name] = kind
            yield self._event(kind, **job, **ended)
            if kind == "job_failed" and self._random.random() < 0.5:
                again = {**job, "attempt": job["attempt"] + 1, "delivery": 0}
                again["job"] = f"j{job['path']}#{again['attempt']}"
                self.waiting.append(again)
                plain = {k: v for k, v in again.items() if k != "delivery"}
                yield self._event("job_queued", **plain)

    def say(self) -> Iterator[Event]:
        """A task prints something."""
        for name in sorted(self.running)[:1]:
            job, worker = self.running[name]
            yield self._event("output", **{**job, "label": "\x1b[31m<script>\n"}, worker=worker)

    def kill(self) -> Iterator[Event]:
        """A worker is lost, and its jobs go elsewhere."""
        if len(self.workers) > 1:
            label = self.workers.pop(self._random.randrange(len(self.workers)))
            lost = [job for job, worker in self.running.values() if worker == label]
            for job in lost:
                del self.running[job["job"]]
                yield self._event("job_lost", **job, worker=label, ms=7.0)
            for job in lost:
                self.waiting.append(job)
                plain = {k: v for k, v in job.items() if k != "delivery"}
                yield self._event("job_requeued", **plain)
            yield self._event("worker_lost", worker=label)

    def attach(self) -> Iterator[Event]:
        """The driver died, and another one goes on after a while."""
        self._at += self._random.choice([0.1, 50.0])
        yield self._event("run_attached")

    def _end(self) -> Iterator[Event]:
        for job in self.waiting:
            self.ended[job["job"]] = "job_cancelled"
            yield self._event("job_cancelled", **job)
        for job, _ in self.running.values():
            self.ended[job["job"]] = "job_cancelled"
            yield self._event("job_cancelled", **job)
        error = self._random.choice([None, "Boom()", "cancelled"])
        yield self._event("run_ended", **({"error": error} if error else {}))

    _ACTS = (
        fan_out, programs, step, start, start, start, start, finish, finish, finish, kill, join,
        attach, say,
    )  # fmt: skip


@st.composite
def streams(draw: st.DrawFn, most_steps: int = 60) -> list[Event]:
    """Event streams of runs."""
    story = Story(draw(st.integers(0, 2**32)), draw(st.sampled_from([1, 3, 30, 120])))
    return list(story.tell(draw(st.integers(0, most_steps))))
