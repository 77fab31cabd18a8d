"""Random programs whose exits do not depend on timing."""

# They are made by chance, so that nothing is known of their types.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from abc import abstractmethod
from typing import Any

from hypothesis import strategies as st

import agentfx as fx
from agentfx.algebra import AnyEffect

# Programs over int, typed loosely: they are made by chance.
Program = AnyEffect


class Boom(fx.Failure):
    n: int


class Bang(fx.Failure):
    text: str


class Dice(fx.Capability):
    @abstractmethod
    async def roll(self, seed: int) -> int: ...


class Loaded(Dice):
    async def roll(self, seed: int) -> int:
        return seed % 6 + 1


DICE = Dice.of(Loaded())


@fx.task("programs::echo")
async def echo(n: int) -> int:
    return n


@fx.task("programs::echo_thread")
def echo_thread(n: int) -> int:
    return n


@fx.task("programs::boom", raises=(Boom, Bang))
async def boom(n: int) -> int:
    if n % 3 == 0:
        raise Boom(n=n)
    if n % 3 == 1:
        raise Bang(text=f"bang {n}")
    return n


@fx.task("programs::crash")
async def crash(n: int) -> int:
    raise RuntimeError(f"crash {n}")


@fx.task("programs::flaky", raises=Boom)
async def flaky(ctx: fx.TaskContext, fails: int) -> int:
    if ctx.attempt <= fails:
        raise Boom(n=ctx.attempt)
    return ctx.attempt


@fx.task("programs::lies")
async def lies(n: int) -> int:
    return "no number"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@fx.task("programs::hangs", timeout=0.05)
async def hangs(n: int) -> int:
    await fx_sleep_forever()
    return n


@fx.action("programs::pay", raises=Boom)
async def pay(n: int) -> int:
    if n < 0:
        raise Boom(n=n)
    return n + 1


async def fx_sleep_forever() -> None:
    import asyncio

    await asyncio.Event().wait()


def number(value: Any) -> int:
    """Any value that a program may give, as a number."""
    match value:
        case fx.Ok(value=inner):
            return number(inner) + 1
        case fx.Err():
            return -1
        case list() | tuple():
            return int(sum(number(item) for item in value))
        case int():
            return int(value)
        case _:
            return 7


@fx.do
def body(first: Program, second: Program) -> fx.Do[int, fx.Failure, Dice]:
    a = yield from first
    b = yield from second
    total = 0
    for _ in range(3):
        total += yield from fx.succeed(a)
    return int(total + b)


numbers = st.integers(-5, 20)
leaves: st.SearchStrategy[Program] = st.one_of(
    st.builds(fx.succeed, numbers),
    st.builds(lambda n: fx.fail(Boom(n=n)), numbers),
    st.builds(echo, numbers),
    st.builds(echo_thread, numbers),
    st.builds(boom, numbers),
    st.builds(crash, numbers),
    st.builds(lies, numbers),
    st.builds(pay, numbers),
    st.builds(hangs, st.just(1)),
    st.builds(lambda: echo("wrong")),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    st.builds(lambda n, tries: flaky(n).retry(tries), st.integers(0, 3), st.integers(1, 3)),
    st.builds(lambda n: crash(n).retry(2).named("again"), numbers),
    st.builds(lambda n: Dice.call(Dice.roll, n), numbers),
    st.builds(lambda n: Dice.use(lambda d: d.roll(n), returns=int), numbers),
    st.just(fx.sleep(0).map(number)),
    st.just(fx.attempt(fx_sleep_forever).timeout(0.02)),
)


def _composed(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    return st.one_of(
        st.builds(lambda p, n: p.map(lambda v: number(v) + n), inner, numbers),
        st.builds(lambda p, q: p.flat_map(lambda v: q.map(lambda w: number(v) + w)), inner, inner),
        st.builds(lambda p, q: p.catch_all(lambda e: q), inner, inner),
        st.builds(lambda p: p.catch(fx.on(Boom).do(lambda e: fx.succeed(e.n))), inner),
        st.builds(lambda p: p.either().map(number), inner),
        st.builds(lambda p, q: p.zip(q).map(number), inner, inner),
        st.builds(lambda p: p.timeout(60), inner),
        st.builds(lambda p, n: p.ensuring(fx.succeed(n)), inner, numbers),
        st.builds(lambda p: p.named("part"), inner),
        st.builds(lambda p: p.provide(DICE), inner),
        st.builds(body, inner, inner),
        st.builds(
            lambda items, p, width: fx.for_each(
                items, lambda n: p.map(lambda v: number(v) + n), concurrency=width
            ).map(number),
            st.lists(numbers, max_size=4),
            inner,
            st.integers(1, 3),
        ),
        st.builds(
            lambda items, width: boom.for_each(items, concurrency=width).map(number),
            st.lists(numbers, max_size=5),
            st.integers(1, 3),
        ),
    )


programs: st.SearchStrategy[Program] = st.recursive(leaves, _composed, max_leaves=8)
