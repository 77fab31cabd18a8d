"""On somebody else's engine a program means what it means in memory, and backends keep laws."""

from pathlib import Path

import pytest

import agentfx as fx
from agentfx.backends import CallError
from agentfx.testing import backend_laws
from tests.interpreters.test_dist import PROGRAMS, length

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("law", backend_laws.LAWS, ids=lambda law: law.__name__)
async def test_laws(law: backend_laws.Law, foreign: fx.Cluster) -> None:
    await law(foreign)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_exit_is_that_of_the_run_in_memory(name: str, foreign: fx.Cluster) -> None:
    program = PROGRAMS[name]
    assert await fx.run_dist(program, backend=foreign) == await fx.run_memory(program)


async def test_a_wide_fan_out(foreign: fx.Cluster) -> None:
    program = length.for_each(["x" * n for n in range(500)], concurrency=500)
    assert await fx.run_dist(program, backend=foreign) == fx.Ok(list(range(500)))


async def test_inputs_and_outcomes_of_a_mebibyte(foreign: fx.Cluster) -> None:
    program = length.for_each(["x" * (1 << 20)] * 4)
    assert await fx.run_dist(program, backend=foreign) == fx.Ok([1 << 20] * 4)


async def test_a_driver_goes_on_where_another_stopped(foreign: fx.Cluster) -> None:
    mended = False

    def check(n: int) -> int:
        if not mended:
            raise ZeroDivisionError
        return n

    program = length("abc").map(check)
    with pytest.raises(ZeroDivisionError):
        await fx.run_dist(program, backend=foreign, run_id="goes-on")
    mended = True
    assert await fx.run_dist(program, backend=foreign, run_id="goes-on") == fx.Ok(3)
    events = await foreign.events("goes-on", 0, 0.0)
    assert [event["type"] for event in events].count("job_started") == 1


async def test_claims_are_kept_in_our_store(foreign: fx.Cluster) -> None:
    once = [{"type": "increment", "path": "n", "by": 1}]
    assert await foreign.update_state("tests", "claim", once) is None
    assert await foreign.update_state("tests", "claim", once) == {"n": 1}
    await foreign.delete_state("tests", "claim")
    assert await foreign.update_state("tests", "claim", once) is None
    await foreign.delete_state("tests", "claim")


async def test_tasks_are_functions_for_any_caller(foreign: fx.Cluster) -> None:
    await fx.run_dist(length("warm"), backend=foreign)  # the workers have the code from here on
    async with fx.connect(foreign.url, token=foreign.token) as other:
        await other.connection.served(length.id, other._clock)
        assert await other.connection.call(length.id, {"url": "abcd"}) == 4
        with pytest.raises(CallError, match=r'NotFound: \{"url":"gone"\}'):
            await other.connection.call(length.id, {"url": "gone"})
        found = await other.published(length.id)
    assert found is not None
    assert list(found.errors) == ["NotFound"]


async def test_a_connection_finds_the_engine_in_the_environment(
    foreign: fx.Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("III_URL", foreign.url)
    if foreign.token is not None:
        monkeypatch.setenv("III_TOKEN", foreign.token)
    async with fx.connect(home=str(tmp_path)) as backend:
        assert backend.url == foreign.url
        rows = await backend.request("workers::list", {})
    assert {row["label"] for row in rows} == {"w1", "w2"}
