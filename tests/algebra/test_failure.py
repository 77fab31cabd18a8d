"""Failures are exceptions that compare, hash, pickle and print by value."""

import pickle
from dataclasses import field

import pytest

import agentfx as fx


class NotFound(fx.Failure):
    url: str
    tried: list[int] = field(default_factory=list[int])


class Gone(NotFound):
    since: int = 0


def test_by_value() -> None:
    assert NotFound(url="a", tried=[1]) == NotFound(url="a", tried=[1])
    assert NotFound(url="a") != NotFound(url="b")
    assert len({NotFound(url="a", tried=[1]), NotFound(url="a", tried=[1])}) == 1
    assert repr(Gone(url="a", since=3)) == "Gone(url='a', tried=[], since=3)"
    assert str(NotFound(url="a", tried=[])) == "url='a', tried=[]"


def test_a_subclass_is_another_failure() -> None:
    assert Gone(url="a") != NotFound(url="a")
    assert isinstance(Gone(url="a"), NotFound)


def test_fields_are_given_by_keyword() -> None:
    with pytest.raises(TypeError):
        NotFound("a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        NotFound()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    "failure",
    [
        NotFound(url="a", tried=[1, 2]),
        fx.TaskError(task="t", reason="lost", message="gone"),
        fx.ContractViolation(task="t", where="input", errors=(("missing", ("url",), "Required"),)),
        fx.TimedOut(seconds=0.5),
    ],
)
def test_pickles(failure: fx.Failure) -> None:
    assert pickle.loads(pickle.dumps(failure)) == failure  # noqa: S301


def test_it_can_be_raised_and_matched() -> None:
    with pytest.raises(NotFound) as caught:
        fx.Err(NotFound(url="a"), at="3/1").unwrap()
    assert caught.value.url == "a"
    assert caught.value.__notes__ == ["at step 3/1"]


def test_where_it_failed_is_outside_equality() -> None:
    assert fx.Err(NotFound(url="a"), at="1") == fx.Err(NotFound(url="a"), at="2")


def test_the_failures_of_the_kit_are_one_line() -> None:
    violation = fx.ContractViolation(
        task="docs::fetch", where="input", errors=(("missing", ("a", 0), "Required"),)
    )
    assert str(violation) == "input of docs::fetch: a.0: Required"
    assert str(fx.TaskError(task="t", reason="poison")) == "t poison"
    assert str(fx.TimedOut(seconds=2)) == "not done within 2 s"
