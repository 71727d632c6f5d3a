"""What a store knows: the marks of all rows whose vectors may be used again, and where they stand.

Marks and places are sorted arrays, 72 bytes a row in memory; vectors are not looked at.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files, marks
from embed_pipeline.errors import DatasetError
from embed_pipeline.parts import PartFile


class Source(NamedTuple):
    """Name a file of rows that are known.

    Attributes:
        part: The file; `part.origins` is the one with its rows' marks.
        run: What its rows belong to: 0 for the current snapshot; for files of runs that were
            stopped 1 and more, each its own, since a bundle that was begun twice has left its rows
            twice; 2**31 for the run under way.
    """

    part: PartFile
    run: int


UNDER_WAY = 2**31


class Rows(NamedTuple):
    """Hold the rows of one document that belong together.

    Attributes:
        identity: The hash of the document's id.
        places: Their places, in their order.
        text, attributes: The hashes of the document's text and attributes.
        run: As in Source.
    """

    identity: bytes
    places: tuple[int, ...]
    text: tuple[int, int]
    attributes: int
    run: int


class Known:
    """Look up documents by id and by text.

    A place is a row's number among all rows of the sources, in their order.

    Args:
        sources: The files.
        split: Whether documents may be several rows. Then those at the edges of a file that a
            stopped run has left are not known, as some of their rows may stand elsewhere.
    """

    def __init__(self, sources: Sequence[Source], *, split: bool = False) -> None:
        self.sources = sources
        found = [read_marks(source.part) for source in sources]
        self._offsets = offsets(sources)
        rows = np.concatenate([np.empty((0, 5), np.uint64), *found])
        places = np.arange(len(rows), dtype=np.int64)
        if split:
            whole = np.concatenate(
                [np.empty(0, bool)]
                + [
                    np.ones(len(one), bool) if source.run in (0, UNDER_WAY) else _inside(one)
                    for one, source in zip(found, sources, strict=True)
                ]
            )
            rows, places = rows[whole], places[whole]
        order = np.argsort(rows[:, 0], kind="stable")
        self._rows = rows[order]
        self._places = places[order]
        self._by_id = np.ascontiguousarray(self._rows[:, 0])
        self._text_order = np.argsort(self._rows[:, 2], kind="stable")
        self._by_text = self._rows[self._text_order, 2]

    def __len__(self) -> int:
        """Return how many rows are known."""
        return len(self._rows)

    def unchanged(self, asked: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the place of the one row that has each mark, or -1.

        Args:
            asked: Marks, shape (n, 5).
        """
        first = np.searchsorted(self._by_id, asked[:, 0], "left")
        behind = np.searchsorted(self._by_id, asked[:, 0], "right")
        if not len(self._rows):
            return np.full(len(asked), -1, np.int64)
        at = np.minimum(first, len(self._rows) - 1)
        same = (behind - first == 1) & (self._rows[at] == asked).all(axis=1)
        return np.where(same, self._places[at], -1)

    def of_id(self, mark: Sequence[int]) -> list[Rows]:
        """Return what is known of a document's id, by run: the current snapshot's first."""
        low, high = (
            np.searchsorted(self._by_id, np.uint64(mark[0]), "left"),
            np.searchsorted(self._by_id, np.uint64(mark[0]), "right"),
        )
        found = [place for place in range(int(low), int(high)) if self._rows[place, 1] == mark[1]]
        return self._grouped(found)

    def of_text(self, mark: Sequence[int]) -> Iterator[Rows]:
        """Yield what is known of a document's text; there may be very much of it."""
        low, high = (
            np.searchsorted(self._by_text, np.uint64(mark[2]), "left"),
            np.searchsorted(self._by_text, np.uint64(mark[2]), "right"),
        )
        for place in self._text_order[int(low) : int(high)]:
            row = self._rows[place].tolist()
            if row[3] == mark[3]:
                yield from (one for one in self.of_id(row) if one.text == (row[2], row[3]))

    def _grouped(self, found: Sequence[int]) -> list[Rows]:
        """Bring the rows of a document that belong together into one."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for at in found:
            place = int(self._places[at])
            source, _ = self._offsets.where(place)
            key = (self.sources[source].run, *self._rows[at].tolist())
            groups.setdefault(key, []).append(place)
        return [
            Rows(
                np.array(key[1:3], "<u8").tobytes(),
                tuple(sorted(places)),
                (key[3], key[4]),
                key[5],
                key[0],
            )
            for key, places in sorted(groups.items(), key=lambda one: one[0][0])
        ]

    def where(self, place: int) -> tuple[int, int]:
        """Return the number of the source a row stands in, and the row's number there."""
        return self._offsets.where(place)


class Offsets(NamedTuple):
    """Hold where the rows of each source begin among all rows; int64, one more than sources."""

    starts: NDArray[np.int64]

    def where(self, place: int) -> tuple[int, int]:
        """Return the number of the source a row stands in, and the row's number there."""
        index = int(np.searchsorted(self.starts, place, "right")) - 1
        return index, place - int(self.starts[index])

    def numbers(self, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return, for each source, the numbers of those of its rows that stand at these places."""
        ordered = np.sort(places)
        bounds = np.searchsorted(ordered, self.starts)
        return [
            ordered[low:high] - start
            for low, high, start in zip(bounds[:-1], bounds[1:], self.starts[:-1], strict=True)
        ]


def offsets(sources: Sequence[Source]) -> Offsets:
    """Return where the rows of each source begin."""
    sizes = [source.part.rows for source in sources]
    return Offsets(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)]))


def read_marks(part: PartFile) -> NDArray[np.uint64]:
    """Return the marks of a file's rows, shape (rows, 5).

    Raises:
        DatasetError: They are not as many as the rows.
    """
    with files.open_input(part.origins) as stream:
        found = marks.from_column(pq.read_table(stream, columns=["mark"])["mark"])
    if len(found) != part.rows:
        raise DatasetError(
            f"{part.origins} has the marks of {len(found):,} rows, but {part.path} has "
            f"{part.rows:,}; put both back from a copy"
        )
    return found


def _inside(rows: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which rows are neither of the first nor of the last document of a file."""
    if not len(rows):
        return np.empty(0, bool)
    inside: NDArray[np.bool_] = (rows[:, :2] != rows[0, :2]).any(axis=1)
    inside &= (rows[:, :2] != rows[-1, :2]).any(axis=1)
    return inside
