"""The type laws. One file, two checkers: mypy reads `type: ignore`, pyright `pyright: ignore`.

Both report an ignore that hides nothing, so every bad line has to stay bad in both;
`test_laws.py` also strips the ignores and looks which lines the checkers flag. Nothing here runs.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from typing import Never, assert_type

from pydantic import BaseModel

import agentfx as fx
from agentfx.algebra import LocalOnly


class Page(BaseModel):
    url: str
    words: int = 0


class NotFound(fx.Failure):
    url: str


class Busy(fx.Failure):
    after: float


class Broken(fx.Failure):
    pass


class Gone(fx.Failure):
    pass


class LLM(fx.Capability):
    @abstractmethod
    async def ask(self, prompt: str, n: int = 1) -> str: ...


class DB(fx.Capability):
    @abstractmethod
    async def count(self, table: str) -> int: ...


class Cache(fx.Capability):
    @abstractmethod
    async def get(self) -> int: ...


class FakeLLM(LLM):
    async def ask(self, prompt: str, n: int = 1) -> str:
        return prompt * n


class FakeDB(DB):
    async def count(self, table: str) -> int:
        return len(table)


class FakeCache(Cache):
    async def get(self) -> int:
        return 1


Always = fx.ContractViolation | fx.TaskError


@fx.task("laws::fetch", raises=NotFound, key=("url",), timeout=30)
async def fetch(ctx: fx.TaskContext, url: str) -> Page:
    raise NotFound(url=url)


@fx.task("laws::add")
def add(a: int, b: int) -> int:
    return a + b


@fx.task("laws::half")
def half(n: int, of: int = 2) -> float:
    return n / of


@fx.task("laws::zero")
async def zero() -> int:
    return 0


@fx.task("laws::many", raises=(NotFound, Busy, Broken))
async def many(url: str) -> int:
    return len(url)


@fx.action("laws::move", raises=(NotFound, Busy, Broken, Gone))
async def move(n: int) -> int:
    return n


@fx.action("laws::charge", raises=Busy)
async def charge(amount: int) -> str:
    return "receipt"


llm, db, cache = LLM.of(FakeLLM()), DB.of(FakeDB()), Cache.of(FakeCache())
both = LLM.call(LLM.ask, "x").flat_map(lambda text: DB.call(DB.count, text))
three = both.flat_map(lambda n: Cache.call(Cache.get))
call = fetch("u")
asked = LLM.use(lambda m: m.ask("x"), raises=(NotFound, Busy))
assert_type(both, fx.Effect[int, Never, LLM | DB])

# Tasks and actions keep their types
assert_type(call, fx.Replayable[Page, NotFound | Always])
assert_type(add(1, b=2), fx.Replayable[int, Always])
assert_type(many("u"), fx.Replayable[int, NotFound | Busy | Broken | Always])
assert_type(charge(3), fx.Effect[str, Busy | Always])
assert_type(call.direct(), fx.Effect[Page, NotFound | Always])
fetch(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fetch(uri="u")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
add(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
call.map(lambda page: page.word)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
NotFound(uri="u")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
fx.fail("text")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]

# Only what may run again can be retried
assert_type(call.retry(3), fx.Replayable[Page, NotFound | Always])
assert_type(call.retry(fx.exponential(0.1, attempts=3)), fx.Replayable[Page, NotFound | Always])
assert_type(call.retry(3).map(lambda page: page.url), fx.Effect[str, NotFound | Always])
assert_type(call.named("x").retry(2), fx.Replayable[Page, NotFound | Always])
charge(3).retry(2)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
fx.retry(charge(3), 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fx.retry(fx.succeed(5), 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fx.retry(call.map(lambda page: page.url), 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
call.map(lambda page: page.url).retry(3)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
call.flat_map(lambda page: add(1, 2)).retry(3)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# Failures are a union that handlers narrow
assert_type(call.catch_all(lambda e: fx.succeed(str(e))), fx.Effect[Page | str, Never])
assert_type(asked.catch(fx.on(NotFound).do(lambda e: fx.succeed(e.url))), fx.Effect[str, Busy, LLM])
assert_type(
    asked.catch(fx.on(NotFound).do(lambda e: fx.fail(Broken()))), fx.Effect[str, Busy | Broken, LLM]
)
assert_type(
    call.flat_map(lambda p: fx.fail(Broken())), fx.Effect[Never, NotFound | Always | Broken]
)
assert_type(call.either(), fx.Effect[fx.Exit[Page, NotFound | Always]])
assert_type(call.timeout(3), fx.Effect[Page, NotFound | Always | fx.TimedOut])
assert_type(call.zip(zero()), fx.Effect[tuple[Page, int], NotFound | Always])
call.catch(fx.on(Broken).do(lambda e: fx.succeed(1)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
call.catch(fx.on(NotFound).do(lambda e: fx.succeed(e.uri)))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType, reportUnknownLambdaType]
still: fx.Effect[str, NotFound] = asked.catch(fx.on(NotFound).do(lambda e: fx.succeed("")))  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
call.ensuring(fetch("clean up"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# The items of a fan-out are the task's input
assert_type(fetch.for_each(["a"], concurrency=3), fx.Effect[list[Page], NotFound | Always])
assert_type(move(1), fx.Effect[int, NotFound | Busy | Broken | Gone | Always])
assert_type(fx.for_each_task(["a"], fetch, 3), fx.Effect[list[Page], NotFound | Always])
assert_type(half.for_each([1, 2]), fx.Effect[list[float], Always])
assert_type(
    fx.for_each(["a"], lambda u: fetch(u).either()),
    fx.Effect[list[fx.Exit[Page, NotFound | Always]]],
)
fetch.for_each([1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
add.for_each([1])  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
zero.for_each([1])  # type: ignore[arg-type, misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
fx.for_each_task([1], fetch, 3)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]

# Capabilities are given exactly
assert_type(both.provide(llm), fx.Effect[int, Never, DB])
assert_type(both.provide(llm).provide(db), fx.Effect[int])
assert_type(both.provide(llm | db), fx.Effect[int])
assert_type(LLM.use(lambda m: m.ask("x"), raises=Busy, returns=str), fx.Effect[str, Busy, LLM])
two_left: fx.Effect[int, Never, DB | Cache] = llm(three)
both.provide(cache)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
both.provide(llm).provide(llm)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fx.succeed(1).provide(llm)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
LLM.of(FakeDB())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
LLM.call(LLM.ask, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# A closure in parallel stays in one process
par = fx.for_each_par(["a"], lambda u: LLM.call(LLM.ask, u), 4)
assert_type(par, fx.Effect[list[str], Never, LLM | LocalOnly])


# Streams: each input has its fence
@fx.task("laws::post", raises=Busy)
async def post(text: str, epoch: int) -> str:
    return text


words = fx.Stream.of("a", "b")
pages = words.switch_map(lambda text, fence: fetch(text))
posted = words.switch_map(
    lambda text, fence: LLM.call(LLM.ask, text).flat_map(
        lambda answer: fence.guard(post(answer, fence.epoch))
    )
)
assert_type(words, fx.Stream[str])
assert_type(pages, fx.Stream[Page, NotFound | Always])
assert_type(posted, fx.Stream[str, Busy | Always | fx.Superseded, LLM])
assert_type(pages.map(lambda page: page.words).take(2).debounce(0.1).to_list(),
            fx.Effect[list[int], NotFound | Always])  # fmt: skip
assert_type(words.concat_map(fetch), fx.Stream[Page, NotFound | Always])
assert_type(words.merge_map(lambda text: fetch(text).either(), 3),
            fx.Stream[fx.Exit[Page, NotFound | Always]])  # fmt: skip
assert_type(posted.to_list().provide(llm), fx.Effect[list[str], Busy | Always | fx.Superseded])


async def ticks(known: int) -> AsyncGenerator[int, None]:
    yield known


assert_type(fx.Stream.from_async_iterable(ticks), fx.Stream[int])
assert_type(fx.Stream.from_async_iterable(ticks(0)), fx.Stream[int])
words.switch_map(lambda text: fetch(text))  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType]
words.merge_map(lambda text, fence: fetch(text))  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]
words.concat_map(lambda text: fetch(text.words))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
words.map(fetch).retry(3)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
fx.Stream.of(1).concat_map(fetch)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
unfenced: fx.Effect[list[str], Busy | Always, LLM] = posted.to_list()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
fx.Stream.from_async_iterable([1])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def running() -> None:
    await fx.run_dist(posted.to_list())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fx.run_dist(pages)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    assert_type(await fx.run_memory(call), fx.Exit[Page, NotFound | Always])
    assert_type(await fx.run_memory(both, llm | db), fx.Exit[int, Never])
    assert_type(await fx.run_memory(par, llm), fx.Exit[list[str], Never])
    assert_type(await fx.run_dist(call, run_id="r"), fx.Exit[Page, NotFound | Always])
    assert_type(await fx.run_dist(both, llm | db | cache), fx.Exit[int, Never])
    assert_type(fx.run_memory_sync(call), fx.Exit[Page, NotFound | Always])
    assert_type(await (await fx.start(call)).result(), fx.Exit[Page, NotFound | Always])
    await fx.run_memory(both, llm)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await fx.run_memory(both)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fx.run_dist(both, cache)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await fx.run_dist(both)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fx.run_dist(par, llm)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await fx.run_dist(par.provide(llm))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def matching(result: fx.Exit[Page, NotFound | Always]) -> str:
    match result:
        case fx.Ok(value):
            return value.url
        case fx.Err(NotFound(url=url)):
            return url
        case fx.Err(error):
            raise error


# A do-block declares all that its steps need
@fx.do
def report(url: str) -> fx.Do[str, NotFound | Always, LLM]:
    page = yield from fetch(url).retry(3)
    assert_type(page, Page)
    text = yield from LLM.call(LLM.ask, page.url)
    assert_type(text, str)
    return text


assert_type(report("u"), fx.Effect[str, NotFound | Always, LLM])


@fx.do
def undeclared(url: str) -> fx.Do[int, Busy, LLM]:
    yield from fetch(url)  # type: ignore[misc]  # pyright: ignore[reportReturnType]
    yield from DB.call(DB.count, url)  # type: ignore[misc]  # pyright: ignore[reportReturnType]
    forgotten = yield zero().catch_all(lambda e: fx.succeed(0))
    forgotten.bit_length()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    return 1


@fx.do
def narrowed(url: str) -> fx.Do[int, Always]:
    result = yield from fetch(url).either()
    if isinstance(result, fx.Ok):
        return result.value.words
    if isinstance(result.error, NotFound):
        return 0
    return (yield from fx.fail(result.error))
