"""`python -m bench.chaos [PART ...]`: random schedules, and random kills of real processes.

What must hold is said where it is tested; here it is held for longer. Whatever breaks ends the
run with its seed: simulations replay exactly, kills strike the same targets at the same moments
of their rounds.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import harness_chaos
from tests.engine import simulator as routing
from tests.faults.random_kills import Kills, kill_at_random
from tests.jobs import simulator as dispatch
from tests.jobs.test_simulation import PLANS
from tests.services import simulator as queue
from tests.services.dispatch import simulator as services

EVENTS = 1_000_000
KILLS = 200
PER_SCHEDULE = 5_000
ON_A_STORE = 200


def simulations(events: int, seed: int) -> Iterator[str]:
    """Dispatch has most of the events; routing, queue and services their shares."""
    yield _schedules("dispatch", events * 7 // 10, seed, _dispatch)
    yield _schedules("routing", events * 3 // 20, seed, _routing)
    yield _schedules("queue", events * 3 // 20, seed, _queue)
    yield _schedules("services on a store", events // 400, seed, _services)


def _schedules(name: str, wanted: int, seed: int, play: Callable[[int], int]) -> str:
    """Play schedules, each with its own seed, until there were so many events."""
    found = count = 0
    while found < wanted:
        found += play(seed + count)
        count += 1
    return f"{name}: {found:,} events, seeds {seed} to {seed + count - 1}"


def _dispatch(seed: int) -> int:
    plan = list(PLANS.values())[seed % len(PLANS)]
    return dispatch.simulate(seed, plan).events


def _routing(seed: int) -> int:
    return routing.simulate(seed, PER_SCHEDULE).events


def _queue(seed: int) -> int:
    return queue.simulate(seed, PER_SCHEDULE).events


def _services(seed: int) -> int:
    with tempfile.TemporaryDirectory(prefix="agentfx-chaos-") as folder:
        return asyncio.run(services.simulate(seed, ON_A_STORE, Path(folder))).events


def kills(count: int, seed: int) -> Kills:
    """Kill real processes while runs are under way; what came of it."""
    chance = random.Random(seed)  # noqa: S311 - a schedule that can be replayed, no secret
    with tempfile.TemporaryDirectory(prefix="agentfx-chaos-") as folder:
        return asyncio.run(kill_at_random(Path(folder), count, chance))


def main(
    parts: Annotated[
        list[str] | None, typer.Argument(help="Some of: simulations, kills, harness.")
    ] = None,
    events: Annotated[int, typer.Option(help="Of the simulations.")] = EVENTS,
    strikes: Annotated[int, typer.Option("--kills", help="Of real processes.")] = KILLS,
    seed: Annotated[int, typer.Option(help="The first one.")] = 1,
) -> None:
    """Play random schedules, and kill at random."""
    console = Console(highlight=False)
    wanted = parts or ["simulations", "kills", "harness"]
    unknown = set(wanted) - {"simulations", "kills", "harness"}
    if unknown:
        raise typer.BadParameter(f"no part {sorted(unknown)}")
    if "simulations" in wanted:
        for line in simulations(events, seed):
            console.print(line)
    if "kills" in wanted:
        console.print(f"kills, seed {seed}: {kills(strikes, seed)}")
    if "harness" in wanted:
        console.print(f"harness, seed {seed}")
        if harness_chaos.run(strikes, seed):
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
