"""What earlier runs have done, as a worker looks it up: 16 bytes a row, in sorted arrays.

A row's key is made of its id, its source and its line. Where that may not tell two documents apart,
as ids may repeat and lines may be unknown, or where pieces may be cut elsewhere another time, text
and attributes are part of it, too.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.attributes import conform, row_json
from embed_pipeline.documents import attributes_json, storable
from embed_pipeline.errors import BadAttribute
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Document, Failed
from embed_pipeline.schema import UNDECLARED, Layout, id_hash

_MASK = (1 << 64) - 1
_LINE = 0x9E3779B97F4A7C15  # odd, so that no two lines give the same number
_BATCH_ROWS = 10_000


class Keying(NamedTuple):
    """Say what a row's key is made of.

    Attributes:
        layout: What the rows look like.
        whole: Whether text and attributes are part of the key.
    """

    layout: Layout
    whole: bool

    def of(self, document: Document) -> tuple[int, int]:
        """Return a document's key, as two numbers of 64 bits.

        Raises:
            BadAttribute: An attribute does not fit, so that there is no such row.
            UnicodeEncodeError: Id or text hold a lone surrogate, so that there is none, either.
        """
        identity = id_hash(document.id)
        line = (document.line or 0) * _LINE & _MASK
        high = int.from_bytes(identity[:8], "little") ^ _source(document.source) ^ line
        low = int.from_bytes(identity[8:], "little")
        return (high, low ^ self._content(document)) if self.whole else (high, low)

    def _content(self, document: Document) -> int:
        types, text = self.layout.attributes, None
        values: Mapping[str, Any] = (
            {UNDECLARED: row_json(document.attributes)}
            if types is None
            else conform(document.attributes, types)
        )
        if self.layout.output.text != "drop":
            text = hashlib.sha256(document.text.encode()).hexdigest()
        return _content(text, values)

    def read(self, part: PartFile) -> NDArray[np.uint64]:
        """Return the keys of a part's rows, shape (rows, 2)."""
        with files.open_input(part.origins) as stream:
            table = pq.read_table(stream).combine_chunks()
        if not table.num_rows:
            return np.empty((0, 2), np.uint64)
        hashes = b"".join(table["hash"].to_pylist())
        keys = np.frombuffer(hashes, "<u8").astype(np.uint64).reshape(-1, 2).copy()
        keys[:, 0] ^= _sources(table["source"])
        lines = table["line"].fill_null(0).to_numpy().astype(np.uint64)
        keys[:, 0] ^= lines * np.uint64(_LINE)
        if self.whole:
            keys[:, 1] ^= np.fromiter(self._contents(part), np.uint64, len(keys))
        return keys

    def _contents(self, part: PartFile) -> Iterator[int]:
        """Yield the hash of each row's text and attributes."""
        output, types = self.layout.output, self.layout.attributes
        attributes = [UNDECLARED] if types is None else list(types)
        texts = [] if output.text == "drop" else [output.column("text")]
        with files.open_input(part.path) as stream:
            parquet = pq.ParquetFile(stream)
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=[*texts, *attributes]):
                for row in batch.to_pylist():
                    text = row.pop(texts[0]) if texts else None
                    if text is not None and output.text == "keep":
                        text = hashlib.sha256(text.encode()).hexdigest()
                    yield _content(text, row)


class Done:
    """Hold what earlier runs have done.

    Args:
        keying: What a row's key is made of.
        parts: Their files of rows.
        failures: Paths of their files of failures.
    """

    def __init__(self, keying: Keying, parts: Sequence[PartFile], failures: Sequence[str]) -> None:
        self._keying = keying
        read = [keying.read(part) for part in parts]
        keys = np.concatenate([np.empty((0, 2), np.uint64), *read])
        order = np.argsort(keys[:, 0], kind="stable")
        self._high = keys[order, 0].copy().data
        self._low = keys[order, 1].copy().data
        self._verdicts = dict(_verdicts(failures))

    def has(self, document: Document) -> bool:
        """Tell whether a document has its row."""
        try:
            high, low = self._keying.of(document)
        except (BadAttribute, UnicodeEncodeError):
            return False
        place = bisect_left(self._high, high)
        while place < len(self._high) and self._high[place] == high:
            if self._low[place] == low:
                return True
            place += 1
        return False

    def failed(self, document: Document) -> Failed | None:
        """Return the failure of a document whose very text has failed for good."""
        if not self._verdicts:
            return None
        verdict = self._verdicts.get(_text_hash(storable(document.text)))
        return verdict and verdict._replace(
            id=storable(document.id) or None,
            text=storable(document.text),
            attributes=attributes_json(document.attributes),
            source=document.source,
            line=document.line,
        )


def _verdicts(paths: Iterable[str]) -> Iterator[tuple[bytes, Failed]]:
    """Yield the failures that are their texts' own fault, by text, which is left out of them.

    Only what was sent counts: the rest is found again without asking anybody.
    """
    for path in paths:
        with files.open_input(path) as stream:
            found = pq.read_table(stream).to_pylist()
        for one in found:
            failed = Failed(**one)
            own = (failed.stage, failed.blame) == ("embed", "document") and failed.attempts > 0
            if own and failed.text is not None:
                bare = failed._replace(id=None, text=None, attributes=None, source="", line=None)
                yield _text_hash(failed.text), bare


def _content(text_hash: str | None, attributes: Mapping[str, Any]) -> int:
    """Return 64 bits that stand for a text, by its sha256 in hex, and its attributes."""
    told = orjson.dumps([text_hash, dict(attributes)], option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")


def _text_hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


@lru_cache(maxsize=256)
def _source(source: str) -> int:
    """Return 64 bits that stand for a source, the same in every process."""
    data = source.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _sources(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the number that stands for each row's source."""
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = found.chunk(0)
    numbers = np.array([_source(one) for one in found.dictionary.to_pylist()], np.uint64)
    each: NDArray[np.uint64] = numbers[found.indices.to_numpy()]
    return each
