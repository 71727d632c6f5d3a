"""Cut a corpus into shards of bounded work, in the corpus's order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from embed_pipeline.corpus import Corpus, names
from embed_pipeline.files import FileInfo
from embed_pipeline.formats import Format, detect
from embed_pipeline.parquet_rows import read_footer

_SHARDS = 64
_MIN_BYTES, _MAX_BYTES = 1 << 20, 64 << 20
_FILE_COST = 1 << 14  # bytes that take as long to read as a file takes to open


@dataclass(frozen=True, slots=True)
class Part:
    """Hold a part of one file.

    Attributes:
        path: The file.
        name: Its name in the corpus, the same wherever the corpus lies.
        format: What it holds.
        compression: "gzip", "zstd" or None.
        first: The first byte (JSON Lines) or row group (Parquet).
        last: The one behind the last; None for the end of the file.
    """

    path: str
    name: str
    format: Format
    compression: str | None
    first: int = 0
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """Hold what one worker reads in one go.

    Attributes:
        index: Its place in the corpus, from 0.
        parts: Parts of files, in the order of the corpus.
    """

    index: int
    parts: tuple[Part, ...]


def split(corpus: Corpus, found: Sequence[FileInfo]) -> list[Shard]:
    """Cut a corpus into shards.

    A shard has about 1/64 of the corpus, but 1 MiB at least and 64 MiB at most. Small files share
    one. Larger files are cut where that is possible: uncompressed JSON Lines between lines,
    Parquet between row groups. With a limit there is one shard, as documents are counted in order.

    Args:
        corpus: The settings.
        found: The files, as `find_files` returns them.

    Raises:
        DatasetError: A Parquet file that is to be cut cannot be read.
    """
    if not found:
        return []
    wholes = [
        Part(file.path, name, *detect(file.path, corpus.format))
        for file, name in zip(found, names(corpus, found), strict=True)
    ]
    if corpus.limit is not None:
        return [Shard(0, tuple(wholes))]
    total = sum(file.size + _FILE_COST for file in found)
    target = min(max(total // _SHARDS, _MIN_BYTES), _MAX_BYTES)
    shards, parts, filled = list[Shard](), list[Part](), 0
    for whole, file in zip(wholes, found, strict=True):
        for part, size in _cut(whole, file.size, target):
            if parts and filled + size > target:
                shards.append(Shard(len(shards), tuple(parts)))
                parts, filled = [], 0
            parts.append(part)
            filled += size + _FILE_COST
    return [*shards, Shard(len(shards), tuple(parts))]


def _cut(whole: Part, size: int, target: int) -> Iterator[tuple[Part, int]]:
    """Yield the parts of a file with the bytes of each."""
    if size > target and whole.format == "jsonl" and not whole.compression:
        count = -(-size // target)
        edges = [size * index // count for index in range(count + 1)]
        for first, last in pairwise(edges):
            yield replace(whole, first=first, last=last), last - first
    elif size > target and whole.format == "parquet":
        yield from _cut_groups(whole, size, target)
    else:
        yield whole, size


def _cut_groups(whole: Part, size: int, target: int) -> Iterator[tuple[Part, int]]:
    """Yield runs of row groups, whose bytes are taken to be in proportion to their rows."""
    _, rows = read_footer(whole.path)
    row_bytes = size / max(sum(rows), 1)
    first, filled = 0, 0.0
    for index, count in enumerate(rows):
        if index > first and filled + count * row_bytes > target:
            yield replace(whole, first=first, last=index), int(filled)
            first, filled = index, 0.0
        filled += count * row_bytes
    yield replace(whole, first=first, last=len(rows)), int(filled)
