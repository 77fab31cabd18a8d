"""A task's contract: JSON for its values, both ways, or a typed refusal."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import agentfx as fx
from agentfx.algebra import LIMIT_BYTES, AnyTask


class Order(BaseModel):
    item: str
    count: int = 1
    price: float = 0.0


@dataclass
class Point:
    x: int
    y: int


@fx.task("test_contract::greet")
async def greet(
    ctx: fx.TaskContext,
    name: Annotated[str, Field(min_length=1)],
    times: Annotated[int, Field(ge=1, le=5)] = 1,
) -> list[str]:
    """Say hello."""
    return [name] * times


@fx.task("test_contract::anything")
def anything(schema: Any, copy: Any = None) -> Any:
    return schema


@fx.task("test_contract::typed")
def typed(
    order: Order, point: Point, at: datetime, blob: bytes, extra: dict[str, int]
) -> tuple[Order, Point, datetime, bytes, dict[str, int]]:
    return order, point, at, blob, extra


def _round_trip(task: AnyTask, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return task.contract.decode_input(task.contract.encode_input(args, kwargs))


def test_schemas_are_keyed_by_parameter() -> None:
    request = greet.contract.request_schema
    assert request["type"] == "object"
    assert set(request["properties"]) == {"name", "times"}
    assert request["required"] == ["name"]
    assert request["additionalProperties"] is False
    assert request["properties"]["times"]["maximum"] == 5
    assert greet.contract.response_schema == {"type": "array", "items": {"type": "string"}}


def test_arguments_come_back() -> None:
    assert _round_trip(greet, "ada", times=3) == {"name": "ada", "times": 3}
    assert _round_trip(greet, "ada") == {"name": "ada", "times": 1}
    values = (Order(item="a", price=0.5), Point(1, 2), datetime(2026, 1, 2), b"\x00\xff", {"a": 1})
    assert tuple(_round_trip(typed, *values).values()) == values


def test_parameters_may_have_any_name() -> None:
    assert _round_trip(anything, 1, copy=[2]) == {"schema": 1, "copy": [2]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet="abc", max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    assert _round_trip(anything, value) == {"schema": value, "copy": None}
    assert anything.contract.decode_output(anything.contract.encode_output(value)) == value


@pytest.mark.parametrize(
    ("args", "kwargs", "kind", "where"),
    [
        ((), {}, "missing", ("name",)),
        (("",), {}, "string_too_short", ("name",)),
        (("a", 9), {}, "less_than_equal", ("times",)),
        (("a", "many"), {}, "int_parsing", ("times",)),
        (("a",), {"tmes": 2}, "extra_forbidden", ("tmes",)),
        (("a", 1, 2), {}, "unexpected_positional_argument", (2,)),
        (("a",), {"name": "b"}, "multiple_argument_values", ("name",)),
    ],
)
def test_a_wrong_input_says_what_and_where(
    args: tuple[Any, ...], kwargs: dict[str, Any], kind: str, where: tuple[Any, ...]
) -> None:
    with pytest.raises(fx.ContractViolation) as caught:
        greet.contract.encode_input(args, kwargs)
    assert caught.value.where == "input"
    assert [error[:2] for error in caught.value.errors] == [(kind, where)]


def test_a_worker_checks_the_input_as_well() -> None:
    with pytest.raises(fx.ContractViolation):
        greet.contract.decode_input('{"name": "a", "times": 9}')
    with pytest.raises(fx.ContractViolation):
        greet.contract.decode_input("not json")


def test_a_wrong_output_is_a_violation_of_the_output() -> None:
    with pytest.raises(fx.ContractViolation) as caught:
        greet.contract.encode_output("ada")
    assert caught.value.where == "output"


class Circle:
    """Nothing that JSON knows."""


loop: list[Any] = []
loop.append(loop)


UNENCODABLE: dict[str, Any] = {
    "NaN": math.nan,
    "infinity": math.inf,
    "lone surrogate": "\ud800",
    "object": Circle(),
    "nested object": {"a": Circle()},
    "cycle": loop,
    "NaN in a model": Order(item="a", price=math.nan),
}


@pytest.mark.parametrize("value", UNENCODABLE.values(), ids=UNENCODABLE)
def test_what_has_no_json_form_is_refused_not_changed(value: Any) -> None:
    with pytest.raises(fx.TaskError) as caught:
        anything.contract.encode_input((value,), {})
    assert caught.value.reason == "unserializable"
    with pytest.raises(fx.TaskError):
        anything.contract.encode_output(value)


def test_a_value_that_is_too_large_says_how_large() -> None:
    with pytest.raises(fx.TaskError) as caught:
        anything.contract.encode_input(("x" * LIMIT_BYTES,), {})
    assert caught.value.reason == "too_large"
    assert "4,194,304" in caught.value.message
    anything.contract.encode_input(("x" * (LIMIT_BYTES - 100),), {})


def test_parameters_without_a_name_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="give each parameter a name"):

        @fx.task("test_contract::nameless")
        def nameless(*values: int) -> int:
            return sum(values)
