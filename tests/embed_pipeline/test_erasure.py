"""A snapshot without some documents: its files, its figures, and what is left when they end."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline.card import card
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.erasure import Erased, erase
from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.page_file import MARKER
from embed_pipeline.records import Embedded
from embed_pipeline.report import Map, read_report
from embed_pipeline.schema import id_hash
from embed_pipeline.store import Store
from embed_pipeline.verify import verify
from tests.support.snapshots import failure, holding, ids, marked, snapshot


def erased(path: str, *documents: str) -> Erased:
    return erase(path, frozenset(map(id_hash, documents)))


def problems(path: str) -> list[str]:
    return [str(one) for one in verify(path, read_manifest(path)).problems]


def made(path: Path, parts: list[list[Embedded]], *more: Any, **settings: Any) -> str:
    store = Store(str(path))
    snapshot(store, 1, parts, *more, **settings)
    return store.snapshot(1)


def described(path: str, manifest: Manifest) -> bool:
    """Tell whether every file is as its manifest describes it."""
    listed = [*manifest.data, *manifest.index, *manifest.failures, *manifest.changes]
    contents = [(file, (Path(path) / file.path).read_bytes()) for file in listed]
    return all(
        (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        and pq.read_metadata(Path(path) / file.path).num_rows == file.rows
        for file, content in contents
    )


def test_files_are_described_as_they_are_now(tmp_path: Path) -> None:
    changes = [("insert", marked("b")), ("delete", "z")]
    rows = [marked("a"), marked("b"), marked("c")]
    path = made(tmp_path, [rows], [failure("b", "x"), failure("d", "x")], changes)
    told = erased(path, "b", "none")
    manifest = read_manifest(path)
    assert (told.rows, told.failures, told.changes) == (1, 1, 1)
    assert told.documents == {id_hash("b")}
    assert described(path, manifest)
    assert problems(path) == []
    (data,), (index,) = manifest.data, manifest.index
    assert data.path.removeprefix("data/") == index.path.removeprefix("index/")
    marks = pq.read_table(Path(path) / index.path)["mark"].to_pylist()
    assert [one[:16] for one in marks] == [id_hash("a"), id_hash("c")]
    assert sorted(one.name for one in Path(path).rglob("part-00000.parquet")) == []
    assert not (Path(path) / "staging").exists()


def test_the_refresh_and_the_metrics_tell_what_the_snapshot_holds(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a"), marked("b")]], [failure("b", "x"), failure("d", "x")])
    erased(path, "b")
    manifest = read_manifest(path)
    assert manifest.refresh is not None
    assert (manifest.refresh.rows, manifest.refresh.failed) == (1, 1)
    assert (Path(path) / "metrics.prom").read_text() == open_metrics(manifest)
    assert (Path(path) / "README.md").read_text() == card(manifest)


def test_metrics_that_a_kill_has_left_behind_are_made_true(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")]])
    (Path(path) / "metrics.prom").write_text("# EOF\n")
    erased(path, "b")
    assert (Path(path) / "metrics.prom").read_text() == open_metrics(read_manifest(path))


def test_a_file_of_which_no_row_is_left_goes(tmp_path: Path) -> None:
    path = made(
        tmp_path, [[marked("a")], [marked("b")]], [failure("a", "x")], [("insert", marked("a"))]
    )
    erased(path, "a")
    manifest = read_manifest(path)
    assert [file.path for file in (*manifest.data, *manifest.index)] == [
        "data/part-00001.parquet",
        "index/part-00001.parquet",
    ]
    assert (manifest.failures, manifest.changes) == ([], [])
    assert problems(path) == []


def test_a_snapshot_of_which_no_row_is_left_still_opens_with_its_columns(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")], [marked("b")]])
    before = pq.read_schema(Path(path) / "data/part-00000.parquet")
    erased(path, "a", "b")
    manifest = read_manifest(path)
    assert [(file.rows, len(manifest.index)) for file in manifest.data] == [(0, 1)]
    assert pq.read_table(Path(path) / "data").schema.equals(before)
    assert problems(path) == []
    erased(path, "a", "b")
    assert read_manifest(path) == manifest


def test_the_pieces_of_a_document_go_and_it_counts_as_one(tmp_path: Path) -> None:
    def piece(name: str, number: int) -> Embedded:
        place = {"document_id": name, "chunk_index": number, "chunk_start": 0, "chunk_end": 9}
        return marked(f"{name}#{number}", attributes=place)

    path = made(
        tmp_path,
        [[piece("a", 0), piece("a", 1), piece("b", 0)]],
        [failure("a#2", "x", attributes='{"document_id": "a"}'), failure("c", "x", stage="chunk")],
        [("insert", piece("a", 0)), ("delete", "a#7"), ("delete", "b#7")],
        attributes=CHUNK_TYPES,
        chunked=3,
    )
    told = erased(path, "a")
    assert (told.rows, told.failures, told.changes) == (2, 1, 2)
    assert ids(path) == ["b#0"]
    assert read_manifest(path).counts.chunked_documents == 2
    assert problems(path) == []


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    columns = {"id": "key", "token_count": "tokens", "vector": "embedding"}
    rows = [marked("a"), marked("b")]
    path = made(tmp_path, [rows], [], [("insert", marked("a"))], columns=columns)
    assert erased(path, "a").rows == 1
    assert ids(path) == ["b"]
    assert problems(path) == []


def test_a_text_file_is_taken_out_of_the_list_of_inputs(tmp_path: Path) -> None:
    inputs = [{"path": f"/corpus/{name}.txt", "size": 9} for name in ("alice", "bob")]
    path = made(tmp_path, [[marked("alice.txt"), marked("bob.txt")]], job={"inputs": inputs})
    erased(path, "alice.txt")
    assert read_manifest(path).job["inputs"] == inputs[1:]
    assert holding(tmp_path, "alice.txt") == []


def test_what_the_manifest_does_not_list_is_deleted_as_far_as_it_is_ours(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")]])
    old = Path(path) / "data/part-00000.parquet"
    left = [old.with_name("part-00007.parquet"), Path(path) / "staging/x/data.parquet"]
    foreign = old.with_name("mine.parquet")
    for one in (*left, foreign):
        one.parent.mkdir(parents=True, exist_ok=True)
        one.write_bytes(old.read_bytes())
    erased(path, "b")
    assert [one.exists() for one in (*left, foreign, old)] == [False, False, True, True]


def test_an_index_that_is_not_of_its_rows_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")], [marked("b"), marked("c")]])
    manifest = read_manifest(path)
    swapped = manifest.model_copy(update={"index": manifest.index[::-1]})
    fewer = manifest.model_copy(update={"index": manifest.index[:1]})
    for wrong, why in ((swapped, "has 2 rows, and the file it goes with 1"), (fewer, "but 1 of")):
        (Path(path) / "manifest.json").write_bytes(wrong.to_json())
        with pytest.raises(DatasetError, match=why):
            erased(path, "a")
        assert read_manifest(path) == wrong


def test_a_snapshot_without_an_index_needs_none(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a"), marked("b")]])
    bare = read_manifest(path).model_copy(update={"index": []})
    (Path(path) / "manifest.json").write_bytes(bare.to_json())
    erased(path, "a")
    assert ids(path) == ["b"]
    assert read_manifest(path).index == []


def test_a_manifest_without_a_layout_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")]])
    manifest = read_manifest(path)
    wrong = manifest.model_copy(update={"job": {"output": {"vector_type": "int8"}}})
    (Path(path) / "manifest.json").write_bytes(wrong.to_json())
    with pytest.raises(DatasetError, match=r"names no layout of rows \(vector_type\)"):
        erased(path, "a")


def test_of_a_report_nothing_of_single_rows_is_left(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a"), marked("b")]], [failure("c", "secret")])
    before = read_report(path)
    assert before is not None
    shown = before.model_copy(
        update={"map": Map(of=2, x=[0, 1], y=[0, 1], category=[-1, -1], texts=["secret", "b"])}
    )
    (Path(path) / "report.json").write_bytes(shown.to_json())
    (Path(path) / "report.html").write_text(f"<head>{MARKER}</head>secret")
    erased(path, "a")
    found = read_report(path)
    assert found == before.model_copy(update={"map": Map(of=2), "places": []})
    assert "secret" not in (Path(path) / "report.html").read_text()


def test_where_nothing_is_forgotten_the_report_stays(tmp_path: Path) -> None:
    path = made(tmp_path, [[marked("a")]])
    (Path(path) / "report.html").write_text("the page")
    before = (Path(path) / "report.json").read_bytes()
    erased(path, "z")
    assert (Path(path) / "report.json").read_bytes() == before
    assert (Path(path) / "report.html").read_text() == "the page"


def test_a_page_that_was_not_drawn_again_before_a_kill_is_drawn_the_next_time(
    tmp_path: Path,
) -> None:
    path = made(tmp_path, [[marked("a")]])
    (Path(path) / "report.html").unlink()
    (Path(path) / "README.md").unlink(missing_ok=True)
    erased(path, "z")
    assert (Path(path) / "report.html").exists()
    assert (Path(path) / "README.md").exists()
