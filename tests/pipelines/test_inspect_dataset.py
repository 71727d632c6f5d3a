"""What `inspect` prints, as lines and as JSON, and how it exits."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from embed_pipeline import __version__
from embed_pipeline.errors import DatasetError
from embed_pipeline.figures import token_figures
from embed_pipeline.manifest import Manifest
from embed_pipeline.pipelines.inspect_dataset import histogram, inspect_dataset, origin
from tests.support.datasets import dataset
from tests.support.rows import RUN_ID, row
from tests.support.scripted import DIGEST


@pytest.fixture
def made(tmp_path: Path) -> Manifest:
    rows = [
        row("a", token_count=3, token_count_source="server", truncated=False),
        row("b", token_count=4, token_count_source="verified", truncated=False),
        row("c", token_count=256, token_count_source="verified", truncated=True),
        row("d", token_count=40),
    ]
    return dataset(tmp_path, rows, failed=["e", "f"])


def inspected(path: Path, *, as_json: bool = False) -> tuple[int, list[str]]:
    out = io.StringIO()
    code = inspect_dataset(str(path), Console(file=out, width=80), as_json=as_json)
    return code, [line.rstrip() for line in out.getvalue().splitlines()]


def changed(path: Path, manifest: Manifest, **update: object) -> Manifest:
    found = manifest.model_copy(update=update)
    (path / "manifest.json").write_bytes(found.to_json())
    return found


def test_origin_figures_and_verdict_are_printed(tmp_path: Path, made: Manifest) -> None:
    code, lines = inspected(tmp_path)
    assert code == 0
    assert lines[:3] == [
        f"dataset         {tmp_path}",
        f"run             {RUN_ID}",
        f"made            2026-01-01T00:00:00+00:00 to {made.finished}",
    ]
    assert {
        "model           all-minilm",
        f"digest          {DIGEST}",
        "endpoint        http://127.0.0.1:1 1.2.3",
        "dimension       8",
        f"embed_pipeline  {__version__}",
    } <= set(lines)
    assert lines[lines.index("rows          4") :] == [
        "rows          4",
        "failed        2",
        "              2 EmptyText (document)",
        "truncated     1 truncated (25.0 %), 2 whole (50.0 %), 1 not known (25.0 %)",
        "token counts  1 estimated (25.0 %), 1 server (25.0 %), 2 verified (50.0 %)",
        "tokens        303; 3 to 256 a row, median 22, mean 75.8",
        "norms         1.000000 to 1.000000",
        "",
        "rows by tokens",
        f"    2 - 3  1  25.0 %  {'█' * 36}",
        f"    4 - 7  1  25.0 %  {'█' * 36}",
        "   8 - 15  0   0.0 %",
        "  16 - 31  0   0.0 %",
        f"  32 - 63  1  25.0 %  {'█' * 36}",
        " 64 - 127  0   0.0 %",
        "128 - 255  0   0.0 %",
        f"256 - 511  1  25.0 %  {'█' * 36}",
        "",
        "every check holds",
    ]


@pytest.mark.parametrize(
    ("documents", "told"), [(6, "6, none split"), (2, "2, split into 6 pieces")]
)
def test_documents_are_told_from_their_pieces(
    tmp_path: Path, made: Manifest, documents: int, told: str
) -> None:
    counts = made.counts.model_copy(update={"chunked_documents": documents})
    changed(tmp_path, made, counts=counts)
    assert f"documents       {told}" in inspected(tmp_path)[1]


def test_each_problem_is_printed_whole_and_the_exit_code_is_1(
    tmp_path: Path, made: Manifest
) -> None:
    (tmp_path / "data" / "part-00000.parquet").unlink()
    code, lines = inspected(tmp_path)
    assert code == 1
    assert lines[-1] == (
        "data/part-00000.parquet: it is missing; put the file back from a copy of the dataset, "
        "or make the dataset again"
    )
    assert "every check holds" not in lines


def test_json_is_one_object_with_everything_but_the_canary(tmp_path: Path, made: Manifest) -> None:
    code, (line,) = inspected(tmp_path, as_json=True)
    found = json.loads(line)
    assert (code, found["holds"], found["problems"]) == (0, True, [])
    assert found["provenance"] == {k: v for k, v in made.provenance.items() if k != "canary"}
    assert found["counts"] == made.counts.model_dump()
    assert found["figures"]["rows_by_truncated"] == {"true": 1, "false": 2, "null": 1}
    assert found["figures"]["tokens"]["median"] == 22.0
    assert found["figures"]["tokens"]["histogram"][0] == {"first": 2, "last": 3, "rows": 1}
    assert found["figures"]["norms"]["max"] == pytest.approx(1.0)


def test_problems_in_json(tmp_path: Path, made: Manifest) -> None:
    changed(tmp_path, made, counts=made.counts.model_copy(update={"rows": 5}))
    code, (line,) = inspected(tmp_path, as_json=True)
    (problem,) = json.loads(line)["problems"]
    assert (code, problem["file"]) == (1, "manifest.json")
    assert problem["what"] == "counts.rows is 5, but the files hold 4"


def test_an_empty_dataset_is_printed(tmp_path: Path) -> None:
    dataset(tmp_path)
    code, lines = inspected(tmp_path)
    assert (code, lines[-5:]) == (0, ["", "rows    0", "failed  0", "", "every check holds"])


def test_no_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no complete dataset"):
        inspected(tmp_path)


def test_all_a_manifest_tells_of_its_making_is_shown(tmp_path: Path, made: Manifest) -> None:
    told = {
        "context": 8_192,
        "context_source": "probed",
        "dimensions_asked": 8,
        "options": {"num_ctx": 8192},
        "prefix": "search_document: ",
        "query_prefix": "search_query: ",
        "tokenizer": {"from": "server", "sha256": "ab" * 32},
        "on_too_long": "chunk",
    }
    recount = {"verified": {"asked": 90, "agreed": 90}, "estimated": {"asked": 10, "agreed": 3}}
    plan = {"seconds": 17.0, "low": 15.0, "high": 20.5, "actual_seconds": 18.25}
    manifest = changed(
        tmp_path, made, provenance={**made.provenance, **told}, recount=recount, plan=plan
    )
    pairs = list(origin(manifest))
    assert pairs[pairs.index(("context", "8,192 tokens (probed)")) :] == [
        ("context", "8,192 tokens (probed)"),
        ("dimension", "8 (as asked)"),
        ("options", '{"num_ctx":8192}'),
        ("prefix", '"search_document: "'),
        ("query_prefix", '"search_query: "'),
        ("on_too_long", "chunk"),
        ("tokenizer", f"from the server, sha256 {'ab' * 8}"),
        ("embed_pipeline", __version__),
        ("recount", "90 of 90 verified rows agreed when they were sent alone"),
        ("", "3 of 10 estimated rows agreed when they were sent alone"),
        ("plan", "17.0 s expected (15.0 to 20.5), 18.2 s taken"),
    ]


def test_what_an_older_manifest_does_not_tell_is_left_out(made: Manifest) -> None:
    pairs = dict(origin(made.model_copy(update={"provenance": {"model": "m", "dimension": 8}})))
    assert pairs.keys() == {
        "run", "made", "data", "model", "digest", "endpoint", "context", "dimension",
        "embed_pipeline",
    }  # fmt: skip
    assert (pairs["digest"], pairs["context"]) == ("unknown", "unknown")


def test_the_histogram_fits_80_columns() -> None:
    tokens = token_figures({1: 123_456_789, 1_000_000: 5})
    assert tokens is not None
    out = io.StringIO()
    Console(file=out, width=80).print(histogram(tokens))
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].rstrip().endswith("█" * 36)


def test_names_of_users_are_not_markup(tmp_path: Path) -> None:
    path = tmp_path / "[red]out"
    dataset(path, [row("[b]x"), row("[b]x")])
    code, lines = inspected(path)
    assert (code, lines[0]) == (1, f"dataset         {path}")
    assert "'[b]x' in data/part-00000.parquet" in lines[-1]
