"""Ids that stand more than once among the rows and failures of a run."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.errors import RefusedError
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile
from embed_pipeline.schema import id_hash

SHOWN = 5
IN_JOB = "set corpus.on_duplicate to first or last: the vectors are kept and are not computed again"
IN_PIPELINE = "set on_duplicate of WriteDataset to first or last; the vectors are not kept"


def find_duplicates(
    parts: Sequence[PartFile],
    failures: Sequence[PartFile],
    output: Output,
    policy: str,
    cure: str = IN_JOB,
) -> dict[str, tuple[int, ...]]:
    """Return the rows to drop, by part, so that each id stands once among the rows.

    Ids are compared by 16-byte hashes: 16 bytes a row in memory. "First" and "last" are meant in
    the order of the parts and their rows.

    Args:
        parts: The parts of rows, in order, each with its file of origins.
        failures: The parts of failures, whose ids count for "error" alone.
        output: For the name of the id column.
        policy: "error", "first" or "last".
        cure: What allows such ids, for the error.

    Returns:
        Row numbers by the part's path, ascending; {} where all ids are unique.

    Raises:
        RefusedError: The policy is "error" and an id stands more than once; it names some, with
            where they stand.
    """
    hashes = [_hashes(part) for part in parts]
    if policy == "error":
        _refuse_if_any(parts, failures, hashes, output, cure)
        return {}
    ends = np.cumsum([len(part) for part in hashes])
    every = np.concatenate(hashes) if hashes else np.empty(0, "V16")
    dropped = _repeated(every, last=policy == "last")
    found: dict[str, tuple[int, ...]] = {}
    for index, part in enumerate(parts):
        start = int(ends[index]) - len(hashes[index])
        inside = dropped[(dropped >= start) & (dropped < ends[index])] - start
        if len(inside):
            found[part.path] = tuple(inside.tolist())
    return found


def _hashes(part: PartFile) -> NDArray[np.void]:
    """Read a part's id hashes; dtype V16, one a row."""
    with files.open_input(part.origins) as stream:
        column = pq.read_table(stream, columns=["hash"])["hash"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    return np.frombuffer(
        column.buffers()[1], dtype="V16", count=len(column), offset=16 * column.offset
    )


def _repeated(hashes: NDArray[np.void], *, last: bool) -> NDArray[np.int64]:
    """Return the places of all but the first (or last) of equal hashes, ascending."""
    words = hashes.view(np.uint64).reshape(-1, 2)
    order = np.lexsort((words[:, 1], words[:, 0]))  # stable: equal hashes stay in order
    ordered = words[order]
    same = (ordered[1:] == ordered[:-1]).all(axis=1)
    places: NDArray[np.int64] = np.sort(order[:-1][same] if last else order[1:][same])
    return places


def _refuse_if_any(
    parts: Sequence[PartFile],
    failures: Sequence[PartFile],
    hashes: Sequence[NDArray[np.void]],
    output: Output,
    cure: str,
) -> None:
    """Refuse where an id stands twice, in rows or failures."""
    failed = [_failed_ids(part) for part in failures]
    extra = [
        np.array([id_hash(name) for name, _ in ids], dtype="S16").view("V16") for ids in failed
    ]
    every = [*hashes, *(one for one in extra if len(one))]
    if not every:
        return
    together = np.concatenate(every)
    repeated = set(together[_repeated(together, last=False)].tolist())
    if not repeated:
        return
    places: dict[str, list[str]] = {}
    for part, part_hashes in zip(parts, hashes, strict=True):
        for name, place in _where(part, part_hashes, repeated, output):
            places.setdefault(name, []).append(place)
    for ids in failed:
        for name, place in ids:
            if id_hash(name) in repeated:
                places.setdefault(name, []).append(place)
    shown = [f"{name!r} at {' and '.join(at[:SHOWN])}" for name, at in list(places.items())[:SHOWN]]
    raise RefusedError(
        f"{len(repeated)} ids stand more than once: {'; '.join(shown)}"
        f"{'; ...' if len(repeated) > SHOWN else ''}. Make the ids unique, or {cure}"
    )


def _failed_ids(part: PartFile) -> list[tuple[str, str]]:
    """Return the ids of a part of failures, each with where it stands."""
    with files.open_input(part.path) as stream:
        table = pq.read_table(stream, columns=["id", "source", "line"])
    return [
        (row["id"], _place(row["source"], row["line"]))
        for row in table.to_pylist()
        if row["id"] is not None
    ]


def _where(
    part: PartFile, hashes: NDArray[np.void], repeated: set[bytes], output: Output
) -> list[tuple[str, str]]:
    """Return the ids of a part that are among the repeated, each with where it stands."""
    rows = [row for row, one in enumerate(hashes.tolist()) if one in repeated]
    if not rows:
        return []
    with files.open_input(part.path) as stream:
        column = output.column("id")
        ids = pq.read_table(stream, columns=[column])[column].take(rows).to_pylist()
    with files.open_input(part.origins) as stream:
        origins = pq.read_table(stream, columns=["source", "line"]).take(rows).to_pylist()
    return [
        (name, _place(origin["source"], origin["line"]))
        for name, origin in zip(ids, origins, strict=True)
    ]


def _place(source: str, line: int | None) -> str:
    if not source:
        return "an unnamed source"
    return source if line is None else f"{source}:{line}"
