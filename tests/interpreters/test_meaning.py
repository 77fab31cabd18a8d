"""What programs mean, under both interpreters."""

import asyncio
from abc import abstractmethod
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import ValueNotStorableError
from tests.interpreters.conftest import Interpret
from tests.waiting import eventually

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


class Boom(fx.Failure):
    n: int = 0


class Other(fx.Failure):
    pass


@fx.task("meaning::note", raises=(Boom, Other))
async def note(ctx: fx.TaskContext, text: str, fails: int = 0) -> str:
    log.append(f"{text}#{ctx.attempt}")
    if ctx.attempt <= fails:
        raise Boom(n=ctx.attempt)
    return text


@fx.task("meaning::wait", timeout=60)
async def wait(text: str) -> str:
    log.append(f"{text} began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.append(f"{text} cleaned up")
        raise
    return text


@fx.task("meaning::keyed", key=("order",))
async def keyed(ctx: fx.TaskContext, order: int, nonce: int) -> str:
    return ctx.idempotency_key


@fx.task("meaning::plain")
async def plain(ctx: fx.TaskContext, n: int) -> str:
    return ctx.idempotency_key


def noted(text: str) -> fx.Effect[str]:
    async def f() -> str:
        log.append(text)
        return text

    return fx.attempt(f)


async def test_retry_counts_attempts_in_all(interpret: Interpret) -> None:
    assert await interpret(note("a", fails=2).retry(3)) == fx.Ok("a")
    assert log == ["a#1", "a#2", "a#3"]


async def test_what_follows_retries_that_gave_up_is_a_step_of_its_own(interpret: Interpret) -> None:
    program = note("a", fails=9).retry(2).catch_all(lambda _: note("b"))
    assert await interpret(program) == fx.Ok("b")
    assert log == ["a#1", "a#2", "b#1"]


async def test_retry_ends_with_the_last_failure(interpret: Interpret) -> None:
    assert await interpret(note("a", fails=9).retry(2)) == fx.Err(Boom(n=2))
    assert log == ["a#1", "a#2"]


async def test_retries_around_retries_go_on_counting(interpret: Interpret) -> None:
    assert await interpret(note("a", fails=3).retry(2).retry(2)) == fx.Ok("a")
    assert log == ["a#1", "a#2", "a#3", "a#4"]


async def test_a_schedule_waits_between_attempts(interpret: Interpret) -> None:
    program = note("a", fails=1).retry(fx.exponential(0.001, attempts=2))
    assert await interpret(program) == fx.Ok("a")


async def test_when_decides_about_another_attempt(interpret: Interpret) -> None:
    policy = fx.exponential(0.001, attempts=5, when=lambda e: isinstance(e, Other))
    assert await interpret(note("a", fails=2).retry(policy)) == fx.Err(Boom(n=1))


async def test_a_contract_violation_is_not_tried_again(interpret: Interpret) -> None:
    wrong = note(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    exit_ = await interpret(wrong.retry(3).either())
    assert isinstance(exit_, fx.Ok)
    assert log == []


async def test_the_key_is_of_the_declared_parameters(interpret: Interpret) -> None:
    program = keyed(1, 1).zip(keyed(1, 2)).zip(keyed(2, 1))
    exit_ = await interpret(program)
    (first, same), other = exit_.unwrap()
    assert first == same != other


async def test_without_a_declared_key_each_call_has_its_own(interpret: Interpret) -> None:
    first, second = (await interpret(plain(1).zip(plain(1)))).unwrap()
    assert first != second


async def test_catch_takes_its_own_failure_only(interpret: Interpret) -> None:
    recovered = fx.fail(Boom(n=1)).catch(fx.on(Boom).do(lambda e: fx.succeed(e.n)))
    assert await interpret(recovered) == fx.Ok(1)
    passed = note("a", fails=1).catch(fx.on(Other).do(lambda e: fx.succeed("")))
    assert await interpret(passed) == fx.Err(Boom(n=1))


async def test_the_finalizer_runs_however_the_body_ends(interpret: Interpret) -> None:
    last = noted("end").map(lambda _: None)
    assert await interpret(note("a").ensuring(last)) == fx.Ok("a")
    assert await interpret(note("b", fails=1).ensuring(last)) == fx.Err(Boom(n=1))
    with pytest.raises(ZeroDivisionError):
        await interpret(note("c").map(lambda _: 1 // 0).ensuring(last))
    assert [entry for entry in log if entry == "end"] == ["end"] * 3


async def test_a_timeout_cancels_what_runs_and_runs_its_cleanup(interpret: Interpret) -> None:
    program = wait("a").ensuring(noted("end").map(lambda _: None)).timeout(0.05)
    assert await interpret(program) == fx.Err(fx.TimedOut(seconds=0.05))
    await eventually(lambda: "a cleaned up" in log)
    assert set(log) == {"a began", "a cleaned up", "end"}


async def test_cancellation_reaches_the_running_child(interpret: Interpret) -> None:
    running = asyncio.ensure_future(interpret(wait("a").ensuring(noted("end").map(lambda _: None))))
    await eventually(lambda: "a began" in log)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: "a cleaned up" in log)
    assert set(log) == {"a began", "a cleaned up", "end"}


async def test_the_failure_of_the_lowest_index_wins(interpret: Interpret) -> None:
    def item(n: int) -> fx.Effect[str, Any]:
        return wait(str(n)) if n > 1 else note(str(n), fails=n)

    exit_ = await interpret(fx.for_each([0, 1, 2, 3], item, concurrency=3))
    assert exit_ == fx.Err(Boom(n=1))
    assert "3 began" not in log  # nothing new starts after a failure


async def test_a_window_slides(interpret: Interpret) -> None:
    most = running = 0

    async def step() -> int:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return most

    program = fx.for_each(range(20), lambda n: fx.attempt(step), concurrency=3)
    assert isinstance(await interpret(program), fx.Ok)
    assert most == 3


async def test_an_empty_fan_out_is_an_empty_list(interpret: Interpret) -> None:
    assert await interpret(note.for_each([])) == fx.Ok([])
    assert await interpret(fx.for_each([], note)) == fx.Ok([])


async def test_a_defect_is_raised_unchanged_with_a_note(interpret: Interpret) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        await interpret(note("a").map(lambda _: 1 // 0))
    assert any("after step 1 of run" in text for text in caught.value.__notes__)


async def test_catch_all_does_not_see_a_defect(interpret: Interpret) -> None:
    with pytest.raises(ZeroDivisionError):
        await interpret(note("a").map(lambda _: 1 // 0).catch_all(lambda e: fx.succeed(0)))


async def test_a_defect_in_one_item_ends_the_others(interpret: Interpret) -> None:
    def item(n: int) -> AnyEffect:
        return wait(str(n)) if n else note("0").map(lambda _: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        await interpret(fx.for_each([0, 1, 2], item))


class Clock(fx.Capability):
    @abstractmethod
    async def now(self) -> int: ...


class Fixed(Clock):
    def __init__(self, at: int) -> None:
        self.at = at

    async def now(self) -> int:
        return self.at


class Broken(Clock):
    async def now(self) -> int:
        raise Boom(n=7)


async def test_capabilities_are_supplied_from_outside_or_inside(interpret: Interpret) -> None:
    now = Clock.call(Clock.now)
    assert await interpret(now, Clock.of(Fixed(1))) == fx.Ok(1)
    inner = now.provide(Clock.of(Fixed(2)))
    assert await interpret(inner.zip(now), Clock.of(Fixed(1))) == fx.Ok((2, 1))


async def test_a_missing_capability_is_named(interpret: Interpret) -> None:
    with pytest.raises(LookupError, match=r"the program needs Clock: give it Clock\.of"):
        await interpret(Clock.call(Clock.now))


async def test_a_capability_raises_what_it_declares(interpret: Interpret) -> None:
    declared = Clock.use(lambda c: c.now(), raises=Boom, returns=int)
    assert await interpret(declared, Clock.of(Broken())) == fx.Err(Boom(n=7))
    with pytest.raises(Boom):
        await interpret(Clock.call(Clock.now), Clock.of(Broken()))


async def test_a_value_that_no_journal_keeps_says_what_to_do(interpret: Interpret) -> None:
    async def f() -> object:
        return object()

    with pytest.raises(ValueNotStorableError, match="give returns= a type"):
        await interpret(fx.attempt(f))


async def test_a_step_has_a_key_that_its_code_can_ask_for(interpret: Interpret) -> None:
    async def f() -> str:
        return fx.step_key()

    first, second = (await interpret(fx.attempt(f).zip(fx.attempt(f)))).unwrap()
    assert first != second
    with pytest.raises(LookupError):
        fx.step_key()


@fx.do
def loop(items: list[str]) -> fx.Do[list[str], Any]:
    found: list[str] = []
    for item in items:
        result = yield from note(item, fails=len(item) - 1).either()
        found.append(item if isinstance(result, fx.Ok) else "failed")
    return found


async def test_a_do_block_branches_and_loops(interpret: Interpret) -> None:
    assert await interpret(loop(["a", "bb", "c"])) == fx.Ok(["a", "failed", "c"])


async def test_a_failure_closes_the_do_block(interpret: Interpret) -> None:
    @fx.do
    def body() -> fx.Do[str, Any]:
        try:
            return (yield from note("a", fails=1))
        finally:
            log.append("closed")

    assert await interpret(body()) == fx.Err(Boom(n=1))
    assert log[-1] == "closed"


async def test_a_forgotten_from_is_named(interpret: Interpret) -> None:
    @fx.do
    def body() -> Any:
        yield 3

    with pytest.raises(TypeError, match="write `yield from` an effect"):
        await interpret(body())


async def test_a_function_that_returns_no_effect_is_named(interpret: Interpret) -> None:
    def no_effect(text: str) -> Any:
        return text

    program: AnyEffect = note("a").flat_map(no_effect)
    with pytest.raises(TypeError, match=r"not with 'a': return fx\.succeed"):
        await interpret(program)


async def test_a_do_body_without_steps_is_named(interpret: Interpret) -> None:
    def body() -> Any:
        return 3

    with pytest.raises(TypeError, match=r"body has no `yield from`, so it needs no @fx\.do"):
        await interpret(fx.do(body)())


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (3, "3 is not a program that can be run: a program is a call of a task"),
        (note, r"is not a program that can be run: call it, such as note\(…\)"),
        (fx.Stream.of(1), r"is a stream, not yet an effect: add \.to_list\(\)"),
    ],
)
async def test_what_is_no_program_is_named(interpret: Interpret, program: Any, line: str) -> None:
    with pytest.raises(TypeError, match=line):
        await interpret(program)


async def test_direct_calls_run(interpret: Interpret) -> None:
    assert await interpret(note("a").direct()) == fx.Ok("a")
    assert await interpret(note("a", fails=1).direct()) == fx.Err(Boom(n=1))


async def test_an_error_knows_where_it_happened(interpret: Interpret) -> None:
    exit_ = await interpret(note("a").flat_map(lambda _: note.for_each(["b", ""])))
    assert isinstance(exit_, fx.Ok)
    failing = await interpret(note("a").zip(note("b", fails=1)))
    assert isinstance(failing, fx.Err)
    assert failing.at == "2"
