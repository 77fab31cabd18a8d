"""Functions of workers in Python and JavaScript, called for real, before any types are known."""

from typing import Any

import pytest

import agentfx as fx
from agentfx.contracts import remote
from agentfx.interpreters import NoStubError
from tests.workers.tasks import fetch

pytestmark = pytest.mark.slow

SERIES = [
    {"label": "a", "values": [1, 2, 4.5], "unit": "m"},
    {"label": "b", "values": [1]},
]
ANSWERS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "Python": ("pymath::add", {"a": 2, "b": 3}, {"sum": 5}),
    "nested objects, arrays, enums, a union": (
        "pymath::stats",
        {
            "series": SERIES,
            "measures": ["mean", "range"],
            "rounding": {"kind": "digits", "digits": 1},
        },
        {
            "results": [
                {"label": "a", "count": 3, "unit": "m", "measures": {"mean": 2.5, "range": 3.5}},
                {"label": "b", "count": 1, "unit": None, "measures": {"mean": 1, "range": 0}},
            ],
            "longest": "a",
        },
    ),
    "JavaScript": (
        "textstats::count",
        {"text": "drei kleine Wörter"},
        {"unit": "words", "count": 3},
    ),
    "JavaScript, nested": (
        "textstats::analyze",
        {"documents": [{"text": "a b a"}], "top": 1, "skip": {"kind": "listed", "words": ["b"]}},
        {
            "results": [{"words": 2, "meanLength": 1, "frequent": [{"word": "a", "times": 2}]}],
            "total": 2,
        },
    ),
}


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_values_arrive(name: str, replayable: bool, polyglot: fx.Cluster) -> None:
    function, arguments, answer = ANSWERS[name]
    call = remote(function, replayable=True) if replayable else remote(function)
    assert await fx.run_dist(call(**arguments), backend=polyglot) == fx.Ok(answer)


FAILURES: dict[str, tuple[str, dict[str, Any], fx.RemoteFailure]] = {
    "Python": (
        "pymath::divide",
        {"a": 1, "b": 0},
        fx.RemoteFailure(name="DivisionByZero", fields={"dividend": 1}),
    ),
    "JavaScript": (
        "textstats::analyze",
        {"documents": [{"text": "words"}, {"text": "?"}]},
        fx.RemoteFailure(name="EmptyText", fields={"index": 1}),
    ),
    "a task": (
        "docs::fetch",
        {"url": "gone:x"},
        fx.RemoteFailure(name="NotFound", fields={"url": "gone:x"}),
    ),
    "a task, by way of JavaScript": (
        "textstats::of_page",
        {"url": "gone:x"},
        fx.RemoteFailure(name="NotFound", fields={"url": "gone:x"}),
    ),
}


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
@pytest.mark.parametrize("name", FAILURES)
async def test_declared_failures_are_failures(
    name: str, replayable: bool, polyglot: fx.Cluster
) -> None:
    function, arguments, failure = FAILURES[name]
    call = remote(function, replayable=True) if replayable else remote(function)
    program = call(**arguments)
    assert await fx.run_dist(program, backend=polyglot) == fx.Err(failure)
    caught = program.catch(fx.on(fx.RemoteFailure).do(lambda e: fx.succeed(e.name)))
    assert await fx.run_dist(caught, backend=polyglot) == fx.Ok(failure.name)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("pymath::add", {"a": 1}),
        ("pymath::add", {"a": 1, "b": True}),
        ("pymath::stats", {"series": []}),
        ("textstats::count", {"text": "x", "unit": "pages"}),
        ("textstats::analyze", {"documents": [{"text": "x"}], "top": 101}),
    ],
)
async def test_input_is_checked_on_this_side(
    function: str, arguments: dict[str, Any], polyglot: fx.Cluster
) -> None:
    result = await fx.run_dist(remote(function)(**arguments), backend=polyglot)
    assert isinstance(result, fx.Err)
    assert isinstance(result.error, fx.ContractViolation)
    assert result.error.where == "input"


@pytest.mark.parametrize("function", ["pymath::add", "textstats::count"])
async def test_input_is_checked_on_the_other_side_as_well(
    function: str, polyglot: fx.Cluster
) -> None:
    # Past the check of this side, as another client would come.
    answer = await polyglot.call_remote(function, '{"text": 3, "a": "x", "b": 1}', 10)
    assert '"err": "ContractViolation"' in answer
    assert function in answer


async def test_nobody_serves_it(polyglot: fx.Cluster) -> None:
    result = await fx.run_dist(remote("pymath::nope")(a=1), backend=polyglot)
    assert isinstance(result, fx.Err)
    assert (result.error.task, result.error.reason) == ("pymath::nope", "no_worker")


async def test_a_deadline_is_kept(polyglot: fx.Cluster, tmp_path: Any) -> None:
    call = remote("docs::fetch", timeout=0.2)(url=f"hold:{tmp_path}")
    result = await fx.run_dist(call, backend=polyglot)
    (tmp_path / "go").touch()
    assert isinstance(result, fx.Err)
    assert result.error == fx.TaskError(
        task="docs::fetch", reason="timeout", message="no answer within 0.2 s"
    )


async def test_a_retry_of_a_durable_job_makes_attempts(polyglot: fx.Cluster) -> None:
    run = await fx.start(
        remote("pymath::divide", replayable=True)(a=1, b=0).retry(3), backend=polyglot
    )
    assert isinstance(await run.result(), fx.Err)
    started = [e.attempt async for e in run.events() if e.type == "job_started"]
    assert started == [1, 2, 3]


async def test_a_finished_run_is_not_called_again(polyglot: fx.Cluster) -> None:
    program = remote("pymath::add")(a=1, b=1).zip(remote("pymath::add", replayable=True)(a=2, b=2))
    first = await fx.run_dist(program, backend=polyglot, run_id="remote-once")
    again = await fx.run_dist(program, backend=polyglot, run_id="remote-once")
    assert first == again == fx.Ok(({"sum": 2}, {"sum": 4}))


async def test_tasks_and_foreign_functions_compose(polyglot: fx.Cluster) -> None:
    program = fx.for_each(
        ["a", "b"],
        lambda url: fetch(url).flat_map(lambda page: remote("textstats::count")(text=page.text)),
    ).map(lambda counts: sum(c["count"] for c in counts))
    assert await fx.run_dist(program, backend=polyglot) == fx.Ok(6)


async def test_memory_names_the_function_it_does_not_have() -> None:
    with pytest.raises(NoStubError, match="textstats::count is a function of another worker"):
        await fx.run_memory(remote("textstats::count")(text="a"))


async def test_stand_ins_in_memory() -> None:
    program = remote("pymath::divide")(a=1, b=0).catch(
        fx.on(fx.RemoteFailure).do(lambda e: fx.succeed(e.fields))
    )

    def divide(a: float, b: float) -> dict[str, float]:
        raise fx.RemoteFailure(name="DivisionByZero", fields={"dividend": a})

    assert await fx.run_memory(program, stubs={"pymath::divide": divide}) == fx.Ok({"dividend": 1})

    async def add(a: float, b: float) -> dict[str, float]:
        return {"sum": a + b}

    summed = await fx.run_memory(remote("pymath::add")(a=1, b=2), stubs={"pymath::add": add})
    assert summed == fx.Ok({"sum": 3})
    broken = await fx.run_memory(remote("x::y")(), stubs={"x::y": lambda: 1 / 0})
    assert isinstance(broken, fx.Err)
    assert broken.error.reason == "crashed"
