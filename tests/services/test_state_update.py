"""The rules of `state::update`, on values of any shape."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfx.services._host import FunctionError
from agentfx.services._input import Input
from agentfx.services.state._parse import operations
from agentfx.services.state._path import MAX_MERGE_DEPTH, MAX_MERGE_KEYS, MAX_SEGMENTS
from agentfx.services.state._update import (
    MAX_INTEGER,
    MISSING,
    Add,
    Append,
    Merge,
    Operation,
    Remove,
    SetField,
    update,
)

names = st.sampled_from(["a", "b", "c", "", "__proto__", "x" * 300])
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
fields = st.one_of(st.just(()), st.tuples(names))
paths = st.lists(names, max_size=4).map(tuple)
steps: st.SearchStrategy[Operation] = st.one_of(
    st.builds(SetField, fields, values),
    st.builds(Add, st.just("increment"), fields, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Remove, fields),
    st.builds(Merge, paths, values),
    st.builds(Append, paths, values),
)
before = values | st.just(MISSING)


@pytest.mark.slow
@given(before, st.lists(steps, max_size=4))
def test_the_old_value_stays_as_it_was(value: Any, wanted: list[Operation]) -> None:
    snapshot = copy.deepcopy(value) if value is not MISSING else value
    update(value, wanted)
    assert value is snapshot or value == snapshot


@pytest.mark.slow
@given(before, st.lists(steps, max_size=4))
def test_operations_count_one_by_one(value: Any, wanted: list[Operation]) -> None:
    whole = update(value, wanted)
    errors: list[tuple[int, str, str]] = []
    for index, operation in enumerate(wanted):
        single = update(value, [operation])
        errors += [(index, code, message) for _, code, message in single.errors]
        # A refused operation leaves a missing value missing.
        value = value if single.errors else single.value
    assert whole.value == ({} if value is MISSING else value)
    assert list(whole.errors) == errors


@given(before, steps)
def test_a_refused_operation_changes_nothing(value: Any, operation: Operation) -> None:
    updated = update(value, [operation])
    if updated.errors:
        assert updated.value == ({} if value is MISSING else value)
        assert updated.errors[0][0] == 0


@given(before, st.lists(st.integers(-1000, 1000), max_size=6))
def test_increments_add_up_in_any_order(value: Any, by: list[int]) -> None:
    def total(numbers: list[int]) -> Any:
        return update(value, [Add("increment", ("n",), number) for number in numbers]).value

    assert total(by) == total(by[::-1])


@pytest.mark.slow
@given(before, paths, st.dictionaries(st.sampled_from("abc"), values, max_size=3))
def test_merging_twice_is_merging_once(value: Any, path: tuple[str, ...], patch: Any) -> None:
    once = update(value, [Merge(path, patch)])
    assert update(once.value, [Merge(path, patch)]).value == once.value


@pytest.mark.slow
@given(st.lists(values, max_size=4), values)
def test_appending_makes_an_array_longer_by_one(value: list[Any], item: Any) -> None:
    assert update(value, [Append((), item)]).value == [*value, item]
    assert update({"l": value}, [Append(("l",), item)]).value == {"l": [*value, item]}


@given(st.dictionaries(st.sampled_from("abc"), values), values)
def test_setting_and_removing_a_field_leaves_the_others(value: dict[str, Any], new: Any) -> None:
    assert update(value, [SetField(("x",), new)]).value == {**value, "x": new}
    assert update(value, [SetField(("x",), new), Remove(("x",))]).value == value


def codes(value: Any, *wanted: Operation) -> list[str]:
    return [code for _, code, _ in update(value, wanted).errors]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (SetField(("x" * 257,), 1), "set.path.segment_too_long"),
        (SetField(("é" * 129,), 1), "set.path.segment_too_long"),
        (Remove(("constructor",)), "remove.path.proto_polluted"),
        (Add("decrement", ("prototype",), 1), "decrement.path.proto_polluted"),
        (Merge(("a",) * (MAX_SEGMENTS + 1), {}), "merge.path.too_deep"),
        (Append(("a",) * (MAX_SEGMENTS + 1), 1), "append.path.too_deep"),
        (Append(("a", ""), 1), "append.path.empty_segment"),
        (Merge((), {str(n): n for n in range(MAX_MERGE_KEYS + 1)}), "merge.value.too_many_keys"),
        (Merge((), {"constructor": 1}), "merge.value.proto_polluted"),
        (Merge((), [1]), "merge.value.not_an_object"),
        (Add("increment", ("big",), 1), "increment.not_number"),
        (Add("increment", ("yes",), 1), "increment.not_number"),
    ],
)
def test_limits(operation: Operation, code: str) -> None:
    assert codes({"big": MAX_INTEGER, "yes": True}, operation) == [code]


def test_limits_are_reachable() -> None:
    deepest: Any = 1
    for _ in range(MAX_MERGE_DEPTH - 1):
        deepest = [deepest]
    assert codes({}, Merge((), {"a": deepest})) == []
    assert codes({}, Merge((), {"a": [deepest]})) == ["merge.value.too_deep"]
    assert codes({}, Merge(("a",) * MAX_SEGMENTS, {"b": 1})) == []
    assert codes({}, SetField(("x" * 256,), 1)) == []
    assert codes({"n": MAX_INTEGER - 1}, Add("increment", ("n",), 1)) == []


@pytest.mark.parametrize("target", [5, "s", [1], None])
def test_what_is_no_object_has_no_fields(target: Any) -> None:
    assert codes(target, SetField(("a",), 1)) == ["set.target_not_object"]
    assert codes(target, Add("increment", ("a",), 1)) == ["increment.target_not_object"]
    assert codes(target, Remove(("a",))) == ["remove.target_not_object"]
    assert codes(target, Append(("a",), 1)) == ["append.target_not_object"]
    assert codes(target, Append(("a", "b"), 1)) == ["append.target_not_object"]
    assert update(target, [Merge((), {"a": 1})]).value == target
    assert update(target, [Merge(("a",), {"b": 1})]).value == {"a": {"b": 1}}


def test_null_can_be_appended_to() -> None:
    assert update(None, [Append((), "s")]).value == "s"
    assert update({"a": {"b": None}}, [Append(("a", "b"), "s")]).value == {"a": {"b": "s"}}
    assert update({}, [Append(("a", "b"), "s")]).value == {"a": {"b": ["s"]}}


def parsed(*ops: Any) -> list[Operation]:
    return operations(Input("state::update", {"ops": list(ops)}))


@pytest.mark.parametrize(
    ("op", "operation"),
    [
        ({"type": "set", "path": "a", "value": 1}, SetField(("a",), 1)),
        ({"type": "set", "path": ""}, SetField((), None)),
        ({"type": "increment", "path": "a", "by": 1}, Add("increment", ("a",), 1)),
        ({"type": "decrement", "path": "", "by": 1}, Add("decrement", (), -1)),
        ({"type": "remove", "path": "a"}, Remove(("a",))),
        ({"type": "merge", "value": {}}, Merge((), {})),
        ({"type": "merge", "path": None, "value": {}}, Merge((), {})),
        ({"type": "merge", "path": [], "value": {}}, Merge((), {})),
        ({"type": "merge", "path": "", "value": {}}, Merge((), {})),
        ({"type": "merge", "path": "a.b", "value": {}}, Merge(("a.b",), {})),
        ({"type": "append", "path": ["a", "b"], "value": None}, Append(("a", "b"), None)),
    ],
)
def test_operations_are_read(op: Any, operation: Operation) -> None:
    assert parsed(op) == [operation]


@pytest.mark.parametrize(
    "op",
    [
        5,
        {},
        {"type": "frobnicate"},
        {"type": "set", "value": 1},
        {"type": "set", "path": ["a"], "value": 1},
        {"type": "remove", "path": None},
        {"type": "increment", "path": "a"},
        {"type": "increment", "path": "a", "by": 1.5},
        {"type": "increment", "path": "a", "by": True},
        {"type": "increment", "path": "a", "by": 2**63},
        {"type": "merge", "path": 5, "value": {}},
        {"type": "merge", "path": ["a", 5], "value": {}},
        {"type": "append", "path": "a"},
    ],
)
def test_other_operations_spoil_the_update(op: Any) -> None:
    with pytest.raises(FunctionError, match="deserialization_error"):
        parsed({"type": "remove", "path": "a"}, op)
