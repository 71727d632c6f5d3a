"""What can be wrong with rows that were written: found in Arrow and numpy, a batch at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embed_pipeline.answer import NORM_TOLERANCE
from embed_pipeline.schema import Layout

HALF_ROUNDING = 2.0**-11  # how far rounding to float16 can move a value, and so a norm, relatively


class Faults:
    """Count the faults in the rows of one file, and remember where each kind stands first."""

    def __init__(self) -> None:
        self._rows = 0
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, batch: pa.RecordBatch, layout: Layout, norms: NDArray[np.float64]) -> None:
        """Take the next rows of the file.

        Args:
            batch: The rows, with every column of ours that is not null by schema alone.
            layout: What they should look like.
            norms: As `vector_norms` returns them for these rows.
        """
        for what, wrong in _faults(batch, layout, norms):
            if wrong.any():
                count, first = self._found.get(what, (0, self._rows + int(np.argmax(wrong)) + 1))
                self._found[what] = (count + int(np.count_nonzero(wrong)), first)
        self._rows += batch.num_rows

    def described(self) -> Sequence[str]:
        """Return one sentence a kind of fault; row numbers begin at 1."""
        return [
            f"{count:,} row{'s have' if count > 1 else ' has'} {what}, the first is row {first:,}"
            for what, (count, first) in self._found.items()
        ]


def norm_tolerance(layout: Layout) -> float:
    """Return how far a norm may be from 1.

    A run accepts NORM_TOLERANCE from the endpoint. Rounding to float16 then moves each value by a
    factor of at most 1 ± HALF_ROUNDING (smaller than 6e-5 by at most 3e-8, which is nothing beside
    it), and so the norm by at most that factor.
    """
    half = layout.output.vector_type == "float16"
    return NORM_TOLERANCE + HALF_ROUNDING if half else NORM_TOLERANCE


def vector_norms(batch: pa.RecordBatch, layout: Layout) -> NDArray[np.float64]:
    """Return each row's norm, in float64; NaN where the vector is null or of another dimension.

    A vector with infinity has the norm infinity, one with NaN or null has NaN.
    """
    column = batch.column(layout.output.column("vector"))
    norms = np.full(len(column), np.nan)
    fitting = _true(pc.equal(pc.list_value_length(column), layout.dimension))
    flat = (column if fitting.all() else column.filter(pa.array(fitting))).flatten()
    matrix = flat.to_numpy(zero_copy_only=False).reshape(-1, layout.dimension)
    with np.errstate(invalid="ignore"):
        squares = np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64, casting="safe")
        norms[fitting] = np.sqrt(squares)
    return norms


def _faults(
    batch: pa.RecordBatch, layout: Layout, norms: NDArray[np.float64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield what may be wrong, and for each row whether it is."""
    name = layout.output.column
    for field in layout.schema():
        if not field.nullable and field.name in batch.schema.names:
            nulls = batch.column(field.name).is_null()
            yield f"null in the column '{field.name}'", nulls.to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(batch.column(name("vector")))
    other = _true(pc.not_equal(lengths, layout.dimension))
    yield f"a vector of another dimension than {layout.dimension}", other
    finite = np.isfinite(norms)
    yield "a vector that is not finite", ~finite & _true(pc.equal(lengths, layout.dimension))
    tolerance = norm_tolerance(layout)
    far = np.abs(np.where(finite, norms, 1.0) - 1.0) > tolerance
    yield f"a vector whose norm is not 1 (within {tolerance:.2g})", far
    tokens = batch.column(name("token_count"))
    yield f"a {name('token_count')} below 1", _true(pc.less(tokens, 1))


def _true(mask: pa.BooleanArray) -> NDArray[np.bool_]:
    """Return where a mask is true; null is not."""
    found: NDArray[np.bool_] = mask.fill_null(fill_value=False).to_numpy(zero_copy_only=False)
    return found
