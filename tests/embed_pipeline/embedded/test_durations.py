"""Durations and keep_alive values."""

import math

import pytest

from embed_pipeline.embedded.durations import parse_keep_alive


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        ("0", 0),
        ("0s", 0),
        (10, 10),
        (0.5, 0.5),
        ("30s", 30),
        ("24h", 86400),
        ("1h30m", 5400),
        ("1.5m", 90),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("+1s", 1),
        (-1, math.inf),
        (-0.5, math.inf),
        ("-1s", math.inf),
        ("-5m", math.inf),
        (1e20, 0),
        (10**40, 0),
    ],
)
def test_keep_alive_in_seconds(value: object, seconds: float) -> None:
    assert parse_keep_alive(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("s", 'time: invalid duration "s"'),
        ("1h30", 'time: missing unit in duration "1h30"'),
        ("1w", 'time: unknown unit "w" in duration "1w"'),
        ("1 s", 'time: unknown unit " s" in duration "1 s"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_what_is_no_duration_is_said_in_the_contracts_words(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        parse_keep_alive(value)
    assert str(caught.value) == message
