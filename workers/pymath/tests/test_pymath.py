"""What the worker computes, without an engine."""

import math
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
import pymath


def test_sums_keep_integers() -> None:
    assert pymath.add(pymath.AddInput(a=2**60, b=1)).sum == 2**60 + 1


def test_a_quotient() -> None:
    assert pymath.divide(pymath.DivideInput(a=1, b=4)).quotient == 0.25


def test_division_by_zero_is_declared() -> None:
    with pytest.raises(pymath.DeclaredError) as raised:
        pymath.divide(pymath.DivideInput(a=3, b=0))
    assert raised.value.model == pymath.DivisionByZero(dividend=3)


def test_measures_and_rounding() -> None:
    given = pymath.StatsInput.model_validate(
        {
            "series": [{"label": "a", "values": [1, 2, 2]}],
            "measures": ["mean", "median", "stdev", "range"],
            "rounding": {"kind": "digits", "digits": 2},
        }
    )
    [measured] = pymath.stats(given).results
    assert measured.measures == {"mean": 1.67, "median": 2, "stdev": 0.47, "range": 1}


def test_an_empty_series_is_declared() -> None:
    given = pymath.StatsInput(series=[pymath.Series(label="none", values=[])])
    with pytest.raises(pymath.DeclaredError) as raised:
        pymath.stats(given)
    assert raised.value.model == pymath.EmptySeries(label="none")


@pytest.mark.parametrize("wrong", [True, "1", None, [1]])
def test_only_numbers_are_numbers(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        pymath.AddInput(a=wrong, b=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, -(2**63) - 1, [{"x": 2**70}]])
def test_what_json_would_change_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON number|64 bits"):
        pymath.refuse_inexact(value)


def test_what_json_keeps_is_kept() -> None:
    pymath.refuse_inexact({"a": [2**64 - 1, -(2**63), 0.5, "x", None, True]})


def test_every_function_has_its_schemas() -> None:
    for function in pymath.FUNCTIONS:
        for model in (function.takes, function.gives, *function.errors):
            assert model.model_json_schema()["type"] == "object"
