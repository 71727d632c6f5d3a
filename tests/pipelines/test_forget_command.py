"""The command that makes a store forget: its ids, what it prints, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embed_pipeline.forget import Forgotten
from embed_pipeline.pipelines.cli import invoke
from embed_pipeline.pipelines.forget_command import lines
from embed_pipeline.proof import Proof
from embed_pipeline.store import Store
from tests.support.snapshots import failure, holding, ids, marked, snapshot, stopped

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "store"))
    changes = [("insert", marked("erin", "a secret"))]
    rows = [marked("a"), marked("erin", "a secret")]
    snapshot(made, 1, [rows], [failure("b", " "), failure(None, " ")], changes)
    return made


def forget(store: Store, content: bytes, *flags: str) -> int:
    listed = Path(store.path).parent / "ids.txt"
    listed.write_bytes(content)
    return invoke(["forget", store.path, "--ids", str(listed), *flags])


def test_documents_are_deleted_and_it_is_told_what_was_done(capsys: Captured, store: Store) -> None:
    assert forget(store, b"erin\nb\nnever-there\n") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[:4] == [
        f"{store.path}: 3 ids, 2 of them found, 1 not found; no refresh brings any of them back",
        "snapshot 000001: 1 row, 1 failure, 1 change deleted",
        "11 files looked through: no row, failure or change of these documents is left",
        "1 failure without an id: nobody knows whose; see `source` and `line` in failures/",
    ]
    assert "delete the same ids there" in told
    assert "backups" in told
    assert ids(store.snapshot(1)) == ["a"]
    assert holding(Path(store.path), "erin", "a secret") == []


def test_one_json_object_tells_the_same_and_names_no_document(
    capsys: Captured, store: Store
) -> None:
    (Path(store.path) / "notes.txt").write_text("mine")
    assert forget(store, b"erin\nnever-there\n", "--json") == 0
    told = capsys.readouterr().out
    assert "erin" not in told
    assert json.loads(told) == {
        "store": store.path,
        "asked": 2,
        "known": 0,
        "found": 1,
        "not_found": 1,
        "snapshots": [{"snapshot": 1, "rows": 1, "failures": 0, "changes": 1}],
        "leftovers_deleted": 0,
        "files_looked_through": 11,
        "done": True,
        "problems": [],
        "mentions": [],
        "foreign": [f"{store.path}/notes.txt"],
        "failures_without_id": 1,
    }


def test_the_inspection_of_a_snapshot_holds_afterwards(capsys: Captured, store: Store) -> None:
    assert forget(store, b"erin\n") == 0
    assert invoke(["inspect", store.snapshot(1)]) == 0
    assert "every check holds" in capsys.readouterr().out


def test_a_second_time_tells_that_they_were_forgotten_before(
    capsys: Captured, store: Store
) -> None:
    assert forget(store, b"erin\n") == 0
    capsys.readouterr()
    assert forget(store, b"erin\n") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "1 id, 0 of them found, 1 not found, 1 had been forgotten before" in first


@pytest.mark.parametrize(
    "content", [b"erin", b"erin\n", b"\xef\xbb\xbferin\r\n\r\n  \nerin\r\n"], ids=repr
)
def test_ids_stand_one_a_line(store: Store, content: bytes) -> None:
    assert forget(store, content) == 0
    assert ids(store.snapshot(1)) == ["a"]


def test_ids_come_from_standard_input(store: Store) -> None:
    command = [sys.executable, "-m", "embed_pipeline", "forget", store.path, "--ids", "-"]
    done = subprocess.run(
        command, input=b"erin\n", cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ids(store.snapshot(1)) == ["a"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "holds no ids"), (b"\n \n", "holds no ids"), (b"a\n\xff\n", ":2 is not UTF-8")],
    ids=["empty", "blank", "not UTF-8"],
)
def test_a_file_without_ids_is_refused(
    capsys: Captured, store: Store, content: bytes, why: str
) -> None:
    assert forget(store, content) == 2
    assert why in capsys.readouterr().err
    assert ids(store.snapshot(1)) == ["a", "erin"]


def test_what_cannot_be_looked_into_is_exit_code_1(capsys: Captured, store: Store) -> None:
    (Path(store.path) / "broken.parquet").write_bytes(b"PAR1")
    assert forget(store, b"erin\n") == 1
    told = capsys.readouterr().out
    assert "broken.parquet cannot be read" in told
    assert "not proven" in told


def test_a_rest_that_is_not_ours_to_delete_is_exit_code_1(capsys: Captured, store: Store) -> None:
    old = Path(store.snapshot(1)) / "data/part-00000.parquet"
    (Path(store.path) / "mine.parquet").write_bytes(old.read_bytes())
    assert forget(store, b"erin\n") == 1
    assert "mine.parquet: 1 rows of 1 documents" in capsys.readouterr().out


def test_what_is_worth_a_look_is_told_in_few_lines(capsys: Captured, store: Store) -> None:
    stopped(store, 2, [marked("erin", "a secret"), marked("c")])
    for number in range(7):
        (Path(store.path) / f"{number}.txt").write_text("mine")
    (Path(store.path) / "log").mkdir()
    (Path(store.path) / "log/000001.json").write_text('{"run_id": "erin"}')
    assert forget(store, b"erin\n") == 0
    told = capsys.readouterr().out.splitlines()
    assert "stopped runs: 3 files deleted, whose other texts are embedded again" in told
    assert f"{store.path}/log/000001.json names one of the ids as a setting or a file" in told
    assert f"{store.path}/0.txt is no file of ours, and was not looked into" in told
    assert [line for line in told if "no file of ours" in line or "more" in line][5:] == [
        "... and 2 more"
    ]


def test_what_a_bucket_keeps_is_told() -> None:
    told = Forgotten(1, 0, 1, {}, 0, (), Proof(3, [], [], [], [], 0))
    shown = [line for _, line in lines("s3://bucket/store", told)]
    assert (
        "- earlier versions and soft-deleted objects of the bucket, its replicas and backups"
        in (shown)
    )


def test_no_store_is_exit_code_1(capsys: Captured, tmp_path: Path) -> None:
    assert forget(Store(str(tmp_path / "none")), b"erin\n") == 1
    assert "holds no store" in capsys.readouterr().err
