"""Tasks: ids, keys, contexts and their registry."""

import pickle

import pytest

import agentfx as fx
from agentfx.algebra import task_named


class Declined(fx.Failure):
    why: str


@fx.task("test_task::sync")
def sync(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


@fx.action("test_task::charge", raises=Declined)
async def charge(amount: int) -> str:
    raise Declined(why=str(amount))


def test_a_task_knows_its_function() -> None:
    assert sync.local(1) == 3
    assert getattr(sync, "__name__", None) == "sync"
    assert sync.__doc__ == "Add."
    assert repr(sync) == "<task test_task::sync>"
    assert repr(charge) == "<action test_task::charge>"
    assert task_named("test_task::sync") is sync


def test_a_task_pickles_like_a_function() -> None:
    assert pickle.loads(pickle.dumps(sync)) is sync  # noqa: S301


def test_the_key_names_parameters() -> None:
    with pytest.raises(TypeError, match="key names 'uri', the parameters are url"):

        @fx.task("test_task::keyed", key=("uri",))
        def keyed(url: str) -> str:
            return url


@pytest.mark.parametrize("task_id", ["agentfx::x", "state::get", "iii::x", "engine::x", "queue::x"])
def test_reserved_ids_are_refused(task_id: str) -> None:
    with pytest.raises(ValueError, match="reserved"):

        @fx.task(task_id)
        def reserved() -> int:
            return 1


@pytest.mark.parametrize("task_id", ["", "  ", " padded"])
def test_an_id_is_a_name(task_id: str) -> None:
    with pytest.raises(ValueError, match="a task's id is a name"):

        @fx.task(task_id)
        def nameless() -> int:
            return 1


def test_two_tasks_of_one_id_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="two tasks have the id test_task::sync"):

        @fx.task("test_task::sync")
        def other() -> int:
            return 1


def test_the_same_function_again_replaces_it() -> None:
    def define() -> object:
        @fx.task("test_task::again")
        def again() -> int:
            return 1

        return again

    define()
    second = define()
    assert task_named("test_task::again") is second


def test_raises_takes_failures() -> None:
    with pytest.raises(TypeError, match=r"subclasses of fx\.Failure"):
        fx.task("test_task::wrong", raises=ValueError)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        fx.task("test_task::never", timeout=seconds)


def test_what_is_not_replayable_is_refused_at_run_time_too() -> None:
    with pytest.raises(TypeError, match="only a task's call can be retried"):
        fx.retry(charge(3), 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(AttributeError):
        charge(3).retry(2)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_direct_is_taken_of_the_call() -> None:
    assert repr(sync(1).direct()) == "test_task::sync(1).direct()"
    with pytest.raises(TypeError, match="the task's call itself"):
        sync(1).retry(2).direct()


def test_a_fan_out_of_tasks_takes_a_task() -> None:
    with pytest.raises(TypeError, match="takes a task, not"):
        fx.for_each_task([1], lambda n: fx.succeed(n), 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
