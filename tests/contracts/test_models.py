"""A generated model accepts exactly what its schema does, and changes no value."""

import json
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agentfx.contracts._accept import problems
from agentfx.contracts._read import read_schema
from agentfx.contracts._types import canonical
from tests.contracts.corpus import EXACT, FORMATS, UNTYPED
from tests.contracts.values import near

SHAPES = {name: read_schema(schema, name) for name, schema in EXACT.items()}
adapters: dict[str, TypeAdapter[Any]] = {}


def adapter(corpus: ModuleType, name: str) -> TypeAdapter[Any]:
    if name not in adapters:
        gives: Any = corpus.CONTRACTS[f"corpus::{name}"].gives
        adapters[name] = TypeAdapter(gives)
    return adapters[name]


def accepted(corpus: ModuleType, name: str, value: Any) -> bool:
    text = json.dumps(value)
    try:
        found = adapter(corpus, name).validate_json(text, by_alias=True, by_name=False)
    except ValidationError:
        return False
    again = json.loads(adapter(corpus, name).dump_json(found, by_alias=True))
    assert canonical(again) == canonical(value), "the value was changed"
    return True


def judged(schema: Any, value: Any) -> bool:
    draft7 = "draft-07" in json.dumps(schema)
    judge: Any = jsonschema.Draft7Validator if draft7 else jsonschema.Draft202012Validator
    return bool(judge(schema).is_valid(value))


@pytest.mark.parametrize("name", EXACT)
@given(data=st.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_model_the_check_and_the_judge_agree(
    name: str, corpus: ModuleType, data: st.DataObject
) -> None:
    schema = EXACT[name]
    value = data.draw(near(schema, schema))
    valid = judged(schema, value)
    assert accepted(corpus, name, value) == valid
    assert (not problems(SHAPES[name], value)) == valid


@pytest.mark.parametrize("name", EXACT)
def test_most_schemas_have_valid_and_invalid_values(name: str, corpus: ModuleType) -> None:
    """The property above would mean little if all values were refused."""
    seen: set[bool] = set()

    @given(near(EXACT[name], EXACT[name]))
    @settings(max_examples=80, deadline=None, database=None, derandomize=True)
    def look(value: Any) -> None:
        seen.add(judged(EXACT[name], value))

    look()
    assert True in seen
    assert False in seen or name in ("anything", "true")


DATES: dict[str, tuple[list[str], list[str]]] = {
    "date-time": (
        ["2026-11-23T09:00:00Z", "2026-11-23T09:00:00.123456+02:00", "2026-11-23t09:00:00z"],
        [
            "2026-11-23",
            "09:00:00Z",
            "2026-13-01T00:00:00Z",
            "1",
            "",
            "2026-11-23T09:00:00.1234567Z",
        ],
    ),
    "date": (["2026-11-23", "2024-02-29"], ["2026-02-29", "2026-11-23T00:00:00Z", "20261123"]),
    "time": (["09:00:00Z", "23:59:59.5+01:00"], ["24:00:00Z", "9:00", "now"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
    "uri": (["https://example.com/a?b#c", "not checked"], []),
}


@pytest.mark.parametrize("name", DATES)
def test_formats(name: str, corpus: ModuleType) -> None:
    shapes = read_schema(FORMATS[name], name)
    good, bad = DATES[name]
    for value in good:
        adapter(corpus, name).validate_json(json.dumps(value))
        assert problems(shapes, value) == []
    others: list[Any] = [*bad, 3, None]
    for value in others:
        with pytest.raises(ValidationError):
            adapter(corpus, name).validate_json(json.dumps(value))
        assert problems(shapes, value)


@pytest.mark.parametrize("name", UNTYPED)
def test_what_has_no_type_is_any_with_a_reason(
    name: str, corpus: ModuleType, corpus_source: str
) -> None:
    _, why = UNTYPED[name]
    assert f"# Any: {why}" in corpus_source or why in corpus_source


UNJUDGED = {"elsewhere", "no schema", "only itself", "itself or more", "allOf of itself"}


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_valid_is_accepted_where_there_is_no_type_too(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(UNTYPED.keys() - UNJUDGED)))
    schema = UNTYPED[name][0]
    value = data.draw(near(schema, schema))
    if judged(schema, value):
        assert problems(read_schema(schema, name), value) == []
