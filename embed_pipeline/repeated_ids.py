"""Ids that stand more than once among the rows of a dataset, found with 16 bytes a row in memory.

An id is held as 8 bytes of hash, and sorting takes 8 more. Equal ids have equal hashes; whether ids
of equal hashes are equal is read from the files, so the hash decides on the speed alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files

NAMED = 1_000  # repeated ids that are read again, at most: a damaged dataset may repeat them all
SHOWN = 3  # of them in a message
SHOWN_CHARS = 60  # of each


class SeenIds:
    """Remember the ids of a dataset's files.

    Args:
        dataset: The dataset's folder.
        column: What the id column is called.
    """

    def __init__(self, dataset: str, column: str) -> None:
        self._dataset = dataset
        self._column = column
        self._hashes: dict[str, list[NDArray[np.uint64]]] = {}

    def add(self, path: str, ids: pa.StringArray) -> None:
        """Take ids of a file, by its path below the dataset's folder; nulls do not count."""
        self._hashes.setdefault(path, []).append(id_hashes(ids.drop_null()))

    def repeated(self) -> dict[str, list[str]]:
        """Return the ids that stand more than once, NAMED at most, each with its files' paths.

        Raises:
            OSError, pa.ArrowException: A file cannot be read again.
        """
        parts = [part for parts in self._hashes.values() for part in parts]
        ordered = np.concatenate([np.empty(0, np.uint64), *parts])
        ordered.sort()
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[:NAMED]
        places: dict[str, list[str]] = {}
        for path, parts in self._hashes.items() if len(repeated) else ():
            rows = np.flatnonzero(np.isin(np.concatenate(parts), repeated))
            for name in self._read(path, rows) if len(rows) else ():
                places.setdefault(name, []).append(path)
        return {name: paths for name, paths in places.items() if len(paths) > 1}

    def _read(self, path: str, rows: NDArray[np.intp]) -> list[str]:
        """Return the ids in some rows of a file."""
        with files.open_input(files.join(self._dataset, path)) as stream:
            ids = pq.ParquetFile(stream).read(columns=[self._column])[self._column]
        names: list[str] = ids.drop_null().take(pa.array(rows)).to_pylist()
        return names


def described(repeated: Mapping[str, Sequence[str]]) -> str:
    """Return one sentence on ids that stand more than once, with some of them."""
    more = " or more" if len(repeated) == NAMED else ""
    shown = ", ".join(
        f"{name[:SHOWN_CHARS]!r} in {' and '.join(sorted(set(paths)))}"
        for name, paths in list(repeated.items())[:SHOWN]
    )
    rest = ", ..." if len(repeated) > SHOWN else ""
    ids = "id stands" if len(repeated) == 1 else "ids stand"
    return f"{len(repeated):,}{more} {ids} more than once: {shown}{rest}"


def id_hashes(ids: pa.StringArray) -> NDArray[np.uint64]:
    """Return 8 bytes of hash for each of some ids without nulls, the same wherever they stand.

    The bytes are taken 8 at a time; each word is mixed with its place, and an id's words are
    summed. Takes about 20 bytes of memory for each byte of the ids.
    """
    lengths = pc.binary_length(ids).to_numpy().astype(np.int64)
    if not len(lengths):
        return np.empty(0, np.uint64)
    starts = np.cumsum(lengths) - lengths
    words = lengths // 8 + 1  # one at least, so that the sums below have no empty stretch
    first_words = np.cumsum(words) - words
    _, ends, content = ids.buffers()
    begin = int(np.frombuffer(ends, np.int32)[ids.offset])
    total = int(lengths.sum())
    padded = np.zeros(8 * int(words.sum()), np.uint8)
    targets = np.arange(total) + np.repeat(8 * first_words - starts, lengths)
    padded[targets] = np.frombuffer(content or b"", np.uint8)[begin : begin + total]
    places = np.arange(len(padded) // 8) - np.repeat(first_words, words)
    mixed = _mixed(padded.view(np.uint64) + _mixed(places.astype(np.uint64) + np.uint64(1)))
    return _mixed(np.add.reduceat(mixed, first_words) + lengths.astype(np.uint64))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread each value's bits over its 64: the last step of SplitMix64 (Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
