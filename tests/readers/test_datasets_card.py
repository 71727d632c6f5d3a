"""The dataset card: `datasets` opens the folder as it stands, and the card's blocks run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from embed_pipeline.card_code import samples
from embed_pipeline.footers import find_layout
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.store import Store
from tests.support.datasets import dataset
from tests.support.rows import row
from tests.support.snapshots import failure, marked, snapshot

datasets = pytest.importorskip("datasets", reason="not installed: run `make readers`")

pytestmark = [
    pytest.mark.readers,
    pytest.mark.timeout(300),  # PostgreSQL is started once for all tests
]

NEXT_RUN_ID = "20260102T000000Z-abc123"
NAMES = {"id": "key", "text": 'the "text"', "vector": "my vector"}
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"vector_type": "float16"},
    {"vector_type": "list<float>"},
    {"text": "hash"},
    {"text": "drop", "columns": NAMES},
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def made(folder: Path, **output: Any) -> Manifest:
    rows = [row(name, attributes={"n": number}) for number, name in enumerate("abc")]
    return dataset(folder, rows, [row("d", attributes={"n": None})], failed=["x"], **output)


def test_a_folder_opens_as_it_stands_whatever_is_beside_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    made(folder)
    (folder / "report.json").write_text('{"id": "no row"}')
    (folder / "report.html").write_text("<p>no row")
    (folder / "staging/20270101T000000Z-abc123").mkdir(parents=True)
    (folder / "staging/20270101T000000Z-abc123/data-1.parquet").write_bytes(b"not whole yet")
    found = datasets.load_dataset(str(folder))
    assert list(found) == ["train"]
    rows = found["train"]
    assert (rows.num_rows, rows["id"][:], rows["n"][:]) == (4, [*"abcd"], [0, 1, 2, None])
    assert rows.features["vector"] == datasets.List(datasets.Value("float32"), length=8)
    assert rows.features["text"] == datasets.Value("string")
    assert rows[0]["vector"] == pytest.approx(row("a").vector.tolist())


def test_it_can_be_read_as_a_stream(tmp_path: Path) -> None:
    made(tmp_path / "out")
    rows = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert [one["id"] for one in rows] == [*"abcd"]


def test_a_dataset_without_rows_is_an_empty_stream(tmp_path: Path) -> None:
    dataset(tmp_path / "out", failed=["x"])
    rows = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert list(rows) == []
    assert rows.features["vector"] == datasets.List(datasets.Value("float32"), length=8)


def test_a_snapshot_of_a_store_opens_without_its_indexes_and_changes(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    rows = [marked("a", attributes={"n": 1}), marked("b", attributes={"n": 2})]
    snapshot(store, 1, [rows], [failure("x", "")], [("insert", rows[1]), ("delete", "c")])
    found = datasets.load_dataset(store.snapshot(1))
    assert {split: one["id"][:] for split, one in found.items()} == {"train": ["a", "b"]}


def test_a_folder_written_over_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    dataset(folder, [row("a")])
    assert datasets.load_dataset(str(folder), split="train")["id"][:] == ["a"]
    dataset(folder, [row("b")], on_exists="overwrite", run_id=NEXT_RUN_ID)
    assert datasets.load_dataset(str(folder), split="train")["id"][:] == ["b"]


def test_two_folders_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    for name in "ab":
        dataset(tmp_path / name / "out", [row(name)])
    found = [datasets.load_dataset(str(tmp_path / name / "out"), split="train") for name in "ab"]
    assert [one["id"][:] for one in found] == [["a"], ["b"]]


def test_the_hub_s_own_reader_of_cards_reads_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    made(tmp_path / "out")
    found = hub.DatasetCard.load(tmp_path / "out/README.md")
    assert isinstance(found.data, hub.DatasetCardData)
    assert found.data.size_categories == ["n<1K"]
    assert yaml.safe_load(found.data.to_yaml()) == found.data.to_dict()
    assert found.text.strip().startswith("<!-- embed-pipeline")


# The card's blocks


@pytest.fixture(params=LAYOUTS, ids=str)
def output(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def blocks(
    output: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Write a dataset, go into its folder, and return its card's blocks by reader."""
    folder = tmp_path / "out"
    made(folder, **output)
    monkeypatch.chdir(folder)
    layout = find_layout(read_manifest(str(folder)))
    assert layout is not None
    return {sample.reader: sample.lines for sample in samples(layout)}


def run(lines: str) -> Any:
    """Run a block, and return what it found nearest to the first row."""
    names: dict[str, Any] = {}
    exec(lines, names)  # noqa: S102 (it is what the card tells people to run)
    return names["nearest"]


def test_the_block_for_datasets(blocks: dict[str, str], output: dict[str, Any]) -> None:
    found = run(blocks["Hugging Face datasets"])
    assert found[output.get("columns", {}).get("id", "id")][:] == [*"acbd"]


def test_the_block_for_lancedb(blocks: dict[str, str], output: dict[str, Any]) -> None:
    pytest.importorskip("lancedb")
    found = run(blocks["LanceDB"])
    assert found[output.get("columns", {}).get("id", "id")].to_pylist() == [*"acbd"]


def test_the_block_for_pgvector(
    blocks: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg")
    variables = {"host": "PGHOST", "user": "PGUSER", "dbname": "PGDATABASE"}
    for told in database.split():
        name, _, value = told.partition("=")
        monkeypatch.setenv(variables[name], value)
    with psycopg.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS embeddings")
    assert [identity for identity, _ in run(blocks["pgvector"])] == [*"acbd"]
