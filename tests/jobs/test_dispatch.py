"""Decisions of dispatch: messages in, actions out."""

from collections.abc import Sequence

from agentfx.jobs import Action, Dispatch, OpenJob, Route, Start, Stop, Unclaimed, Worker

TASK = "tests::work"


def a_job(name: str, *, run: str = "r", voided: int = 0) -> OpenJob:
    return OpenJob(name, Route(run, TASK, None), False, voided, voided)


def dispatch(jobs: Sequence[OpenJob] = (), *, slots: int = 1) -> tuple[Dispatch, list[Action]]:
    """A dispatch with one worker, and what it does with some jobs."""
    made = Dispatch(0.0)
    join(made, "w1", slots=slots)
    return made, made.submit(jobs)


def join(made: Dispatch, worker: str, *, slots: int = 1) -> list[Action]:
    return made.joined(Worker(worker, slots, frozenset({TASK}), None, 0.0), [])


def started(actions: Sequence[Action]) -> list[str]:
    return [action.start for action in actions if isinstance(action, Start)]


def test_jobs_start_in_order_as_slots_become_free() -> None:
    made, actions = dispatch([a_job("a"), a_job("b"), a_job("c")])
    assert started(actions) == ["a/1"]
    assert started(made.ended("w1", "a/1", "a")) == ["b/1"]
    assert started(made.ended("w1", "b/1", "b")) == ["c/1"]


def test_a_job_that_lost_its_worker_comes_before_those_that_never_started() -> None:
    made, _ = dispatch([a_job("a"), a_job("b")])
    assert started(made.left("w1", 1.0, certain=True)) == []
    assert started(join(made, "w2", slots=2)) == ["a/2", "b/1"]


def test_runs_take_turns() -> None:
    jobs = [a_job("a"), a_job("b"), a_job("c"), a_job("d", run="s"), a_job("e", run="s")]
    made, actions = dispatch(jobs)
    order = started(actions)
    while actions := made.ended("w1", order[-1], order[-1][0]):
        order += started(actions)
    assert order == ["a/1", "b/1", "d/1", "c/1", "e/1"]


def test_an_outcome_of_before_a_redrive_frees_its_slot_and_nothing_more() -> None:
    made, actions = dispatch([a_job("a", voided=2), a_job("b")])
    assert started(actions) == ["a/3"]
    assert made.ended("w1", "a/2", "a") == []
    assert "a" in made.jobs
    assert started(made.ended("w1", "a/3", "a")) == ["b/1"]
    assert "a" not in made.jobs


def test_an_outcome_counts_though_its_start_was_given_up() -> None:
    made, _ = dispatch([a_job("a")])
    made.left("w1", 1.0, certain=True)
    assert made.ended("w1", "a/1", "a") == []
    assert started(join(made, "w2")) == []


def test_an_outcome_that_is_not_confirmed_yet_takes_no_slot() -> None:
    made, _ = dispatch([a_job("a")])
    made.ended("w1", "a/1", "a")
    assert made.pong("w1", [("a/1", "a")], 1.0) == []
    assert started(made.submit([a_job("b")])) == ["b/1"]
    # Confirmed, so no longer held; should it come back nevertheless, somebody has to look it up.
    made.pong("w1", [("b/1", "b")], 2.0)
    assert Unclaimed("a") in made.pong("w1", [("a/1", "a"), ("b/1", "b")], 3.0)


def test_a_job_that_is_done_before_its_worker_says_so_takes_no_slot() -> None:
    made, _ = dispatch([a_job("a"), a_job("b")])
    assert started(made.done("a/1", "a")) == ["b/1"]
    assert made.pong("w1", [("a/1", "a"), ("b/1", "b")], 1.0) == []
    assert made.ended("w1", "a/1", "a") == []


def test_of_a_job_that_is_done_before_its_worker_says_so_other_starts_are_stopped() -> None:
    made, actions = dispatch([a_job("a")])
    join(made, "w2")
    for now in range(1, 8):  # w1 is silent
        made.heard("w2", now)
        actions += made.tick(now)
    assert started(actions) == ["a/1", "a/2"]
    assert made.done("a/2", "a") == [Stop("w1", "a/1")]
    assert made.left("w2", 8.0, certain=True) == []
