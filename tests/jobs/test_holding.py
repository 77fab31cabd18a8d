"""The worker is the arbiter of what it runs."""

from agentfx.jobs import Abort, Holding, Run, Tell


def started(slots: int, *jobs: str) -> Holding:
    """A worker that was given the first start of some jobs."""
    holding = Holding(slots)
    for job in jobs:
        holding.take(job, f"{job}/1")
    return holding


def test_it_never_runs_more_than_its_slots_whatever_it_is_given() -> None:
    holding = Holding(2)
    orders = [holding.take(job, f"{job}/1") for job in ("a", "b", "c", "d")]
    assert orders == [[Run("a")], [Run("b")], [], []]
    assert holding.busy == 2
    assert holding.ended("a") == [Tell("a", "a/1")]
    assert holding.busy == 2  # until what ran there is gone
    assert holding.free() == [Run("c")]


def test_a_second_start_of_a_held_job_joins_it() -> None:
    holding = started(4, "a")
    assert holding.take("a", "a/2") == []
    assert holding.take("a", "a/2") == []
    assert holding.busy == 1
    assert holding.ended("a") == [Tell("a", "a/1"), Tell("a", "a/2")]
    assert holding.take("a", "a/3") == [Tell("a", "a/3")]


def test_an_outcome_is_kept_until_it_is_on_record() -> None:
    holding = started(4, "a", "b")
    holding.take("a", "a/2")
    holding.ended("a")
    holding.confirm("a", "a/1")
    assert holding.unconfirmed() == [Tell("a", "a/2")]
    assert sorted(holding.held()) == [("a/2", "a"), ("b/1", "b")]
    holding.confirm("a", "a/2")
    assert holding.unconfirmed() == []
    assert holding.held() == [("b/1", "b")]


def test_what_runs_is_not_confirmed_by_mistake() -> None:
    holding = started(4, "a")
    holding.confirm("a", "a/1")
    assert holding.held() == [("a/1", "a")]
    assert holding.ended("a") == [Tell("a", "a/1")]


def test_a_job_is_stopped_when_nobody_wants_it_any_more() -> None:
    holding = started(1, "a", "b")
    holding.take("a", "a/2")
    assert holding.stop("a", "a/1") == []
    assert holding.stop("a", "a/2") == [Abort("a")]
    assert holding.stop("b", "b/1") == []  # it never began
    assert holding.ended("a") == []
    assert holding.free() == []
    assert holding.held() == []


def test_a_stopped_job_that_is_asked_for_again_runs_once_it_has_ended() -> None:
    holding = started(1, "a")
    holding.stop("a", "a/1")
    assert holding.take("a", "a/2") == []
    assert holding.ended("a") == []  # its slot is taken still
    assert holding.free() == [Run("a")]
    assert holding.ended("a") == [Tell("a", "a/2")]
