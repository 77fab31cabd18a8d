"""Programs mean the same on a real cluster as in memory."""

import pytest

import agentfx as fx


class NotFound(fx.Failure):
    url: str


@fx.task("test_dist::length", raises=NotFound)
async def length(url: str) -> int:
    if url == "gone":
        raise NotFound(url=url)
    if url == "broken":
        raise ValueError("no such luck")
    return len(url)


PROGRAMS = {
    "a value": length("abc"),
    "a declared failure": length("gone"),
    "an exception": length("broken"),
    "a wrong input": length(3),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "a fan-out": length.for_each(["a", "bb", "ccc"], concurrency=2).map(sum),
    "the lowest failure of a fan-out": length.for_each(["a", "gone", "broken", "b"]),
    "a retry to the end": length("broken").retry(2),
    "a recovery": length("gone").catch(fx.on(NotFound).do(lambda e: fx.succeed(len(e.url)))),
    "programs by item": fx.for_each(["a", "gone"], lambda u: length(u).either()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_exit_is_that_of_the_run_in_memory(name: str, cluster: fx.Cluster) -> None:
    program = PROGRAMS[name]
    assert await fx.run_dist(program, backend=cluster) == await fx.run_memory(program)
