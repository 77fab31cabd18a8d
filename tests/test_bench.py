"""What the figures of `bench` say of an aim."""

import pytest

from bench.figures import Figure, Floor, percentile


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (Figure("time", 3.0, "ms", aim=3.0), True),
        (Figure("time", 3.1, "ms", aim=3.0), False),
        (Figure("rate", 3.1, "jobs/s", aim=3.0, more_is_better=True), True),
        (Figure("rate", 2.9, "jobs/s", aim=3.0, more_is_better=True), False),
        (Figure("ratio", 30.0, "ms", Floor("least", 20.0), 1.5, "ratio"), True),
        (Figure("ratio", 31.0, "ms", Floor("least", 20.0), 1.5, "ratio"), False),
        (Figure("no floor", 1.0, "ms", aim=1.5, aim_of="ratio"), None),
        (Figure("no aim", 1.0, "ms"), None),
    ],
)
def test_whether_an_aim_is_reached(figure: Figure, reached: bool | None) -> None:
    assert figure.reached is reached


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 99)) == (51, 100, 7)
