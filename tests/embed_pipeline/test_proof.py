"""The proof: whatever holds or names a document is found, wherever in the store it stands."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files
from embed_pipeline.page_file import MARKER
from embed_pipeline.proof import Proof, everything, scan
from embed_pipeline.schema import id_hash
from embed_pipeline.store import Store
from tests.support.snapshots import failure, marked, snapshot, stopped


def made(path: Path | str) -> Store:
    store = Store(str(path))
    rows, failures = [marked("a"), marked("b")], [failure("c", " "), failure(None, " ")]
    snapshot(store, 1, [rows], failures, [("delete", "d")])
    stopped(store, 2, [marked("e")])
    return store


def proof(store: Store, *documents: str) -> Proof:
    return scan(store, frozenset(map(id_hash, documents)))


def places(store: Store, told: Proof) -> list[str]:
    """Return which files hold something, without the names that differ each time."""
    return [one.partition(f"{store.path}/")[2].partition("-")[0] for one in told.held]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    store = made(tmp_path)
    told = proof(store, "z")
    assert told[1:] == ([], [], [], [], 1)
    assert told.files == len(everything(store.path))


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("b", ["snapshots/000001/data/part", "snapshots/000001/index/part"]),
        ("c", ["snapshots/000001/failures/part"]),
        ("d", ["snapshots/000001/changes/part"]),
        (
            "e",
            [
                "snapshots/000002/staging/20260303T000000Z",
                "snapshots/000002/staging/20260303T000000Z",
            ],
        ),
    ],
)
def test_rows_are_found_in_every_kind_of_file(
    tmp_path: Path, document: str, found: list[str]
) -> None:
    store = made(tmp_path)
    assert places(store, proof(store, document)) == found


def test_an_attribute_or_a_text_that_equals_an_id_is_another_document_s(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    snapshot(store, 1, [[marked("a")]], [failure("c", "x")], [("delete", "d")])
    assert proof(store, "text of a", "all-minilm", "x", "delete").held == []


def test_hidden_and_foreign_files_are_looked_through_as_far_as_can_be(tmp_path: Path) -> None:
    store = made(tmp_path)
    pq.write_table(pa.table({"who": ["z"]}), tmp_path / ".hidden.parquet")
    (tmp_path / "log").mkdir()
    (tmp_path / "log/000001.json").write_text('{"notes": ["z"]}')
    (tmp_path / "snapshots/notes.txt").write_text("z")
    told = proof(store, "z")
    assert told.held == [f"{tmp_path}/.hidden.parquet: 1 rows of 1 documents"]
    assert told.mentions == [f"{tmp_path}/log/000001.json"]
    assert told.foreign == [f"{tmp_path}/snapshots/notes.txt"]


def test_a_readme_and_a_page_of_a_users_own_are_foreign_and_ours_are_not(tmp_path: Path) -> None:
    store = made(tmp_path)
    card, own = tmp_path / "snapshots/000001/README.md", tmp_path / "README.md"
    page, other = card.with_name("report.html"), tmp_path / "report.html"
    page.write_text(f"<head>{MARKER}</head>")
    other.write_text("<p>mine</p>")
    own.write_text("# mine\n")
    assert card.is_file()
    assert proof(store, "z").foreign == [str(own), str(other)]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    store = made(tmp_path)
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.parquet").write_text("PAR1")
    first, second = proof(store, "z").unread
    assert first.startswith(f"{tmp_path}/a.json is no JSON")
    assert second.startswith(f"{tmp_path}/b.parquet cannot be read")


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    store = made(tmp_path)
    (tmp_path / "snapshots/000001/manifest.json").write_text("{}")
    assert "manifest.json is damaged" in " ".join(proof(store, "z").unread)


def test_everything_of_a_folder_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert everything(str(tmp_path / "none")) == []


def test_an_object_store_is_looked_through(s3: str) -> None:
    store = made(files.join(s3, "store"))
    told = proof(store, "b")
    assert [("/data/" in one, "/index/" in one) for one in told.held] == [
        (True, False),
        (False, True),
    ]
    assert told.foreign == []
