"""Values as JSON: rows and named tuples as objects; what has no JSON is refused, never its repr."""

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

_INTEGERS = range(-(2**63), 2**64)  # what orjson takes


def as_json(value: Any) -> str:
    """Return a value as JSON that loses nothing.

    Named tuples and rows (`beam.Row`) are objects by their fields' names, also within others.
    Numbers and arrays of numpy are Python's, NaN is null. Dates and times are ISO 8601; Decimals,
    durations and integers beyond 64 bits are strings.

    Raises:
        TypeError: It holds what has no JSON: bytes, a lone surrogate, an object.
    """
    try:
        return _dumped(value)
    except TypeError:  # why, or an integer beyond 64 bits
        return _dumped(_plain(value, _refused))


def readable_json(value: Any) -> str:
    """Return a value as JSON for people: as `as_json`, where that can be.

    Bytes are base64, lone surrogates are escaped, other objects are as they show themselves.
    """
    try:
        return as_json(value)
    except TypeError:
        return _dumped(_plain(value, _shown))


def _dumped(value: Any) -> str:
    return orjson.dumps(value, default=_known, option=orjson.OPT_NON_STR_KEYS).decode()


def _known(value: Any) -> Any:
    """Return what stands for a value that orjson does not know; field names tell its kind."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "_asdict"):  # a named tuple, and beam.Row
        return dict(value._asdict())
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal | timedelta):
        return str(value)
    for name in ("isoformat", "to_rfc3339"):  # a subclass of datetime; Beam's Timestamp
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _plain(value: Any, misfit: Callable[[Any], str]) -> Any:
    """Return a value of what orjson knows alone; what has no JSON is as `misfit` says."""
    if isinstance(value, Mapping):
        return {_name(name, misfit): _plain(one, misfit) for name, one in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return [_plain(one, misfit) for one in value]
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    with suppress(TypeError):
        orjson.dumps(value)
        return value
    try:
        known = _known(value)
    except TypeError:
        return misfit(value)
    return _plain(known, misfit)


def _name(name: Any, misfit: Callable[[Any], str]) -> Any:
    try:
        orjson.dumps({name: 0}, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return misfit(name)
    return name


def _refused(value: Any) -> str:
    if isinstance(value, str):
        raise TypeError("a string with a lone surrogate has no place in JSON")
    raise TypeError(f"a value of type {type(value).__name__} has no place in JSON")


def _shown(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return str(value).encode("utf-8", "backslashreplace").decode()
