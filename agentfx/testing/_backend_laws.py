"""What every backend of `run_dist` has to do, as checks to run in your own tests.

Example:
    @pytest.mark.parametrize("law", backend_laws.LAWS, ids=lambda law: law.__name__)
    async def test_backend(law, my_backend):
        await law(my_backend)
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from secrets import token_hex

from agentfx.interpreters import (
    Backend,
    BackendError,
    JobState,
    JournalStep,
    NoWorkerError,
    OtherProgramError,
    RunEnd,
    RunEndedError,
    RunRequest,
    RunState,
    SupersededError,
)
from agentfx.jobs import Job, job_id
from agentfx.testing._tasks import double

WAIT_SECONDS = 10.0
Law = Callable[[Backend], Awaitable[None]]


class Recorder:
    """A `Listener` that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, JobState, str | None]] = asyncio.Queue()
        self.ended: asyncio.Queue[RunState] = asyncio.Queue()

    def settled(self, job: str, state: JobState, outcome: str | None) -> None:
        """See `Listener.settled`."""
        self.heard.put_nowait((job, state, outcome))

    def run_ended(self, state: RunState, exit_: str | None) -> None:
        """See `Listener.run_ended`."""
        self.ended.put_nowait(state)

    def released(self) -> None:
        """See `Listener.released`."""

    def refused(self, error: BackendError) -> None:
        """See `Listener.refused`."""

    def reconnected(self) -> None:
        """See `Listener.reconnected`."""

    async def outcome(self) -> tuple[str, JobState, str | None]:
        """The next settled job.

        Raises:
            TimeoutError: There is none for some seconds.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.heard.get()


def _job(backend: Backend, run: str, path: str, value: int) -> Job:
    text = f'{{"value":{value}}}'
    job = job_id(run, path, 1)
    return Job(job, run, path, 1, double.id, text, job, code=backend.code)


def _read(outcome: str | None) -> object:
    return None if outcome is None else json.loads(outcome)


async def _opened(backend: Backend) -> tuple[str, int, Recorder]:
    run, recorder = f"law-{token_hex(6)}", Recorder()
    opened = await backend.open_run(RunRequest(run, "law"), recorder)
    require(opened.how == "new", f"a new id starts a run, not {opened.how}")
    return run, opened.epoch, recorder


async def a_job_is_run_and_its_outcome_told(backend: Backend) -> None:
    """Submitted jobs run, and the listener hears how each ended."""
    run, epoch, recorder = await _opened(backend)
    backend.submit(run, epoch, [_job(backend, run, "1", 21)], [])
    _, state, outcome = await recorder.outcome()
    require((state, _read(outcome)) == ("done", {"ok": "42"}), f"{state} {outcome}")
    await backend.release_run(run, epoch)


async def a_settled_job_is_told_again_not_run_again(backend: Backend) -> None:
    """Submitting a job that has an outcome tells that outcome."""
    run, epoch, recorder = await _opened(backend)
    job = _job(backend, run, "1", 1)
    backend.submit(run, epoch, [job], [])
    first = await recorder.outcome()
    backend.submit(run, epoch, [job], [])
    require(await recorder.outcome() == first, "the outcome of a job never changes")
    await backend.release_run(run, epoch)


async def unknown_jobs_are_named(backend: Backend) -> None:
    """A driver can find out what never arrived."""
    run, epoch, recorder = await _opened(backend)
    sent, kept = _job(backend, run, "1", 1), _job(backend, run, "2", 2)
    backend.submit(run, epoch, [sent], [])
    await recorder.outcome()
    require(await backend.unknown(run, epoch, [sent.id, kept.id]) == [kept.id], "unknown")
    await backend.release_run(run, epoch)


async def a_step_is_written_once(backend: Backend) -> None:
    """The first value of a step wins, and everybody gets it."""
    run, epoch, _ = await _opened(backend)
    first = await backend.put_once(run, epoch, [JournalStep("1", "use", "a")])
    second = await backend.put_once(run, epoch, [JournalStep("1", "use", "b")])
    require(first == second == [("use", "a")], f"{first} {second}")
    await backend.release_run(run, epoch)


async def what_is_on_record_comes_back(backend: Backend) -> None:
    """Steps and outcomes are read by the driver that goes on with a run."""
    run, epoch, recorder = await _opened(backend)
    steps = [JournalStep(str(n), "use", str(n)) for n in range(1, 6)]
    await backend.put_once(run, epoch, steps)
    backend.submit(run, epoch, [_job(backend, run, "9", 3)], [])
    await recorder.outcome()
    await backend.release_run(run, epoch)
    opened = await backend.open_run(RunRequest(run, "law"), Recorder())
    require(opened.how == "resumed" and opened.epoch > epoch, f"{opened}")
    found: list[JournalStep] = []
    jobs: list[str | None] = []
    cursor = None
    while True:
        page = await backend.read_run(run, cursor)
        found += page.steps
        jobs += [job.outcome for job in page.jobs]
        cursor = page.next
        if cursor is None:
            break
    require(sorted(found, key=lambda step: step.path) == steps, f"{found}")
    require([_read(outcome) for outcome in jobs] == [{"ok": "6"}], f"{jobs}")
    await backend.release_run(run, opened.epoch)


async def a_lower_epoch_is_refused(backend: Backend) -> None:
    """A driver that was overtaken cannot write any more."""
    run, epoch, _ = await _opened(backend)
    await backend.release_run(run, epoch)
    later = await backend.open_run(RunRequest(run, "law"), Recorder())
    try:
        await backend.put_once(run, epoch, [JournalStep("1", "use", "late")])
    except SupersededError:
        await backend.release_run(run, later.epoch)
        return
    raise LawBrokenError("a write of a lower epoch was accepted")


async def an_end_is_final(backend: Backend) -> None:
    """An ended run tells its exit, and takes no more steps."""
    run, epoch, _ = await _opened(backend)
    await backend.end_run(run, epoch, RunEnd(True, "+1"))
    again = await backend.open_run(RunRequest(run, "law"), Recorder())
    require((again.how, again.exit, again.state) == ("ended", "+1", "done"), f"{again}")
    try:
        await backend.put_once(run, epoch, [JournalStep("1", "use", "late")])
    except (RunEndedError, SupersededError):
        return
    raise LawBrokenError("an ended run took a step")


async def an_id_belongs_to_one_program(backend: Backend) -> None:
    """Another program under a known id is refused; fresh starts over."""
    run, epoch, _ = await _opened(backend)
    await backend.put_once(run, epoch, [JournalStep("1", "use", "old")])
    await backend.release_run(run, epoch)
    try:
        await backend.open_run(RunRequest(run, "another"), Recorder())
    except OtherProgramError:
        opened = await backend.open_run(RunRequest(run, "another", fresh=True), Recorder())
        won = await backend.put_once(run, opened.epoch, [JournalStep("1", "use", "new")])
        require((opened.how, opened.life, won) == ("new", 1, [("use", "new")]), f"{opened} {won}")
        await backend.release_run(run, opened.epoch)
        return
    raise LawBrokenError("another program took over a known id")


async def a_cancelled_run_ends(backend: Backend) -> None:
    """The driver of a cancelled run hears of it, and it cannot go on."""
    run, _, recorder = await _opened(backend)
    await backend.cancel_run(run)
    async with asyncio.timeout(WAIT_SECONDS):
        require(await recorder.ended.get() == "cancelled", "the driver hears of the end")
    again = await backend.open_run(RunRequest(run, "law"), Recorder())
    require((again.how, again.state) == ("ended", "cancelled"), f"{again}")


async def a_task_that_nobody_has_is_refused(backend: Backend) -> None:
    """The message says what there is."""
    await backend.check_tasks([double.id])
    try:
        await backend.check_tasks(["nobody::has_this"])
    except NoWorkerError as error:
        require("nobody::has_this" in str(error), str(error))
        return
    raise LawBrokenError("a task that nobody has was accepted")


async def a_state_is_changed_at_once(backend: Backend) -> None:
    """Of updates made together each gets what was there before it, and none gets lost."""
    scope = f"law-{token_hex(6)}"
    one = [{"type": "increment", "path": "n", "by": 1}]
    found = await asyncio.gather(*(backend.update_state(scope, "k", one) for _ in range(10)))
    before = sorted(value["n"] if value else 0 for value in found)
    require(before == list(range(10)), f"{found}")
    claim = [{"type": "append", "path": ["claims", "step"], "value": {"claimant": "a"}}]
    await backend.update_state(scope, "k", claim)
    kept = await backend.update_state(scope, "k", claim)
    require(kept == {"n": 10, "claims": {"step": [{"claimant": "a"}]}}, f"{kept}")
    await backend.delete_state(scope, "k")
    require(await backend.update_state(scope, "k", one) is None, "a deleted state is gone")
    await backend.delete_state(scope, "k")


async def events_tell_the_story(backend: Backend) -> None:
    """Events come in order, from the start of a run to its end."""
    run, epoch, recorder = await _opened(backend)
    backend.submit(run, epoch, [_job(backend, run, "1", 1)], [])
    await recorder.outcome()
    await backend.end_run(run, epoch, RunEnd(True, "+1"))
    events = [event for event in await backend.events(run, 0, 0.0) if event["run"] == run]
    kinds = [event["type"] for event in events]
    require(kinds[0] == "run_started" and kinds[-1] == "run_ended", f"{kinds}")
    require("job_done" in kinds, f"{kinds}")
    numbers = [event["seq"] for event in events]
    require(numbers == sorted(set(numbers)), f"{numbers}")


class LawBrokenError(AssertionError):
    """A backend does not do what `run_dist` needs."""


def require(condition: bool, found: str) -> None:
    """Check a law.

    Raises:
        LawBrokenError: It does not hold.
    """
    if not condition:
        raise LawBrokenError(found)


LAWS: tuple[Law, ...] = (
    a_job_is_run_and_its_outcome_told,
    a_settled_job_is_told_again_not_run_again,
    unknown_jobs_are_named,
    a_step_is_written_once,
    what_is_on_record_comes_back,
    a_lower_epoch_is_refused,
    an_end_is_final,
    an_id_belongs_to_one_program,
    a_cancelled_run_ends,
    a_task_that_nobody_has_is_refused,
    a_state_is_changed_at_once,
    events_tell_the_story,
)
"""All laws; each takes an open backend whose workers have `agentfx.testing.double`."""
