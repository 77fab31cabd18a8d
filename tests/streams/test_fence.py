"""Who may run a fenced effect."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.services._input import Input
from agentfx.services.state._parse import operations
from agentfx.services.state._update import MISSING, update
from agentfx.streams import (
    OUTRUN,
    PREEMPTED,
    Claim,
    FenceLine,
    claim_operations,
    claimed,
    decide,
    epoch_of,
    fence_line,
    input_line,
    raise_operations,
    raised,
    read_line,
)
from agentfx.testing import InMemoryBackend
from tests.streams.clock import ManualClock, in_memory, on_backend
from tests.streams.conftest import Run
from tests.streams.test_operators import at

A, A_LATER, B = Claim("run a/1", 1), Claim("run a/1", 2), Claim("run b/1", 1)


def test_the_latest_epoch_is_granted_once() -> None:
    document = raised(None, 1)
    assert decide(document, 1, "step", A) == "granted"
    document = claimed(document, 1, "step", A)
    assert decide(document, 1, "step", B) == "taken"
    assert decide(document, 1, "other step", B) == "granted"


def test_an_older_epoch_is_refused() -> None:
    document = raised(raised(None, 1), 3)
    assert epoch_of(document) == 4
    assert decide(document, 1, "step", A) == "newer"
    assert decide(None, 1, "step", A) == "newer"  # the fence is gone: the stream has ended


def test_a_later_driver_takes_up_a_claim_and_an_earlier_one_does_not() -> None:
    document = claimed(raised(None, 1), 1, "step", A)
    assert decide(document, 1, "step", A) == "granted"  # the answer was lost, and it asked again
    assert decide(document, 1, "step", A_LATER) == "granted"
    document = claimed(document, 1, "step", A_LATER)
    assert decide(document, 1, "step", A) == "taken"


def test_a_new_epoch_empties_the_claims() -> None:
    document = claimed(raised(None, 1), 1, "step", A)
    assert raised(document, 1) == {"epoch": 2, "claims": {}}


claims = st.builds(Claim, st.sampled_from(("a", "b")), st.integers(1, 3))
changes = st.lists(st.integers(1, 3) | st.tuples(st.integers(0, 4), st.sampled_from("xy"), claims))


@given(changes)
def test_documents_are_what_the_state_makes_of_the_operations(
    changes: list[int | tuple[int, str, Claim]],
) -> None:
    document: dict[str, Any] | None = None
    stored: Any = MISSING
    for change in changes:
        if isinstance(change, int):
            document, wanted = raised(document, change), raise_operations(change)
        else:
            document, wanted = claimed(document, *change), claim_operations(*change)
        updated = update(stored, operations(Input("state::update", {"ops": wanted})))
        assert not updated.errors
        stored = updated.value
        assert {"epoch": 0, "claims": {}, **stored} == {
            "epoch": 0,
            "claims": {},
            **(document or {}),
        }


@given(changes, claims, claims)
def test_of_two_that_want_the_same_one_gets_it(
    changes: list[int | tuple[int, str, Claim]], first: Claim, second: Claim
) -> None:
    document: dict[str, Any] | None = raised(None, 1)
    for change in changes:
        document = raised(document, change) if isinstance(change, int) else document
    epoch = epoch_of(document)
    one = decide(document, epoch, "s", first)
    other = decide(claimed(document, epoch, "s", first), epoch, "s", second)
    assert one == "granted"
    assert (other == "granted") == (
        first.claimant == second.claimant and second.driver >= first.driver
    )


def test_lines_are_read_back() -> None:
    assert read_line(input_line(7)) == FenceLine("input", 7)
    assert read_line(fence_line("passed", 7)) == FenceLine("passed", 7)
    assert read_line(fence_line("done", 7)) == FenceLine("done", 7)
    assert read_line(fence_line("refused", 7, "newer")) == FenceLine("refused", 7, "newer")
    for line in (PREEMPTED, OUTRUN):
        found = read_line(line)
        assert found is not None
        assert found.kind == "preempted"
    for other in ("epoch x", "fence, epoch 3", "fence mended, epoch 3", "attempt epoch 3"):
        assert read_line(other) is None


# Guards in programs


@fx.task("streams::mark")
async def mark(text: str) -> str:
    return text


def refusal(exit_: fx.Exit[Any, Any]) -> str:
    assert isinstance(exit_, fx.Err)
    assert isinstance(exit_.error, fx.Superseded)
    return exit_.error.reason


async def test_a_named_step_runs_once_an_epoch(run: Run) -> None:
    def body(n: int, fence: fx.Fence) -> AnyEffect:
        once = fence.guard(mark("once"), step="once")
        return once.zip(once.either())

    exit_ = await run(fx.Stream.of(1).switch_map(body).to_list())
    ((first, second),) = exit_.unwrap()
    assert (first, refusal(second)) == ("once", "taken")


async def test_steps_without_a_name_go_by_their_place(run: Run) -> None:
    def body(n: int, fence: fx.Fence) -> AnyEffect:
        return fx.for_each(["a", "b"], lambda text: fence.guard(mark(text)))

    assert await run(fx.Stream.of(1).switch_map(body).to_list()) == fx.Ok([["a", "b"]])


async def test_a_guarded_failure_is_the_failure(run: Run) -> None:
    class Boom(fx.Failure):
        pass

    def body(n: int, fence: fx.Fence) -> AnyEffect:
        return fence.guard(fx.fail(Boom())).either().zip(fence.guard(mark("next")))

    exit_ = await run(fx.Stream.of(1).switch_map(body).to_list())
    assert exit_ == fx.Ok([(fx.Err(Boom()), "next")])


class Slow(InMemoryBackend):
    """A backend that takes its time to raise a fence."""

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        if operations[0]["type"] == "increment":
            for _ in range(20):
                await asyncio.sleep(0)
        return await super().update_state(scope, key, operations)


async def test_the_fence_is_raised_before_anything_is_cancelled() -> None:
    """So the cleanup of what is overtaken cannot pass it any more."""
    clock, refused = ManualClock(), list[str]()

    def note(exit_: fx.Exit[str, Any]) -> None:
        refused.append(refusal(exit_))

    def body(second: int, fence: fx.Fence) -> AnyEffect:
        cleanup = fence.guard(mark("cleanup")).either().map(note)
        return fx.sleep(5).ensuring(cleanup if second == 0 else fx.succeed(None))

    assert isinstance(
        await on_backend(at(clock, 0, 1).switch_map(body).to_list(), clock, Slow()), fx.Ok
    )
    assert refused == ["newer"]


async def test_a_fence_that_outlives_its_stream_refuses(run: Run) -> None:
    kept: list[fx.Fence] = []

    def body(n: int, fence: fx.Fence) -> fx.Effect[int]:
        kept.append(fence)
        return fx.succeed(n)

    stream = fx.Stream.of(1).switch_map(body).to_list()
    program: AnyEffect = stream.flat_map(lambda _: kept[-1].guard(mark("late")))
    exit_ = await run(program)
    assert refusal(exit_) == "newer"
    assert str(fx.Superseded(epoch=1, reason="newer")) == (
        "epoch 1 is superseded: a newer input has come"
    )


@pytest.mark.parametrize("where", ["memory", "dist"])
async def test_runs_share_a_fence_by_its_name(where: str) -> None:
    clock, backend, name = ManualClock(), InMemoryBackend(), f"shared in {where}"

    def program(text: str, seconds: float) -> AnyEffect:
        def body(text: str, fence: fx.Fence) -> AnyEffect:
            sent = fence.guard(mark(f"{text} in epoch {fence.epoch}"))
            return fx.sleep(seconds).flat_map(lambda _: sent)

        return fx.Stream.of(text).switch_map(body, fence=name).to_list()

    async def start(program: AnyEffect, run_id: str) -> fx.Exit[Any, Any]:
        if where == "memory":
            return await in_memory(program, clock)
        return await on_backend(program, clock, backend, run_id)

    older = asyncio.ensure_future(start(program("older", 5), "older"))
    await asyncio.sleep(0)
    newer = await start(program("newer", 1), "newer")
    assert newer == fx.Ok(["newer in epoch 2"])
    assert refusal(await older) == "newer"
    again = await start(program("again", 1), "again")
    assert again == fx.Ok(["again in epoch 3"])
