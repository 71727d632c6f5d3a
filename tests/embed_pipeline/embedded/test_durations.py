"""Durations and keep_alive values."""

import math

import pytest

from embed_pipeline.embedded.durations import keep_alive_setting, parse_keep_alive
from embed_pipeline.errors import ConfigError


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("0", 0), ("1.5", 1.5), ("5m", 300), ("1h30m", 5400), ("-1", math.inf)],
)
def test_a_user_may_write_seconds_or_a_duration(text: str, seconds: float) -> None:
    assert keep_alive_setting(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "five", "1d", "5 m", "nan", "1e3", "٣"])
def test_what_a_user_writes_otherwise_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keep_alive_setting(text)
    assert str(caught.value) == (
        f"a model cannot be kept for {text!r}: give seconds, or a duration such as '5m' or "
        "'1h30m'; -1 keeps it for ever"
    )
