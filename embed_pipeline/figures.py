"""The figures of a dataset, taken from its files: tokens, truncation, norms, failures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed_pipeline.parts import TRUNCATED

MOST_BUCKETS = 10
FEWEST_BUCKETS = 5


class Bucket(NamedTuple):
    """Count the rows whose token counts are `first` to `last`, both included."""

    first: int
    last: int
    rows: int


class TokenFigures(NamedTuple):
    """Describe the token counts of rows; every figure is exact."""

    total: int
    min: int
    median: float
    mean: float
    max: int
    histogram: Sequence[Bucket]


class Norms(NamedTuple):
    """Hold the smallest and the largest of the finite norms."""

    min: float
    max: float


class Figures(NamedTuple):
    """Describe what the files of a dataset hold.

    Attributes:
        rows, failed: How many there are.
        failed_by_blame_and_kind: Failures by "blame:kind".
        rows_by_token_count_source: Rows by how far their token count is known.
        rows_by_truncated: Rows by "true", "false" and "null".
        tokens: Of the rows' token counts; None without rows.
        norms: Of the vectors; None without vectors.
    """

    rows: int
    failed: int
    failed_by_blame_and_kind: Mapping[str, int]
    rows_by_token_count_source: Mapping[str, int]
    rows_by_truncated: Mapping[str, int]
    tokens: TokenFigures | None
    norms: Norms | None


class Tally:
    """Add up what files hold, a batch of rows at a time."""

    def __init__(self) -> None:
        self._rows = 0
        self._failed: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._truncated: Counter[str] = Counter(dict.fromkeys(TRUNCATED.values(), 0))
        self._tokens: Counter[int] = Counter()
        self._norms: Norms | None = None

    def add_rows(
        self,
        token_counts: pa.Array,
        sources: pa.Array,
        truncated: pa.Array,
        norms: NDArray[np.float64],
    ) -> None:
        """Take columns of the same rows; nulls among tokens and sources do not count."""
        self._rows += len(norms)
        self._tokens.update(_counted(token_counts.drop_null()))
        self._sources.update(_counted(sources.drop_null()))
        flags = _counted(truncated)
        self._truncated.update({TRUNCATED[flag]: count for flag, count in flags.items()})
        finite = norms[np.isfinite(norms)]
        if len(finite):
            low, high = float(finite.min()), float(finite.max())
            known = self._norms or Norms(low, high)
            self._norms = Norms(min(low, known.min), max(high, known.max))

    def add_failures(self, blames: pa.Array, kinds: pa.Array) -> None:
        """Take the columns `blame` and `kind` of failures."""
        joined = pc.binary_join_element_wise(blames, kinds, ":", null_handling="replace")
        self._failed.update(_counted(joined))

    def figures(self) -> Figures:
        """Return the figures of all that came."""
        return Figures(
            rows=self._rows,
            failed=self._failed.total(),
            failed_by_blame_and_kind=dict(sorted(self._failed.items())),
            rows_by_token_count_source=dict(sorted(self._sources.items())),
            rows_by_truncated=dict(self._truncated),
            tokens=token_figures(self._tokens),
            norms=self._norms,
        )


def token_figures(rows_by_count: Mapping[int, int]) -> TokenFigures | None:
    """Return the figures of token counts, of which it is known how many rows have each."""
    if not rows_by_count:
        return None
    counts = np.array(sorted(rows_by_count), np.int64)
    rows = np.array([rows_by_count[count] for count in counts.tolist()], np.int64)
    upto = np.cumsum(rows)
    middle = np.searchsorted(upto, [(upto[-1] - 1) // 2, upto[-1] // 2], side="right")
    total = int(counts @ rows)
    edges = bucket_edges(int(counts[0]), int(counts[-1]))
    held = np.bincount(
        np.searchsorted(edges, counts, side="right") - 1, weights=rows, minlength=len(edges) - 1
    )
    return TokenFigures(
        total=total,
        min=int(counts[0]),
        median=float(counts[middle].mean()),
        mean=total / int(upto[-1]),
        max=int(counts[-1]),
        histogram=[
            Bucket(first, behind - 1, int(inside))
            for first, behind, inside in zip(edges, edges[1:], held.tolist(), strict=False)
        ],
    )


def bucket_edges(low: int, high: int) -> list[int]:
    """Return ascending edges of at most MOST_BUCKETS buckets for whole numbers `low` to `high`.

    They are powers of two, or of four and so on for a wide range. Where those would be fewer than
    FEWEST_BUCKETS, they are multiples of 1, 2 or 5 times a power of ten. The last edge is above
    `high`.
    """
    first, behind = max(low, 1).bit_length() - 1, max(high, 1).bit_length()
    if behind - first >= FEWEST_BUCKETS:
        stride = -(-(behind - first) // MOST_BUCKETS)
        edges = [2**power for power in range(first, behind + stride, stride)]
        return [min(low, edges[0]), *edges[1:]]
    step = next(
        step
        for size in range(20)
        for step in (10**size, 2 * 10**size, 5 * 10**size)
        if high // step - low // step < MOST_BUCKETS
    )
    return list(range(low // step * step, (high // step + 2) * step, step))


def _counted(column: pa.Array) -> dict[Any, int]:
    """Return how often each value stands in a column."""
    found = pc.value_counts(column)
    values, counts = found.field(0).to_pylist(), found.field(1).to_pylist()
    return dict(zip(values, counts, strict=True))
