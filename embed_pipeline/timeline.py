"""What was done when: a few hundred buckets at most, however long it takes.

Each width is a multiple of the one before, and buckets begin at multiples of their width. So
buckets of different widths can be brought together exactly, in any order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

MOST = 300  # buckets
WIDTHS = (1, 2, 10, 30)  # seconds; then 60, 120, 240 and so on
NAMES = ("texts", "tokens", "failed", "requests", "faults")


@dataclass
class Timeline:
    """Add up amounts by the second they are of.

    Attributes:
        width: Seconds of a bucket.
        buckets: For each bucket with something in it, by its first second since the epoch, the
            amounts in the order of NAMES.
    """

    width: int = WIDTHS[0]
    buckets: dict[int, list[int]] = field(default_factory=dict)

    def add(self, second: int, amounts: Iterable[int]) -> None:
        """Add amounts, in the order of NAMES."""
        start = second - second % self.width
        found = self.buckets.get(start)
        if found is None:
            self.buckets[start] = list(amounts)
            self._fit(self.width)
            return
        for place, amount in enumerate(amounts):
            found[place] += amount

    def merge(self, other: "Timeline") -> None:
        """Take what another one has added up."""
        for start, amounts in other.buckets.items():
            at = start - start % self.width
            found = self.buckets.setdefault(at, [0] * len(NAMES))
            found[:] = map(sum, zip(found, amounts, strict=True))
        self._fit(max(self.width, other.width))

    def rows(self) -> list[list[int]]:
        """Return the amounts of each bucket from the first to the last, none left out."""
        if not self.buckets:
            return []
        span = range(min(self.buckets), max(self.buckets) + 1, self.width)
        return [self.buckets.get(start, [0] * len(NAMES)) for start in span]

    def _fit(self, least: int) -> None:
        """Make buckets as wide as it takes, and at least so wide."""
        first, last = min(self.buckets, default=0), max(self.buckets, default=0)
        width = next(one for one in _widths() if one >= least and last // one - first // one < MOST)
        if width == self.width:
            return
        buckets: dict[int, list[int]] = {}
        for start, amounts in self.buckets.items():
            found = buckets.setdefault(start - start % width, [0] * len(NAMES))
            found[:] = map(sum, zip(found, amounts, strict=True))
        self.width, self.buckets = width, buckets


def _widths() -> Iterator[int]:
    yield from WIDTHS
    for doubled in count():
        yield 60 << doubled
