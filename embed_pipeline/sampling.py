"""A sample of a corpus, spread over all of it, and how many documents there are."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from statistics import fmean, stdev
from typing import NamedTuple, TypeVar

from embed_pipeline.corpus import Corpus
from embed_pipeline.documents import refusal
from embed_pipeline.files import FileInfo
from embed_pipeline.reading import read, read_part
from embed_pipeline.records import Document, Failed
from embed_pipeline.scan import Scan
from embed_pipeline.shards import Part, Shard, split

T = TypeVar("T")

SIZE = 2_000
READ_BYTES = 32 << 20  # of a corpus that are read; a smaller one is read, and counted, as a whole
HELD_CHARS = 32 << 20  # of sampled texts in memory
PLACES = 64  # of a larger corpus at which it is read
UNKNOWN = 0.5  # share by which a number may be off that one place alone has told


class Range(NamedTuple):
    """Hold an estimate, and between which bounds the truth should lie."""

    value: float
    low: float
    high: float

    @classmethod
    def about(cls, value: float, error: float) -> "Range":
        """Return a value that may be off by a share of itself."""
        return cls(value, value * max(0.0, 1 - error), value * (1 + error))


class Sample(NamedTuple):
    """Hold a sample of a corpus.

    Attributes:
        documents: The documents, in the order of the corpus; all of them can be sent.
        rows: Rows that were read to take them.
        refused: How many of those are no documents, or ones that would not be sent.
        total: Rows the whole corpus has; where they are known, the bounds are the value.
    """

    documents: Sequence[Document]
    rows: int
    refused: int
    total: Range

    @property
    def sendable(self) -> float:
        """Return the share of rows that are documents which would be sent."""
        return 1 - self.refused / self.rows if self.rows else 0.0


class _Place(NamedTuple):
    """Hold what was read at one place: its bytes (0 where unknown), rows and characters."""

    size: int
    rows: int
    chars: int


def draw(corpus: Corpus, found: Sequence[FileInfo], scan: Scan, size: int = SIZE) -> Sample:
    """Draw a sample of a corpus; the same one each time.

    A corpus of at most READ_BYTES is read as a whole and every n-th document is taken. Of a larger
    one READ_BYTES are read, at PLACES of even distance, and every n-th document of those: of JSON
    Lines a range of lines, of many small files every n-th file; of a file that cannot be cut
    (compressed, CSV) only its beginning. With `corpus.limit`, only that many rows are looked at.

    Args:
        corpus: The settings, with types as the run will have them.
        found: The files, as `find_files` returns them.
        scan: What `infer` returned, for the number of documents.
        size: Documents, at most; half as many at least, where there are so many and where
            HELD_CHARS hold them.

    Raises:
        ConfigError: A file is not what its format promises, as a whole.
        DatasetError: A file cannot be read.
    """
    taken = _Thinned(size)
    sizes = {file.path: file.size for file in found}
    shards = split(corpus, found)
    places: list[_Place] = []
    if sum(sizes.values()) <= READ_BYTES or corpus.limit is not None:
        results = chain.from_iterable(read(corpus, shard) for shard in shards)
        ended = taken.read(results, math.inf if corpus.limit is None else READ_BYTES)
    else:
        ended = False
        places += (_read_place(corpus, shard, sizes, taken) for shard in evenly(shards, PLACES))
    if ended:
        total = Range.about(taken.rows, 0)
    elif scan.exact:
        total = Range.about(scan.documents, 0)
    else:
        total = _total(places, sum(sizes.values()), scan.documents)
    return Sample(taken.documents(), taken.rows, taken.refused, total)


class _Thinned:
    """Take every n-th of documents whose number is not known before: n doubles as they come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._step = 1
        self._held: list[Document] = []
        self._held_chars = 0
        self._met = 0
        self.rows = 0
        self.refused = 0
        self.chars = 0

    def read(self, results: Iterable[Document | Failed], chars: float) -> bool:
        """Take of these until their texts have so many characters; tell whether that was all."""
        end = self.chars + chars
        for result in results:
            if self.chars > end:
                return False
            self.rows += 1
            if isinstance(result, Failed) or refusal(result):
                self.refused += 1
            else:
                self.chars += len(result.text)
                self._meet(result)
        return True

    def _meet(self, document: Document) -> None:
        if self._met % self._step == 0:
            self._held.append(document)
            self._held_chars += len(document.text)
        self._met += 1
        crowded = self._held_chars > HELD_CHARS and len(self._held) > 1
        if len(self._held) > 2 * self._size or crowded:
            self._held = self._held[::2]
            self._held_chars = sum(len(one.text) for one in self._held)
            self._step *= 2

    def documents(self) -> list[Document]:
        """Return what was taken, evenly thinned to the size."""
        return evenly(self._held, self._size)


def evenly(found: Sequence[T], count: int) -> list[T]:
    """Return so many at even distances, or all of them; the first one always."""
    count = min(count, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def _read_place(corpus: Corpus, shard: Shard, sizes: Mapping[str, int], taken: _Thinned) -> _Place:
    """Read a part of a shard; of a range of lines the bytes are known."""
    parts, size = _cut(shard, sizes, READ_BYTES // PLACES)
    rows, chars = taken.rows, taken.chars
    taken.read(_read_parts(corpus, parts), READ_BYTES // PLACES)
    return _Place(size, taken.rows - rows, taken.chars - chars)


def _read_parts(corpus: Corpus, parts: Iterable[Part]) -> Iterator[Document | Failed]:
    for part in parts:
        yield from read_part(corpus, part)


def _cut(shard: Shard, sizes: Mapping[str, int], room: int) -> tuple[list[Part], int]:
    """Choose of a shard parts of about so many bytes; return them and, if known, their bytes."""
    (first, *others), total = shard.parts, sum(sizes[part.path] for part in shard.parts)
    if others:
        count = max(1, len(shard.parts) * room // max(total, 1))
        return evenly(shard.parts, count), 0
    if first.format != "jsonl" or first.compression:
        return [first], 0
    last = total if first.last is None else first.last
    room = min(room, last - first.first)
    begin = first.first + (last - first.first - room) // 2
    return [replace(first, first=begin, last=begin + room)], room


def _total(places: Sequence[_Place], size: int, scanned: int) -> Range:
    """Estimate the rows of a corpus, with twice the standard error as its bounds.

    By the bytes that a row takes at the places, where these are known, else as it was scanned; then
    the texts' length tells how much the places differ.
    """
    places = [place for place in places if place.size or place.rows]
    if places and all(place.size for place in places):
        value = size * sum(place.rows for place in places) / sum(place.size for place in places)
        error = relative_error([place.rows / place.size for place in places])
    else:
        value = float(scanned)
        error = relative_error([place.chars / place.rows for place in places if place.rows])
    return Range.about(value, UNKNOWN if error is None else error)


def relative_error(values: Sequence[float]) -> float | None:
    """Return twice the standard error of a mean as a share of it; None for less than two values."""
    if len(values) < 2:
        return None
    mean = fmean(values)
    return 2 * stdev(values) / len(values) ** 0.5 / mean if mean else 0.0
