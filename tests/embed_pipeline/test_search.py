"""Searching a dataset: the same rows as by hand, best first."""

from pathlib import Path

import numpy as np
import pytest

from embed_pipeline import commit
from embed_pipeline.commit import Target
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.search import nearest_rows
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import vector_of


def dataset(path: Path, count: int, **output: object) -> Manifest:
    """Write a dataset of `count` rows, in files of 100 rows."""
    settings = Output.model_validate({"path": str(path), **output})
    run = Run(str(path), RUN_ID)
    job = {"output": settings.model_dump(mode="json")}
    to = Target(run, "2026-01-01T00:00:00+00:00", settings, {}, "error", job)
    found = []
    for start in range(0, count, 100):
        writer = RowWriter(run, to.layout(made_by()), made_by())
        for number in range(start, min(count, start + 100)):
            writer.add(row(f"d{number}", source="f", line=number + 1))
        found += [one for one in writer.close() if isinstance(one, PartFile)]
    written = Written(made_by(), count, found, [])
    merged = [commit.merge(to, made_by(), task) for task in commit.plan(to, written)]
    return commit.publish(to, written, merged)


@pytest.mark.parametrize("vector_type", ["float32", "list<float>"])
def test_the_nearest_rows_come_best_first(tmp_path: Path, vector_type: str) -> None:
    manifest = dataset(tmp_path, 350, vector_type=vector_type)
    query = vector_of("some query")
    hits = nearest_rows(str(tmp_path), manifest, query, 3)
    every = {f"d{n}": float(vector_of(f"text of d{n}") @ query) for n in range(350)}
    best = sorted(every, key=lambda name: -every[name])[:3]
    assert [hit.row["id"] for hit in hits] == best
    assert np.allclose([hit.score for hit in hits], [every[name] for name in best], atol=1e-6)


def test_renamed_columns_are_found(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, 5, columns={"vector": "embedding", "id": "doc"})
    (hit,) = nearest_rows(str(tmp_path), manifest, vector_of("text of d4"), 1)
    assert (hit.row["doc"], "embedding" in hit.row) == ("d4", False)
    assert hit.score == pytest.approx(1.0, abs=1e-6)


def test_an_empty_dataset_has_no_hits(tmp_path: Path) -> None:
    assert nearest_rows(str(tmp_path), dataset(tmp_path, 0), vector_of("x"), 3) == []
