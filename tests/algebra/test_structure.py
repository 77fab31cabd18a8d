"""Programs are data: they compare, hash, pickle and print, however long they are."""

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect, fingerprint

DEEP = 100_000


class Boom(fx.Failure):
    n: int


@fx.task("test_structure::fetch")
async def fetch(url: str) -> int:
    return len(url)


@fx.do
def counting(steps: int) -> fx.Do[int]:
    total = 0
    for _ in range(steps):
        total += yield from fx.succeed(1)
    return total


def increment(n: int) -> int:
    return n + 1


def incremented(n: int) -> fx.Effect[int]:
    return fx.succeed(n + 1)


def _chained(step: Callable[[AnyEffect], AnyEffect], first: AnyEffect) -> AnyEffect:
    program = first
    for _ in range(DEEP):
        program = step(program)
    return program


CHAINS: dict[str, Callable[[], tuple[AnyEffect, object]]] = {
    "maps": lambda: (_chained(lambda p: p.map(increment), fx.succeed(0)), fx.Ok(DEEP)),
    "flat_maps": lambda: (_chained(lambda p: p.flat_map(incremented), fx.succeed(0)), fx.Ok(DEEP)),
    "catch_alls": lambda: (
        _chained(lambda p: p.catch_all(fx.fail), fx.fail(Boom(n=1))),
        fx.Err(Boom(n=1)),
    ),
    "zips": lambda: (_chained(lambda p: p.zip(fx.succeed(1)).map(sum), fx.succeed(0)), fx.Ok(DEEP)),
    "names": lambda: (_chained(lambda p: p.named("n"), fx.succeed(0)), fx.Ok(0)),
    "a do-block": lambda: (counting(DEEP), fx.Ok(DEEP)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CHAINS if name != "names"])
async def test_a_hundred_thousand_steps_are_walked(name: str) -> None:
    program, exit_ = CHAINS[name]()
    assert await fx.run_memory(program) == exit_


@pytest.mark.slow
@pytest.mark.timeout(240)  # seconds of computing, on a machine that may have much to do
@pytest.mark.parametrize("name", CHAINS)
def test_a_hundred_thousand_nodes_compare_hash_pickle_and_print(name: str) -> None:
    program, twin = CHAINS[name]()[0], CHAINS[name]()[0]
    assert program == twin
    assert hash(program) == hash(twin)
    assert program != twin.map(increment)
    assert pickle.loads(pickle.dumps(program)) == program  # noqa: S301
    assert len(repr(program)) < 1000
    assert fingerprint(program) == fingerprint(twin)


def test_nodes_are_frozen() -> None:
    node = fx.succeed(1)
    with pytest.raises(FrozenInstanceError):
        node.value = 2  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises((AttributeError, TypeError)):
        node.other = 2  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_combinators_leave_the_program_they_start_from_alone() -> None:
    program = fetch("a")
    program.map(increment)
    program.retry(3)
    assert program == fetch("a")


def test_programs_compare_by_value() -> None:
    assert fetch("a") == fetch("a")
    assert fetch("a") != fetch("b")
    assert fetch(url="a").retry(2) == fetch(url="a").retry(2)
    assert fx.succeed([1, {"a": 2}]) == fx.succeed([1, {"a": 2}])
    assert hash(fx.succeed([1])) == hash(fx.succeed([1]))
    assert fx.succeed(1) != 1


def test_shared_parts_are_visited_once() -> None:
    program: AnyEffect = fx.succeed(1)
    twin: AnyEffect = fx.succeed(1)
    for _ in range(60):  # 2 ** 60 nodes, if each were visited by every way to it
        program, twin = program.zip(program), twin.zip(twin)
    assert program == twin
    assert hash(program) == hash(twin)
    assert pickle.loads(pickle.dumps(program)) == twin  # noqa: S301
    assert len(repr(program)) < 1000


def test_repr_reads_like_the_program() -> None:
    program = fetch("a").retry(3).named("get").map(increment).catch(fx.on(fx.TaskError).do(handled))
    assert repr(program) == (
        "test_structure::fetch('a').retry(3).named('get').map(increment)"
        ".catch(on(TaskError).do(handled))"
    )
    assert repr(fetch.for_each("abcdefghi", concurrency=2)) == (
        "for_each(9 items, test_structure::fetch, concurrency=2)"
    )
    assert repr(counting(3)) == "counting(3)"
    assert repr(fx.succeed("x" * 1000))[:12] == "succeed('xxx"


def handled(error: fx.TaskError) -> fx.Effect[int]:
    return fx.succeed(0)


def test_the_fingerprint_tells_structure_not_values() -> None:
    assert fingerprint(fetch("a")) == fingerprint(fetch("b"))
    assert fingerprint(fetch("a")) != fingerprint(fetch("a").map(increment))
    assert fingerprint(fetch("a").map(increment)) != fingerprint(fetch("a").map(str))
    assert fingerprint(fetch("a").named("x")) != fingerprint(fetch("a").named("y"))
