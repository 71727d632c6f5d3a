"""How many bytes a dataset takes, as far as some of its rows tell."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from embed_pipeline.attributes import conform
from embed_pipeline.errors import BadAttribute
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.outcomes import Vector
from embed_pipeline.records import Embedded
from embed_pipeline.schema import Layout
from embed_pipeline.work import Outcomes, Text


def size_of(
    layout: Layout, metadata: Mapping[str, str], rows: Sequence[Embedded], total: float
) -> float:
    """Return the bytes of the data files of a dataset.

    The rows are written as a run would write them, and so is a file without rows, whose bytes each
    file of the dataset has beside its rows.

    Args:
        layout: What the rows look like.
        metadata: Of each file's footer.
        rows: A sample; those with attributes that do not fit the layout are left out.
        total: Rows of the dataset.
    """
    fitting = [one for one in (_fitting(layout, row) for row in rows) if one is not None]
    if not fitting:
        return 0.0
    with TemporaryDirectory() as folder:
        empty = _written(layout, [], metadata, Path(folder, "empty.parquet"))
        full = _written(layout, fitting, metadata, Path(folder, "full.parquet"))
    each = (full - empty) / len(fitting) * total
    return each + empty * max(1, math.ceil(each / (layout.output.file_mb * 1_000_000)))


def rows_of(texts: Sequence[Text], model: str, outcomes: Outcomes) -> list[Embedded]:
    """Return the rows of the texts that have a vector, in their order."""
    return [
        Embedded(
            *texts[place].document, one.vector, model, one.token_count, one.token_count_source,
            one.truncated,
        )
        for place, one in sorted(outcomes.items())
        if isinstance(one, Vector)
    ]  # fmt: skip


def _fitting(layout: Layout, row: Embedded) -> Embedded | None:
    """Return a row with its attributes in the dataset's types; None where they do not fit."""
    if layout.attributes is None:
        return row
    try:
        return row._replace(attributes=conform(row.attributes, layout.attributes))
    except BadAttribute:
        return None


def _written(
    layout: Layout, rows: Sequence[Embedded], metadata: Mapping[str, str], path: Path
) -> int:
    """Write one data file; return its bytes."""
    file = HashedParquet(str(path), layout.schema(), metadata, layout.output)
    if rows:
        file.write([layout.batch(rows)])
    file.close()
    return file.bytes
