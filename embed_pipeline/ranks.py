"""The rows with the lowest ranks: a uniform sample that is the same in every run, however split."""

import threading
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

EVERY = 1 << 32  # a bound above every rank
NONE = -1  # one below every rank


class Ranked(Protocol):
    """Be a row with a rank."""

    @property
    def rank(self) -> int:
        """Return the rank of the row's id."""


R = TypeVar("R", bound=Ranked)


def rank_of(identity: str) -> int:
    """Return the rank of an id: its CRC-32, evenly spread; cheap, as it is taken of every row."""
    return zlib.crc32(identity.encode())


class Bound:
    """Hold the highest rank that may still be among the `count` lowest of all rows.

    A process has one for all its bundles, so that later ones pass on less: about
    count * log(rows / count) rows in all instead of `count` a bundle. It only falls, and never
    below the bound of all rows, as it is the highest of `count` different ranks of rows: a bundle
    that is run again, or ids that stand twice, lower it once.

    Args:
        count: Rows that are drawn in the end; 0 draws none.

    Attributes:
        value: The bound; rows above it are not wanted.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._ranks = np.empty(0, np.uint32)  # the lowest that were passed on
        self.value = EVERY if count else NONE

    def lower(self, ranks: Iterable[int]) -> int:
        """Take note of rows that are passed on; return the bound."""
        with self._lock:
            found = np.fromiter(ranks, np.uint32)
            if self._count and len(found):
                self._ranks = np.union1d(self._ranks, found)[: self._count]
                if len(self._ranks) == self._count:
                    self.value = int(self._ranks[-1])
            return self.value


class Lowest(Generic[R]):
    """Draw the rows with the lowest ranks of a bundle; holds at most twice `count` of them.

    Args:
        count: Rows to draw; 0 draws none.
        key: Puts rows in an order; it begins with the rank.
        bound: Of the process; None: the bundle's own.

    Attributes:
        limit: The rank above which a row is not wanted; to be looked at before `add`.
    """

    def __init__(self, count: int, key: Callable[[R], Any], bound: Bound | None = None) -> None:
        self._count = count
        self._key = key
        self._bound = bound or Bound(count)
        self._rows: list[R] = []
        self.limit = self._bound.value

    def add(self, row: R) -> None:
        """Take a row."""
        if row.rank > self.limit:
            return
        self._rows.append(row)
        if len(self._rows) >= 2 * self._count:
            self._rows = lowest(self._rows, self._count, self._key)
            self.limit = self._rows[-1].rank

    def drawn(self) -> list[R]:
        """Return the rows that may be among the lowest of all, and lower the process's bound."""
        rows = lowest(self._rows, self._count, self._key)
        limit = self._bound.lower(row.rank for row in rows if row.rank <= self._bound.value)
        return [row for row in rows if row.rank <= limit]


def lowest(rows: Iterable[R], count: int, key: Callable[[R], Any]) -> list[R]:
    """Return the `count` lowest rows, in their order."""
    return sorted(rows, key=key)[:count]  # half of them or more: faster than with a heap
