"""Programs without an engine: walking, building, local tasks, import.

All of them compute and never wait, so what is measured is CPU time: on a machine that others use
too, wall time would measure them as well.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import agentfx as fx
from bench.figures import Figure, Floor, in_turn, median

ROUNDS = 5
STEPS = 200_000
IMPORTS = 15


@fx.task("bench::square")
async def square(n: int) -> int:
    return n * n


async def plain_square(n: int) -> int:
    return n * n


@dataclass(frozen=True, slots=True)
class _Plain:
    source: object
    function: object


def figures() -> list[Figure]:
    """Walked steps, built nodes, tasks in memory, the import."""
    return [_walked(), _built(), _local_tasks(), _import()]


def _walked() -> Figure:
    @fx.do
    def counting() -> fx.Do[int]:
        total = 0
        for _ in range(STEPS):
            total += yield from fx.succeed(1)
        return total

    def plain() -> Iterator[int]:
        for _ in range(STEPS):
            yield 1

    def walk() -> float:
        begin = time.process_time()
        assert asyncio.run(fx.run_memory(counting())) == fx.Ok(STEPS)
        return (time.process_time() - begin) / STEPS * 1e6

    def step() -> float:
        begin = time.process_time()
        assert sum(plain()) == STEPS
        return (time.process_time() - begin) / STEPS * 1e6

    return _beside("walked step", "µs", walk, "step of a plain generator", step, 1.5)


def _built() -> Figure:
    first = fx.succeed(1)

    def build() -> float:
        begin = time.process_time()
        for _ in range(STEPS):
            first.map(abs)
        return (time.process_time() - begin) / STEPS * 1e6

    def plain() -> float:
        begin = time.process_time()
        for _ in range(STEPS):
            _Plain(first, abs)
        return (time.process_time() - begin) / STEPS * 1e6

    return _beside("building a node", "µs", build, "a plain frozen dataclass", plain, 0.5)


def _local_tasks() -> Figure:
    program = square.for_each(range(1000), concurrency=64)

    async def gathered() -> list[int]:
        return await asyncio.gather(*(plain_square(n) for n in range(1000)))

    def tasks() -> float:
        begin = time.process_time()
        assert asyncio.run(fx.run_memory(program)) == fx.Ok([n * n for n in range(1000)])
        return (time.process_time() - begin) * 1e3

    def plain() -> float:
        begin = time.process_time()
        asyncio.run(gathered())
        return (time.process_time() - begin) * 1e3

    return _beside("1,000 tasks in memory", "ms", tasks, "gather of plain coroutines", plain, None)


def _beside(
    name: str,
    unit: str,
    measure: Callable[[], float],
    floor_name: str,
    floor: Callable[[], float],
    aim: float | None,
) -> Figure:
    measure()  # once to warm up
    values, floors = in_turn(ROUNDS, measure, floor)
    spread = (min(values), max(values))
    return Figure(name, median(values), unit, Floor(floor_name, median(floors)), aim, spread=spread)


def _import() -> Figure:
    """`import agentfx` beside pydantic, which it needs as soon as a task is called."""
    values, floors = in_turn(
        IMPORTS,
        lambda: _cpu_seconds("import agentfx") - _cpu_seconds("pass"),
        lambda: _cpu_seconds("import asyncio, pydantic; pydantic.BaseModel") - _cpu_seconds("pass"),
    )
    floor = Floor("import asyncio, pydantic", median(floors))
    spread = (min(values), max(values))
    return Figure("import agentfx", median(values), "s", floor, 0.15, spread=spread)


def _cpu_seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # With compiled modules kept, as they are unless somebody asks for the opposite.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
