"""Leftovers of stopped runs: parts that hold a document go, the others are gone on with."""

from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, resume
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.leftovers import clear
from embed_pipeline.page_file import MARKER
from embed_pipeline.schema import id_hash
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from tests.support.snapshots import NIGHT, failure, holding, marked, stopped

GONE = frozenset([id_hash("gone"), id_hash("alice.txt")])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run that has left three parts and a file of failures."""
    made = stopped(
        Store(str(tmp_path)),
        1,
        [marked("a")],
        [marked("gone", "a secret"), marked("b")],
        [marked("gone#0", "a secret")._replace(mark=marked("gone").mark)],
    )
    failures = FailureWriter(made)
    failures.add(failure("c", "x"))
    failures.close()
    return made


def standing(run: Run) -> list[str]:
    """Return the files of a run by the kind of their names."""
    return sorted(path.stem.partition("-")[0] + path.suffix for path in Path(run.staging).iterdir())


def rows(run: Run) -> list[str]:
    parts = resume.left(run).parts
    return sorted(one for part in parts for one in pq.read_table(part.path)["id"].to_pylist())


def test_a_part_goes_with_its_origins_and_its_note(run: Run, tmp_path: Path) -> None:
    told = clear(run.path, GONE)
    assert told.files == 6
    assert told.documents == {id_hash("gone")}
    assert rows(run) == ["a"]
    assert len(resume.left(run).failures) == 1
    assert standing(run) == [
        "data.json", "data.parquet", "failures.json", "failures.parquet", "origins.parquet",
        "progress.json", "progress.json", "progress.json", "progress.json", "run.json",
    ]  # fmt: skip
    assert holding(tmp_path, "gone", "a secret") == []


def test_nothing_goes_where_nothing_is_held(run: Run) -> None:
    before = standing(run)
    assert clear(run.path, frozenset([id_hash("z")])).files == 0
    assert standing(run) == before


def test_failures_go_too(run: Run) -> None:
    clear(run.path, frozenset([id_hash("c")]))
    assert resume.left(run).failures == ()
    assert rows(run) == ["a", "b", "gone", "gone#0"]


def test_what_cannot_be_read_goes(run: Run) -> None:
    cut = [Path(run.staging) / name for name in ("data-0a-00000.parquet", "data-0b-00000.json")]
    for path in cut:
        path.write_text("PAR1")
    clear(run.path, frozenset())
    assert [path.exists() for path in cut] == [False, False]
    assert rows(run) == ["a", "b", "gone", "gone#0"]


def test_the_list_of_a_run_s_parts_goes_with_the_first_of_them(run: Run) -> None:
    kept = Path(run.staging) / "kept.json"
    kept.write_text("{}")
    clear(run.path, frozenset([id_hash("z")]))
    assert kept.exists()
    clear(run.path, GONE)
    assert not kept.exists()


def test_a_part_that_a_commit_has_placed_goes_with_its_note(run: Run, tmp_path: Path) -> None:
    for number, part in enumerate(resume.left(run).parts):
        files.move(part.path, files.join(run.path, f"data/part-{number:05d}.parquet"))
    cut = Path(run.staging) / "data-0a-00000.json"
    cut.write_text("{")
    told = clear(run.path, GONE)
    assert told.files == 7
    assert not cut.exists()
    resume.take_back(run)
    assert rows(run) == ["a"]
    assert holding(tmp_path, "gone", "a secret") == []


def test_a_manifest_of_a_run_that_has_not_published_goes_first(run: Run) -> None:
    Path(run.manifest).write_text("{}")
    clear(run.path, frozenset([id_hash("z")]))
    assert Path(run.manifest).exists()
    clear(run.path, GONE)
    assert not Path(run.manifest).exists()


def test_a_run_that_names_a_document_as_a_file_goes_altogether(run: Run) -> None:
    other = Run(run.path, NIGHT.replace("aaaaaa", "bbbbbb"))
    resume.begin(other, {"inputs": [{"path": "/corpus/bob.txt"}]}, "digest")
    resume.begin(run, {"inputs": [{"path": "/corpus/alice.txt"}]}, "digest")
    told = clear(run.path, GONE)
    assert told.documents == GONE
    assert not list(Path(run.staging).iterdir())
    assert Path(other.begun).exists()


def test_a_note_that_names_a_document_as_a_source_goes_with_its_part(run: Run) -> None:
    note = next(Path(run.staging).glob("data-*.json"))
    told = orjson.loads(note.read_bytes())
    note.write_bytes(orjson.dumps({**told, "first": ["/corpus/alice.txt", 1]}))
    clear(run.path, frozenset([id_hash("alice.txt")]))
    assert not note.exists()
    assert not Path(told["path"]).exists()
    assert not Path(told["origins"]).exists()


def test_files_that_are_not_of_a_run_stay(run: Run) -> None:
    mine = [Path(run.path) / "mine.parquet", Path(run.staging) / "mine.txt"]
    for path in mine:
        path.write_text("gone")
    clear(run.path, GONE)
    assert [path.exists() for path in mine] == [True, True]


def test_parts_on_an_object_store(s3: str) -> None:
    run = stopped(Store(s3), 1, [marked("a")], [marked("gone", "a secret"), marked("b")])
    assert clear(run.path, GONE).files == 3
    assert [part.rows for part in resume.left(run).parts] == [1]
    assert len(files.list_folder(files.join(run.path, "data"))) == 1


def test_a_report_that_was_never_published_goes(run: Run) -> None:
    Path(run.path, "report.json").write_text("a secret")
    Path(run.path, "report.html").write_text(f"<head>{MARKER}</head>a secret")
    before = standing(run)
    assert clear(run.path, frozenset([id_hash("nobody")])).files == 0
    assert sorted(path.name for path in Path(run.path).iterdir()) == ["staging"]
    assert standing(run) == before
