"""Faults of rows: norms to the right tolerance, and each kind told once a file."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from embed_pipeline.faults import Faults, norm_tolerance, vector_norms
from embed_pipeline.output import Output
from embed_pipeline.schema import Layout
from tests.support.rows import row


def layout(vector_type: str = "float32", dimension: int = 8) -> Layout:
    output = Output.model_validate({"path": "out", "vector_type": vector_type})
    return Layout(output, dimension, {})


def unit(dimension: int = 8) -> NDArray[np.float32]:
    values = np.random.default_rng(dimension).standard_normal(dimension)
    return (values / np.linalg.norm(values)).astype(np.float32)


def described(of: Layout, *vectors: NDArray[np.float32]) -> list[str]:
    batch = of.batch([row(f"d{number}", vector=one) for number, one in enumerate(vectors)])
    faults = Faults()
    faults.add(batch, of, vector_norms(batch, of))
    return list(faults.described())


@pytest.mark.parametrize("vector_type", ["float32", "float16", "list<float>"])
def test_norms_are_those_of_the_values(vector_type: str) -> None:
    of = layout(vector_type)
    batch = of.batch([row("a", vector=unit()), row("b", vector=unit() * 3)])
    assert vector_norms(batch, of) == pytest.approx([1.0, 3.0], abs=2e-3)
    assert vector_norms(batch.slice(1), of) == pytest.approx([3.0], abs=2e-3)


@pytest.mark.parametrize("dimension", [8, 384, 4096])
def test_what_a_run_accepts_holds_after_rounding_to_float16(dimension: int) -> None:
    of = layout("float16", dimension)
    worst = np.full(dimension, 1 / np.sqrt(dimension))
    rounded_up = np.nextafter(worst.astype(np.float16), np.float16(1)).astype(np.float64)
    halfway = (worst.astype(np.float16).astype(np.float64) + rounded_up) / 2 * (1 + 1e-7)
    for vector in (unit(dimension), worst, halfway / np.linalg.norm(halfway)):
        assert described(of, (vector * 1.00099).astype(np.float32)) == []


def test_float16_is_not_a_reason_to_accept_more_than_its_rounding() -> None:
    assert norm_tolerance(layout("float16")) == pytest.approx(1.49e-3, abs=1e-5)
    assert len(described(layout("float16"), unit() * np.float32(1.003))) == 1


def test_null_and_shorter_vectors_have_no_norm() -> None:
    of = layout("list<float>", 2)
    kind = pa.list_(pa.field("element", pa.float32(), nullable=False))
    column = pa.array([[0.6, 0.8], None, [1.0], [3.0, 4.0]], kind)
    batch = pa.RecordBatch.from_arrays([column], names=["vector"])
    norms = vector_norms(batch, of)
    assert norms[[0, 3]] == pytest.approx([1.0, 5.0])
    assert np.isnan(norms[[1, 2]]).all()


def test_rows_are_numbered_through_a_file() -> None:
    of = layout()
    faults = Faults()
    for factor in (1.0, 2.0, 3.0):
        rows = [row("a", vector=unit()), row("b", vector=unit() * np.float32(factor))]
        batch = of.batch(rows)
        faults.add(batch, of, vector_norms(batch, of))
    assert faults.described() == [
        "2 rows have a vector whose norm is not 1 (within 0.001), the first is row 4"
    ]
