from typing import Any

import pytest

from agentfx.engine._functions import serve_function
from agentfx.wire import RegisterFunction
from tests.engine.routing import Routing

LIST, INFO = "engine::functions::list", "engine::functions::info"


@pytest.fixture
def routing() -> Routing:
    routing = Routing()
    worker = routing.connect("billing")
    routing.register(worker, "orders::price", description="Price one order", metadata={"t": 1})
    routing.register(worker, "orders::cancel", metadata={"internal": True})
    anonymous = routing.connect()
    routing.call(anonymous, "engine::workers::register", {})
    routing.register(anonymous, "misc::order")
    serve_function(routing.state, RegisterFunction("state::get"))
    serve_function(routing.state, RegisterFunction("engine::queue::enqueue"))
    return routing


def listed(routing: Routing, **asked: Any) -> list[str]:
    rows = routing.result(routing.connect(), LIST, asked)["functions"]
    return [row["function_id"] for row in rows]


def test_internal_functions_are_left_out(routing: Routing) -> None:
    assert listed(routing) == [
        "engine::queue::enqueue",
        "misc::order",
        "orders::price",
        "state::get",
    ]
    everything = listed(routing, include_internal=True)
    assert {"orders::cancel", "engine::functions::list"} <= set(everything)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"prefix": "orders::"}, ["orders::price"]),
        ({"worker": "billing"}, ["orders::price"]),
        ({"workers": ["iii-state", "iii-queue"]}, ["engine::queue::enqueue", "state::get"]),
        ({"workers": ["iii-state"], "worker": "billing"}, ["orders::price", "state::get"]),
        ({"worker": "misc"}, ["misc::order"]),
        ({"search": "order"}, ["orders::price", "misc::order"]),
        ({"search": "PRICE ONE"}, ["orders::price"]),
        ({"search": "misc::order"}, ["misc::order"]),
        ({"search": None, "prefix": None, "workers": None}, ["*"]),
        ({"search": "nothing like it"}, []),
    ],
)
def test_functions_are_found(routing: Routing, asked: dict[str, Any], found: list[str]) -> None:
    assert listed(routing, **asked) == (listed(routing) if found == ["*"] else found)


def test_rows_leave_out_what_is_not_known(routing: Routing) -> None:
    rows = routing.result(routing.connect(), LIST, {})["functions"]
    assert rows[1] == {
        "function_id": "misc::order",
        "namespace": "default",
        "worker_name": "misc",
    }
    assert rows[2] == {
        "function_id": "orders::price",
        "namespace": "default",
        "worker_name": "billing",
        "description": "Price one order",
        "metadata": {"t": 1},
    }


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "INVALID_ARGUMENTS"),
        ({"function_id": "a", "function_ids": ["b"]}, "INVALID_ARGUMENTS"),
        ({"function_ids": []}, "INVALID_ARGUMENTS"),
        ({"function_ids": [str(number) for number in range(33)]}, "INVALID_ARGUMENTS"),
        ({"function_id": "a"}, "NOT_FOUND"),
        ({"function_id": "orders::price", "namespace": "dev"}, "NOT_FOUND"),
        ({"function_id": 5}, "deserialization_error"),
        ({"function_ids": "a"}, "deserialization_error"),
        ({"function_ids": [1]}, "deserialization_error"),
        ("a", "deserialization_error"),
    ],
)
def test_questions_that_have_no_answer(routing: Routing, asked: Any, code: str) -> None:
    assert routing.result(routing.connect(), INFO, asked).code == code


def test_many_are_described_at_once(routing: Routing) -> None:
    asked = {"function_ids": ["orders::price", "x", "orders::price", *(["x"] * 40)]}
    found = routing.result(routing.connect(), INFO, asked)["functions"]
    assert [row["function_id"] for row in found] == ["orders::price", "x"]
    assert found[1] == {"function_id": "x", "error": "not_found"}


def test_a_function_is_sought_in_default_first_and_then_anywhere(routing: Routing) -> None:
    dev, test = routing.connect("d", "dev"), routing.connect("t", "test")
    routing.register(dev, "only::dev")
    routing.register(dev, "orders::price")
    for worker in (dev, test):
        routing.register(worker, "both::f")
    caller = routing.connect()

    def namespace(function_id: str) -> Any:
        return routing.result(caller, INFO, {"function_id": function_id})["namespace"]

    assert namespace("orders::price") == "default"
    assert namespace("only::dev") == "dev"
    error = routing.result(caller, INFO, {"function_id": "both::f"})
    assert error.code == "NOT_FOUND"
    assert "dev, test" in error.message
