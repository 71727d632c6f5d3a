"""Durations as Go writes them ("1h30m", "-5m", "1.5s"), and the contract's `keep_alive`."""

import json
import math
import re

from embed_pipeline.errors import ConfigError

UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
LONGEST = (2**63 - 1) / 1e9  # seconds, some 292 years: what int64 nanoseconds can hold
NUMBER = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
PLAIN = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)  # a number of seconds
UNIT = re.compile(r"[^\d.]*", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds a duration stands for.

    Raises:
        ValueError: It is no duration; the messages are those of Go's time.ParseDuration, which
            clients of the contract know.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise ValueError(f"time: invalid duration {quoted}")
    seconds = 0.0
    while rest:
        number = NUMBER.match(rest)
        if not number:
            raise ValueError(f"time: invalid duration {quoted}")
        unit = UNIT.match(rest, number.end())
        if not unit or not unit[0]:
            raise ValueError(f"time: missing unit in duration {quoted}")
        if unit[0] not in UNITS:
            shown = json.dumps(unit[0], ensure_ascii=False)
            raise ValueError(f"time: unknown unit {shown} in duration {quoted}")
        seconds += float(number[0]) * UNITS[unit[0]]
        rest = rest[unit.end() :]
    if seconds > LONGEST:
        raise ValueError(f"time: invalid duration {quoted}")
    return -seconds if text[0] == "-" else seconds


def parse_keep_alive(value: object) -> float:
    """Return for how many seconds an idle model stays loaded: 0, a positive number, or infinity.

    A number is seconds, a string a duration; negative means forever, and a number that does not fit
    into int64 nanoseconds means 0 (contract, section 8).

    Raises:
        TypeError: It is neither; the message is the contract's.
        ValueError: It is not a duration; the message is the contract's.
    """
    if isinstance(value, str):
        seconds = parse_duration(value)
    elif isinstance(value, bool):
        raise TypeError("Unsupported type: 'bool'")
    elif isinstance(value, int | float):
        seconds = 0.0 if value > LONGEST else float(max(value, -1))
    elif isinstance(value, list):
        raise TypeError("Unsupported type: '[]interface {}'")
    else:
        raise TypeError("Unsupported type: 'map[string]interface {}'")
    return math.inf if seconds < 0 else seconds


def keep_alive_setting(text: str) -> float:
    """Return for how many seconds an idle model stays loaded, as a user writes it.

    A number alone is seconds; else as `parse_keep_alive`.

    Raises:
        ConfigError: It is neither a number nor a duration.
    """
    try:
        return parse_keep_alive(f"{text}s" if PLAIN.fullmatch(text) else text)
    except ValueError:
        raise ConfigError(
            f"a model cannot be kept for {text!r}: give seconds, or a duration such as '5m' or "
            "'1h30m'; -1 keeps it for ever"
        ) from None
