"""Histograms of whole numbers, in bins that are the same everywhere, so that they can be merged.

Up to 16 a bin is one number; above, each doubling has 8 bins, so none is wider than an eighth of
its numbers. That is at most 240 bins up to 2 ** 32.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

SINGLE = 16  # numbers below it have a bin each
BUFFERED = 4_096  # numbers that wait to be put into bins together


@dataclass
class Histogram:
    """Count numbers by bin.

    Attributes:
        bins: How many numbers are in each bin that has some.
        total: Their sum.
        most: The highest; 0 where there is none.
    """

    bins: Counter[int] = field(default_factory=Counter)
    total: int = 0
    most: int = 0
    _waiting: list[int] = field(default_factory=list)

    def add(self, numbers: Iterable[int]) -> None:
        """Take numbers, 0 or more each."""
        self._waiting += numbers
        if len(self._waiting) >= BUFFERED:
            self.settle()

    def settle(self) -> Self:
        """Put what waits into its bins."""
        if self._waiting:
            numbers = np.array(self._waiting, np.int64)
            self._waiting = []
            bins, counts = np.unique(bins_of(numbers), return_counts=True)
            self.bins.update(dict(zip(bins.tolist(), counts.tolist(), strict=True)))
            self.total += int(numbers.sum())
            self.most = max(self.most, int(numbers.max()))
        return self

    def merge(self, other: "Histogram") -> None:
        """Take what another one has counted."""
        self.settle()
        other.settle()
        self.bins.update(other.bins)
        self.total += other.total
        self.most = max(self.most, other.most)

    @property
    def count(self) -> int:
        """Return how many numbers were counted."""
        return self.settle().bins.total()

    def edges_and_counts(self) -> tuple[list[int], list[int]]:
        """Return the bins from the lowest to the highest that has some, and one edge more."""
        if not self.settle().bins:
            return [0], []
        span = range(min(self.bins), max(self.bins) + 1)
        return [edge(one) for one in (*span, span.stop)], [self.bins[one] for one in span]


def bins_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bin of each number."""
    exponents = np.frexp(numbers)[1].astype(np.int64) - 1  # exact below 2 ** 53
    wide = SINGLE + 8 * (exponents - 4) + (numbers >> np.maximum(exponents - 3, 0)) - 8
    return np.where(numbers < SINGLE, numbers, wide)


def edge(one: int) -> int:
    """Return the lowest number of a bin."""
    if one < SINGLE:
        return one
    exponent, eighth = divmod(one - SINGLE, 8)
    return (8 + eighth) << (exponent + 1)
