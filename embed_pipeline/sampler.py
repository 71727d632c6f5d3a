"""The rows of a bundle that are drawn: some are sent again alone, more are points of the map."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import points, recount
from embed_pipeline.points import Point, point
from embed_pipeline.ranks import Bound, Lowest, rank_of
from embed_pipeline.records import Document, TokenCountSource
from embed_pipeline.recount import Sampled


class Bounds:
    """Hold the bounds of both samples, as a process knows them.

    Args:
        recounted: Rows to send again alone; 0 for none.
        mapped: Points of the map; 0 for none.
    """

    def __init__(self, recounted: int, mapped: int = points.DRAWN) -> None:
        self.recounted = Bound(recounted)
        self.mapped = Bound(mapped)
        self.counts = (recounted, mapped)


class Drawn(NamedTuple):
    """Hold what a bundle has drawn."""

    recounted: list[Sampled]
    mapped: list[Point]


class Sampler:
    """Draw both samples of a bundle's rows as they come by; each row is ranked once.

    Args:
        bounds: The process's.

    Attributes:
        limit: The rank above which a row is in neither.
    """

    def __init__(self, bounds: Bounds) -> None:
        recounted, mapped = bounds.counts
        self._recounted: Lowest[Sampled] = Lowest(recounted, recount.order, bounds.recounted)
        self._mapped: Lowest[Point] = Lowest(mapped, points.order, bounds.mapped)
        self._limit()

    def _limit(self) -> None:
        self.limit = max(self._recounted.limit, self._mapped.limit)

    def add(
        self,
        document: Document,
        sent: str,
        tokens: int,
        source: TokenCountSource,
        vector: NDArray[np.float32],
    ) -> None:
        """Take a row.

        Args:
            document: Whose row it is.
            sent: Its text as it was sent.
            tokens: Its token count.
            source: Where that is from.
            vector: Its vector.
        """
        rank = rank_of(document.id)
        if rank > self.limit:
            return
        if rank <= self._recounted.limit:
            self._recounted.add(Sampled(rank, sent, tokens, source, vector.copy()))
        if rank <= self._mapped.limit:
            self._mapped.add(point(rank, document, vector))
        self._limit()

    def drawn(self) -> Drawn:
        """Return the rows that were drawn."""
        return Drawn(self._recounted.drawn(), self._mapped.drawn())
