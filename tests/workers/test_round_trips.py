"""Edge values through both languages: equal, or a clear refusal; never silently changed."""

import math
from typing import Any

import pytest

import agentfx as fx
from agentfx.contracts import remote

pytestmark = pytest.mark.slow
SAFE = 2**53 - 1


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


EQUAL: dict[str, Any] = {
    "empty": [{}, [], "", {"": ""}],
    "null beside missing": {"here": None},
    "booleans": [True, False, 1, 0],
    "unicode": "é e\u0301 \U0001f600 \U0010ffff 漢字 \u202e \ufeff \ufffd",
    "control characters": "".join(map(chr, range(32))) + '"\\/\u2028\u2029\x7f',
    "keys like JavaScript's own": {"constructor": 2, "toString": None, "0": 1},
    "safe integers": [0, -1, SAFE, -SAFE],
    "floats": [0.1, -0.5, 1e-300, 5e-324, 2.2250738585072e-308, 1.5e15, math.pi],
    "a float without a fraction": 3.0,
    "one MiB": "x" * 2**20,
    "one MiB beyond ASCII": "ß" * 2**19,
    "deep": nested(110),
}
LARGE: dict[str, Any] = {
    "beyond 2^53": SAFE + 2,
    "its opposite": -SAFE - 2,
    "a large power of two": 2**60,
    "the largest of 64 bits": 2**64 - 1,
    "nested": {"at": [1, {"x": 2**53 + 1}]},
}
NOWHERE: dict[str, Any] = {
    "beyond 64 bits": 2**64,
    "far beyond": 10**40,
    "not a number": math.nan,
    "infinite": -math.inf,
    "a lone surrogate": "\ud800",
    "a set": {1, 2},
    "too large": "x" * (5 << 20),
    "too deep": nested(120),
    "far too deep": nested(500),
    "deeper than Python goes": nested(5_000),
}


def echoed(language: str, value: Any) -> fx.Effect[Any, Any]:
    function = "pymath::echo" if language == "Python" else "textstats::echo"
    answer = remote(function)(value=value)
    return answer.map(lambda result: result["value"])


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
@pytest.mark.parametrize("name", EQUAL)
async def test_equal(language: str, name: str, polyglot: fx.Cluster) -> None:
    result = await fx.run_dist(echoed(language, EQUAL[name]), backend=polyglot)
    assert result == fx.Ok(EQUAL[name])


async def test_booleans_stay_booleans(polyglot: fx.Cluster) -> None:
    for language in ("Python", "JavaScript"):
        result = await fx.run_dist(echoed(language, [True, 1]), backend=polyglot)
        assert isinstance(result, fx.Ok)
        assert [type(value) for value in result.value] == [bool, int]


@pytest.mark.parametrize("name", LARGE)
async def test_large_integers(name: str, polyglot: fx.Cluster) -> None:
    value = LARGE[name]
    assert await fx.run_dist(echoed("Python", value), backend=polyglot) == fx.Ok(value)
    refused = await fx.run_dist(echoed("JavaScript", value), backend=polyglot)
    assert isinstance(refused, fx.Err)
    assert refused.error.errors[0][0] == "unsafe_integer"


async def test_a_key_that_the_sdk_of_javascript_loses(polyglot: fx.Cluster) -> None:
    value = [{"__proto__": {"a": 1}}]
    assert await fx.run_dist(echoed("Python", value), backend=polyglot) == fx.Ok(value)
    refused = await fx.run_dist(echoed("JavaScript", value), backend=polyglot)
    assert isinstance(refused, fx.Err)
    assert refused.error.errors[0][:2] == ("unsafe_key", ("value", 0, "__proto__"))


async def test_javascript_refuses_what_another_caller_sends(polyglot: fx.Cluster) -> None:
    answer = await polyglot.call_remote("textstats::echo", f'{{"value": {2**53 + 1}}}', 10)
    assert '"err": "UnsafeNumber"' in answer
    assert '"declared": true' in answer


async def test_a_negative_zero_keeps_its_sign_or_is_refused(polyglot: fx.Cluster) -> None:
    exact = await fx.run_dist(echoed("Python", -0.0), backend=polyglot)
    assert isinstance(exact, fx.Ok)
    assert math.copysign(1, exact.value) == -1
    refused = await fx.run_dist(echoed("JavaScript", [-0.0]), backend=polyglot)
    failure = fx.RemoteFailure(name="UnsafeNumber", fields={"at": ["0"], "read": "-0"})
    assert refused == fx.Err(failure)


@pytest.mark.parametrize("value", [1e308, -1.7976931348623157e308, 1e22])
async def test_large_floats_through_python(value: float, polyglot: fx.Cluster) -> None:
    assert await fx.run_dist(echoed("Python", value), backend=polyglot) == fx.Ok(value)


async def test_large_floats_through_javascript(polyglot: fx.Cluster) -> None:
    result = await fx.run_dist(echoed("JavaScript", 1e22), backend=polyglot)
    assert result == fx.Err(
        fx.RemoteFailure(name="UnsafeNumber", fields={"at": [], "read": "1e+22"})
    )


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
@pytest.mark.parametrize("name", NOWHERE)
async def test_refused_before_it_is_sent(language: str, name: str, polyglot: fx.Cluster) -> None:
    refused = await fx.run_dist(echoed(language, NOWHERE[name]), backend=polyglot)
    assert isinstance(refused, fx.Err)
    assert isinstance(refused.error, (fx.ContractViolation, fx.TaskError))


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
async def test_missing_stays_missing_and_null_stays_null(
    language: str, polyglot: fx.Cluster
) -> None:
    value = {"a": None, "list": [None, {"b": None}]}
    result = await fx.run_dist(echoed(language, value), backend=polyglot)
    assert isinstance(result, fx.Ok)
    assert set(result.value) == {"a", "list"}
    assert result.value == value
