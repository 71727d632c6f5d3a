"""What of earlier runs is reused: of this very job and model, whole, and each row once."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from embed_pipeline import files, resume
from embed_pipeline.done import Keying
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.progress import read_progress
from embed_pipeline.records import Failed
from embed_pipeline.resume import Reused
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIGEST, DIMENSION

JOB: dict[str, Any] = {"inputs": ["f"], "tokens": {"prefix": ""}}
LATER = "20260102T000000Z-def456"


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "out")


def keying(out: str) -> Keying:
    return Keying(Layout(Output(path=out), DIMENSION, {}), whole=False)


def begun(out: str, run_id: str = RUN_ID) -> Run:
    run = Run(out, run_id)
    resume.begin(run, JOB, DIGEST)
    return run


def part(run: Run, *ids: str, **made: Any) -> PartFile:
    writer = RowWriter(run, keying(run.path).layout, {**made_by(), **made})
    for name in ids:
        writer.add(row(name))
    (found,) = writer.close()
    assert isinstance(found, PartFile)
    return found


def failed(run: Run) -> PartFile:
    writer = FailureWriter(run)
    writer.add(Failed("x", "t", None, "f", 9, "embed", "RunnerCrashed", "document", "no", 400, 3))
    (found,) = writer.close()
    return found


def reused(out: str, job: dict[str, Any] = JOB, digest: str = DIGEST) -> Reused | None:
    return resume.choose(resume.candidates(out, job, digest), made_by(), keying(out))


def test_whole_files_of_the_same_job_and_model_are_reused(out: str) -> None:
    run = begun(out)
    rows, failures = part(run, "a", "b"), failed(run)
    found = reused(out)
    assert found is not None
    assert (found.parts, found.failures, found.runs) == ((rows,), (failures.path,), (run,))
    assert (found.rows, found.provenance) == (2, made_by())


def test_nothing_left_is_nothing_reused(out: str) -> None:
    begun(out)
    assert reused(out) is None


@pytest.mark.parametrize(
    ("job", "digest"),
    [
        ({**JOB, "inputs": ["g"]}, DIGEST),
        ({**JOB, "tokens": {"prefix": "passage: "}}, DIGEST),
        (JOB, "another"),
        (JOB, ""),
    ],
)
def test_another_job_or_model_reuses_nothing(out: str, job: dict[str, Any], digest: str) -> None:
    part(begun(out), "a")
    assert reused(out, job, digest) is None


@pytest.mark.parametrize(
    ("job", "digest", "reason"),
    [
        ({**JOB, "inputs": ["g"]}, DIGEST, "it was of other input files or settings"),
        (JOB, "another", "it was of another model"),
        (JOB, "", "nobody knows whether it was of the same model: the endpoint told no digest"),
        (JOB, DIGEST, "it has left no whole file"),
    ],
)
def test_why_nothing_of_a_run_is_reused_is_told(
    out: str, job: dict[str, Any], digest: str, reason: str
) -> None:
    assert resume.why_not(begun(out), job, digest) == reason


def test_that_a_run_is_still_running_is_told(out: str) -> None:
    run = begun(out)
    told = resume.told_of(run)
    assert told is not None
    files.write_bytes(run.begun, orjson.dumps({**told, "pid": os.getppid()}))

    found = resume.why_not(run, JOB, DIGEST)

    assert found == f"it is still running (process {os.getppid()})"


def test_that_a_run_does_not_say_what_it_is_of_is_told(out: str) -> None:
    run = begun(out)
    resume.forget(run)

    assert resume.why_not(run, JOB, DIGEST) == "it does not say what it is of"


def test_a_digest_that_nobody_knows_never_matches(out: str) -> None:
    run = Run(out, RUN_ID)
    resume.begin(run, JOB, "")
    part(run, "a")
    assert reused(out, JOB, "") is None


@pytest.mark.parametrize(
    "made",
    [
        {"digest": "another"},
        {"context": 128},
        {"options": {"num_ctx": 512}},
        {"prefix": "passage: "},
        {"tokenizer": {"from": "file", "sha256": "00"}},
    ],
)
def test_vectors_of_another_making_are_not_reused(out: str, made: dict[str, Any]) -> None:
    part(begun(out), "a", **made)
    assert reused(out) is None


def test_another_address_or_version_with_the_same_vectors_does_not_matter(out: str) -> None:
    part(begun(out), "a", endpoint="http://elsewhere", endpoint_version="9")
    found = reused(out)
    assert found is not None
    assert found.provenance == {
        **made_by(),
        "endpoint": "http://elsewhere",
        "endpoint_version": "9",
    }


def test_the_files_of_a_dataset_have_one_origin(out: str) -> None:
    run = begun(out)
    first = part(run, "a", endpoint_version="8")
    later = begun(out, LATER)
    part(later, "b", endpoint_version="9")
    found = reused(out)
    assert found is not None
    assert found.parts == (first,)


def test_a_file_without_its_note_is_not_whole(out: str) -> None:
    run = begun(out)
    part(run, "a")
    for note in Path(run.staging).glob("data-*.json"):
        note.unlink()
    assert reused(out) is None


@pytest.mark.parametrize("damage", ["cut", "changed", "deleted", "origins", "origins cut"])
def test_a_damaged_file_is_not_reused(out: str, damage: str) -> None:
    run = begun(out)
    found = part(run, "a")
    path = Path(found.origins if "origins" in damage else found.path)
    content = path.read_bytes()
    path.unlink()
    if "cut" in damage:
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(content[:20] + bytes([content[20] ^ 255]) + content[21:])
    assert reused(out) is None


def test_a_row_that_two_runs_have_is_taken_once(out: str) -> None:
    first = part(begun(out), "a", "b")
    later = begun(out, LATER)
    part(later, "b", "c")
    own = part(later, "d")
    found = reused(out)
    assert found is not None
    assert found.parts == (first, own)
    assert [one.run_id for one in found.runs] == [RUN_ID, LATER]


def test_a_forgotten_run_is_not_reused(out: str) -> None:
    run = begun(out)
    part(run, "a")
    resume.forget(run)
    assert reused(out) is None


def test_only_what_was_written_before_a_doubt_is_reused(out: str) -> None:
    run = begun(out)
    before = part(run, "a")
    after = part(run, "b")
    assert before.closed < after.closed
    resume.forget(run, before.closed)
    found = reused(out)
    assert found is not None
    assert found.parts == (before,)


def test_what_is_reused_counts_as_progress(out: str) -> None:
    part(begun(out), "a", "b")
    found = reused(out)
    assert found is not None
    resume.counted(Run(out, LATER), found)
    assert read_progress(Run(out, LATER))[:2] == (2, 10)


def place(part: PartFile, out: str, folder: str = "data") -> Path:
    """Give a part its final name, as the commit does."""
    target = f"{out}/{folder}/part-00000.parquet"
    files.move(part.path, target)
    return Path(target)


def test_what_a_killed_commit_had_placed_is_taken_back_and_reused(out: str) -> None:
    run = begun(out)
    first, second, failures = part(run, "a"), part(run, "b"), failed(run)
    placed = [place(first, out), place(failures, out, "failures")]
    found = reused(out)
    assert found is not None
    assert found.parts == tuple(sorted((first, second), key=lambda one: one.path))
    assert found.failures == (failures.path,)
    assert [path.exists() for path in placed] == [False, False]


def test_what_a_dataset_consists_of_is_not_taken_back(out: str) -> None:
    run = begun(out)
    placed = place(part(run, "a"), out)
    Path(run.manifest).write_text("{}")
    assert reused(out) is None
    assert placed.exists()


def test_a_placed_file_with_other_bytes_is_not_taken_back(out: str) -> None:
    placed = place(part(begun(out), "a"), out)
    content = placed.read_bytes()
    placed.write_bytes(content[:20] + bytes([content[20] ^ 255]) + content[21:])
    assert reused(out) is None
    assert placed.exists()


def test_nothing_is_taken_back_for_a_run_that_is_forgotten(out: str) -> None:
    run = begun(out)
    placed = place(part(run, "a"), out)
    resume.forget(run)
    assert reused(out) is None
    assert placed.exists()


def test_parts_on_an_object_store_are_reused_as_well(s3: str) -> None:
    out = s3.replace("?", "/out?")
    run = begun(out)
    found, failures = part(run, "a"), failed(run)
    again = reused(out)
    assert again is not None
    assert (again.parts, again.failures) == ((found,), (failures.path,))
