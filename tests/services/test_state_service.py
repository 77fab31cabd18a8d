"""`state::*` on a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentfx.services._host import Binding
from agentfx.services.state import StateSettings
from agentfx.services.state._watch import MAX_RUNNING, MAX_WAITING, MAX_WAITING_BYTES
from tests.services.kit import Recorder, Services, failures, services
from tests.waiting import eventually


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Services]:
    async with services(tmp_path) as kit:
        yield kit


async def put(kit: Services, key: str, value: Any, scope: str = "s") -> None:
    await kit.call("state::set", scope=scope, key=key, value=value)


async def watch(kit: Services, function_id: str, **config: Any) -> str:
    made = await kit.call(
        "engine::register_trigger",
        trigger_type="state",
        function_id=function_id,
        config=config,
        metadata={"m": 1},
    )
    return str(made["id"])


steps = st.lists(
    st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9) | st.just("remove")),
    max_size=25,
)


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
async def test_a_scope_is_like_a_dict(tmp_path: Path, steps: list[tuple[str, Any]]) -> None:
    model: dict[str, Any] = {}
    async with services(tmp_path) as kit:
        for value in await kit.call("state::list_groups"):
            assert value == "groups"
        for key in "abcd":
            await kit.call("state::delete", scope="s", key=key)
        for key, value in steps:
            if value == "remove":
                removed = await kit.call("state::delete", scope="s", key=key)
                assert removed == model.pop(key, None)
            else:
                result = await kit.call("state::set", scope="s", key=key, value=value)
                assert result == {"old_value": model.get(key), "new_value": value}
                model[key] = value
        assert await kit.call("state::list", scope="s") == list(model.values())
        for key in "abcd":
            assert await kit.call("state::get", scope="s", key=key) == model.get(key)


async def test_values_and_their_order_survive_a_restart(tmp_path: Path) -> None:
    async with services(tmp_path) as kit:
        for key in ("z", "a", "m"):
            await put(kit, key, {"key": key})
        await kit.call("state::delete", scope="s", key="a")
        await put(kit, "a", "late")
        await put(kit, "z", "changed")
    async with services(tmp_path) as kit:
        assert await kit.call("state::list", scope="s") == ["changed", {"key": "m"}, "late"]


async def test_scopes_are_listed(kit: Services) -> None:
    assert await kit.call("state::list_groups") == {"groups": []}
    for scope in ("b", "a", "ä", "", "b\x00c", "a/../b", "x" * 1000):
        for key in "12":
            await put(kit, key, 1, scope)
    await kit.call("state::delete", scope="a", key="1")
    await kit.call("state::delete", scope="a", key="2")
    found = await kit.call("state::list_groups")
    assert found == {"groups": ["", "a/../b", "b", "b\x00c", "x" * 1000, "ä"]}


async def test_data_is_another_word_for_value(kit: Services) -> None:
    result = await kit.call("state::set", scope="s", key="k", data=[1])
    assert result == {"old_value": None, "new_value": [1]}


async def test_updates_do_not_lose_each_other(kit: Services) -> None:
    increment = {"type": "increment", "path": "n", "by": 1}
    answers = await asyncio.gather(
        *(kit.call("state::update", scope="s", key="k", ops=[increment]) for _ in range(100))
    )
    assert sorted(answer["new_value"]["n"] for answer in answers) == list(range(1, 101))


@pytest.mark.parametrize(
    ("function_id", "asked"),
    [
        ("state::get", {"scope": "s"}),
        ("state::get", {"scope": 5, "key": "k"}),
        ("state::set", {"scope": "s", "key": "k"}),
        ("state::delete", {"key": "k"}),
        ("state::list", {}),
        ("state::update", {"scope": "s", "key": "k"}),
        ("state::update", {"scope": "s", "key": "k", "ops": {}}),
    ],
)
async def test_what_cannot_be_read_is_refused(
    kit: Services, function_id: str, asked: dict[str, Any]
) -> None:
    assert await kit.refused(function_id, **asked) == "deserialization_error"


async def test_a_value_has_a_largest_size(tmp_path: Path) -> None:
    async with services(tmp_path, state=StateSettings(max_value_bytes=10)) as kit:
        place = {"scope": "s", "key": "k"}
        await put(kit, "k", "12345678")
        assert await kit.refused("state::set", **place, value="123456789") == "VALUE_TOO_LARGE"
        append = {"type": "append", "path": "", "value": "9"}
        assert await kit.refused("state::update", **place, ops=[append]) == "VALUE_TOO_LARGE"
        assert await kit.call("state::get", **place) == "12345678"


@pytest.mark.slow
async def test_a_list_has_a_largest_size(kit: Services) -> None:
    for key in "abcde":
        await put(kit, key, "x" * (14 << 20))
    assert await kit.refused("state::list", scope="s") == "LIST_ERROR"
    assert len(await kit.call("state::get", scope="s", key="c")) == 14 << 20


async def test_changes_are_told_as_they_happened(kit: Services) -> None:
    everything, one_key = Recorder(), Recorder()
    kit.host.serve("everything", everything)
    kit.host.serve("one_key", one_key)
    await watch(kit, "everything")
    await watch(kit, "one_key", scope="s", key="k")
    await put(kit, "k", 1)
    await put(kit, "k", 1)
    await kit.call("state::update", scope="s", key="k", ops=[])
    await put(kit, "other", 2)
    await put(kit, "k", 3, "elsewhere")
    await kit.call("state::delete", scope="s", key="k")
    await kit.call("state::delete", scope="s", key="k")
    await eventually(lambda: len(everything.calls) == 7)

    def short(event: Any) -> tuple[Any, ...]:
        kind = event["event_type"].removeprefix("state:")
        return (kind, event["scope"], event["key"], event["old_value"], event["new_value"])

    told = [short(event) for event in everything.calls]
    assert told == [
        ("created", "s", "k", None, 1),
        ("updated", "s", "k", 1, 1),
        ("updated", "s", "k", 1, 1),
        ("created", "s", "other", None, 2),
        ("created", "elsewhere", "k", None, 3),
        ("deleted", "s", "k", 1, None),
        ("deleted", "s", "k", None, None),
    ]
    assert [short(event) for event in one_key.calls] == [
        event for event in told if event[1:3] == ("s", "k")
    ]


async def test_a_watcher_may_end_and_may_fail(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(1)
    kit.host.serve("work", work)
    trigger_id = await watch(kit, "work", scope="s")
    await watch(kit, "nobody", scope="s")
    await put(kit, "k", 1)
    await put(kit, "k", 2)
    await eventually(lambda: len(work.calls) == 2)
    await kit.call("engine::unregister_trigger", id=trigger_id)
    await put(kit, "k", 3)
    await kit.still()
    assert len(work.calls) == 2


async def test_a_condition_may_skip_events(kit: Services) -> None:
    work, broken = Recorder(), Recorder()
    broken.errors = failures(9)
    kit.host.serve("work", work)
    kit.host.serve("broken", broken)

    async def wanted(data: Any, caller: str | None) -> Any:
        return data["new_value"]

    kit.host.serve("wanted", wanted)
    await watch(kit, "work", condition_function_id="wanted")
    await watch(kit, "work", condition_function_id="broken")
    for value in (False, True, None, 0):
        await put(kit, "k", value)
    await eventually(lambda: len(work.calls) == 3)
    assert [event["new_value"] for event in work.calls] == [True, None, 0]


@pytest.mark.parametrize(
    "config", [[], "s", {"scope": 5}, {"key": 5}, {"condition_function_id": 5}]
)
async def test_a_watcher_that_is_none_is_refused(kit: Services, config: Any) -> None:
    code = await kit.refused(
        "engine::register_trigger", trigger_type="state", function_id="f", config=config
    )
    assert code == "trigger_registration_failed"


async def test_triggers_may_be_switched_off(tmp_path: Path) -> None:
    async with services(tmp_path, state=StateSettings(triggers_enabled=False)) as kit:
        work = Recorder()
        kit.host.serve("work", work)
        await watch(kit, "work")
        await put(kit, "k", 1)
        await kit.still()
        assert work.calls == []


async def test_a_slow_watcher_is_told_to_look_for_itself(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    await watch(kit, "work", scope="s")
    writes = MAX_RUNNING + MAX_WAITING + 50
    await asyncio.gather(*(put(kit, "k", number) for number in range(writes)))
    await eventually(lambda: work.running == MAX_RUNNING)
    work.gate.set()
    await eventually(lambda: len(work.calls) == MAX_RUNNING + 1)
    assert work.calls[-1] == {
        "type": "state",
        "event_type": "state:resync",
        "scope": "s",
        "key": None,
        "old_value": None,
        "new_value": None,
    }
    await put(kit, "k", "afterwards")
    await eventually(lambda: work.calls[-1]["new_value"] == "afterwards")
    assert work.most_running == MAX_RUNNING


async def test_what_waits_for_a_slow_watcher_is_bounded_in_bytes(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    await watch(kit, "work", scope="s")
    for number in range(MAX_RUNNING):
        await put(kit, "small", number)
    for _ in range(3):
        await put(kit, "large", "x" * (MAX_WAITING_BYTES // 2))
    await eventually(lambda: work.running == MAX_RUNNING)
    work.gate.set()
    await eventually(lambda: len(work.calls) == MAX_RUNNING + 1)
    assert work.calls[-1]["event_type"] == "state:resync"


async def test_one_large_event_is_delivered(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)
    await watch(kit, "work")
    await put(kit, "large", "x" * (MAX_WAITING_BYTES + 1))
    await eventually(lambda: len(work.calls) == 1)
    assert work.calls[0]["event_type"] == "state:created"


async def test_unknown_bindings_may_end(tmp_path: Path) -> None:
    async with services(tmp_path) as kit:
        kit.queue.unbind(Binding("x", "f", {}), disconnected=False)
