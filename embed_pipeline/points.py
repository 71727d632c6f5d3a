"""The sample of rows that the report's map is drawn from."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.records import Document

MOST = 2_000  # points of the map
DRAWN = MOST + 1  # the highest is left out, as one of its rank may not be among them
LONGEST_VALUE = 64  # characters of an attribute's value
HASHED = 8  # characters of its hash that end a longer one
LONGEST_TEXT = 80  # characters of a text
CUT = "…"  # ends a value that was cut

Value = bool | int | float | str


class Point(NamedTuple):
    """Hold a row of the sample.

    Attributes:
        rank: The rank of the row's id.
        vector: Little-endian float16: two bytes a value.
        text: The head of its text.
        attributes: Those of the simple types, strings cut; nulls are left out.
    """

    rank: int
    vector: bytes
    text: str
    attributes: Mapping[str, Value]


def point(rank: int, document: Document, vector: NDArray[np.float32]) -> Point:
    """Return a row as the sample holds it."""
    attributes = {
        name: value
        for name, found in document.attributes.items()
        if (value := _short(found)) is not None
    }
    return Point(rank, vector.astype("<f2").tobytes(), head(document.text), attributes)


def order(one: Point) -> tuple[int, bytes, str]:
    """Return what points are ordered by."""
    return one[:3]


def single(drawn: list[Point]) -> list[Point]:
    """Return the points whose ids stand once among all rows, as the commit may drop the others.

    Equal ids have equal ranks; of all ranks but the highest, every row is there.

    Args:
        drawn: The DRAWN lowest of all rows, in order.
    """
    count = Counter(one.rank for one in drawn)
    last = drawn[-1].rank if len(drawn) == DRAWN else None
    return [one for one in drawn if count[one.rank] == 1 and one.rank != last]


def head(text: str) -> str:
    """Return the head of a text, on one line."""
    return cut(" ".join(text[: 2 * LONGEST_TEXT].split()), LONGEST_TEXT)


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + CUT


def _short(value: Any) -> Value | None:
    """Return a value of a simple type, cut; None for any other, null and NaN."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _distinct(value)
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, bool | int) else None


def _distinct(value: str) -> str:
    """Return a value as it is, or cut, with its hash, so that no two become one."""
    if len(value) <= LONGEST_VALUE:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return cut(value, LONGEST_VALUE - HASHED) + digest[:HASHED]


def is_cut(value: str) -> bool:
    """Tell whether a value of a point was cut."""
    return len(value) == LONGEST_VALUE and value[-HASHED - 1] == CUT


def vectors(points: list[Point], dimension: int) -> tuple[list[Point], NDArray[np.float32]]:
    """Return the points whose vectors are of a dimension, and those, shape (points, dimension)."""
    fitting = [one for one in points if len(one.vector) == 2 * dimension]
    flat = np.frombuffer(b"".join(one.vector for one in fitting), "<f2")
    return fitting, flat.astype(np.float32).reshape(len(fitting), dimension)
