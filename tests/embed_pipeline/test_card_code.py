"""The card's blocks of code: those whose readers are here are run as they stand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.card_code import query, samples
from embed_pipeline.output import Output
from embed_pipeline.schema import Layout
from tests.support.datasets import dataset
from tests.support.rows import row

NAMES = {"id": "key", "text": 'the "text"', "vector": 'em "bed"'}
LAYOUTS = [
    {},
    {"vector_type": "float16"},
    {"vector_type": "list<float>"},
    {"columns": NAMES},
    {"text": "hash"},
    {"text": "drop", "columns": NAMES},
]
ATTRIBUTES: AttributeTypes = {"n": "int64"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Change into an empty folder, as the blocks name files below the one they are run in."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def written(folder: Path, output: dict[str, Any]) -> dict[str, str]:
    """Write a dataset of two files; return the blocks of its card by reader."""
    dataset(folder, [row("a"), row("b"), row("c")], [row("d")], **output)
    layout = Layout(Output(path=str(folder), **output), 8, ATTRIBUTES)
    return {sample.reader: sample.lines for sample in samples(layout)}


def identities(found: pa.Table, output: dict[str, Any]) -> list[str]:
    names: list[str] = found[output.get("columns", {}).get("id", "id")].to_pylist()
    return names


def run(lines: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(lines, names)  # noqa: S102 (it is what the card tells people to run)
    return names


@pytest.mark.parametrize("output", LAYOUTS, ids=str)
def test_pyarrow_finds_the_row_itself_first(folder: Path, output: dict[str, Any]) -> None:
    names = run(written(folder, output)["pyarrow"])
    assert names["vectors"].shape == (4, 8)
    found = identities(names["nearest"], output)
    assert (found[0], sorted(found)) == ("a", ["a", "b", "c", "d"])


@pytest.mark.parametrize("output", LAYOUTS, ids=str)
def test_duckdb_finds_the_row_itself_first(folder: Path, output: dict[str, Any]) -> None:
    lines = written(folder, output)["DuckDB"]
    found = duckdb.sql(lines).to_arrow_table()
    identity = identities(found, output)
    assert (identity[0], sorted(identity)) == ("a", ["a", "b", "c", "d"])
    assert found["cosine"].to_pylist()[0] == pytest.approx(1, abs=1e-3)


def test_a_name_of_two_lines_keeps_its_block_s_margin(folder: Path) -> None:
    output = {"columns": {"id": "a\n   b", "vector": "c\nd"}}
    lines = written(folder, output)["DuckDB"]
    assert lines.startswith("\nWITH query")
    assert identities(duckdb.sql(lines).to_arrow_table(), output)[0] == "a"


@pytest.mark.parametrize("output", LAYOUTS, ids=str)
def test_polars_finds_the_row_itself_first(folder: Path, output: dict[str, Any]) -> None:
    names = run(written(folder, output)["Polars"])
    found = identities(names["nearest"].to_arrow(), output)
    assert (found[0], sorted(found)) == ("a", ["a", "b", "c", "d"])


def test_every_reader_has_a_block(folder: Path) -> None:
    assert list(written(folder, {})) == [
        "pyarrow",
        "DuckDB",
        "Polars",
        "Hugging Face datasets",
        "LanceDB",
        "pgvector",
    ]


def test_a_query_is_asked_for_as_the_rows_were() -> None:
    made = {
        "model": "it's",
        "query_prefix": "search_query: ",
        "dimensions_asked": 128,
        "options": {"num_ctx": 512},
    }
    assert query(made) == (
        "curl http://localhost:11434/api/embed -d "
        """'{"model": "it'"'"'s", "input": ["search_query: why is the sky blue?"], """
        """"dimensions": 128, "options": {"num_ctx": 512}}'"""
    )
    assert query({"model": "all-minilm", "dimensions_asked": None, "options": {}}) == (
        "curl http://localhost:11434/api/embed -d "
        """'{"model": "all-minilm", "input": ["why is the sky blue?"]}'"""
    )
