"""What refreshes that stopped have left, and what of it may be reused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, resume, unfinished
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.job import Job
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.staging import Run
from embed_pipeline.unfinished import NOTHING, Unfinished
from tests.support.marked import embedded, failed, layout, source
from tests.support.rows import made_by, row
from tests.support.scripted import DIGEST

FIRST, SECOND = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"


def job(path: Path, **changes: Any) -> Job:
    made = {
        "corpus": {"files": "f.jsonl"},
        "endpoint": {"url": "http://127.0.0.1:1", "model": "all-minilm"},
        "output": {"path": str(path)},
    }
    return Job.model_validate(made | changes)


def stopped(
    path: Path,
    run_id: str,
    *rows: Embedded,
    lost: Sequence[Failed] = (),
    made: dict[str, Any] | None = None,
    **how: Any,
) -> list[PartFile]:
    """Leave behind what a refresh has that stopped, as one whole file of rows."""
    run = Run(str(path), run_id)
    how = {"settings": job(path), "reembed": False, **how}
    unfinished.begin(run, how["settings"], reembed=how["reembed"])
    writer = RowWriter(run, layout(path), made or made_by())
    for one in rows:
        writer.add(one)
    failures = FailureWriter(run)
    for each in lost:
        failures.add(each)
    failures.close()
    return [one for one in writer.close() if isinstance(one, PartFile)]


def found(path: Path, origin: dict[str, Any] | None = None, **how: Any) -> Unfinished:
    how = {"settings": job(path), "digest": DIGEST, "reembed": False, **how}
    return unfinished.find(
        str(path), how["settings"], origin, how["digest"], reembed=how["reembed"]
    )


def paths(left: Unfinished) -> list[str]:
    return [one.part.path for one in left.sources]


def test_where_nothing_was_begun_nothing_is_left(tmp_path: Path) -> None:
    assert found(tmp_path) == NOTHING


def test_whole_files_of_the_same_settings_are_reused(tmp_path: Path) -> None:
    (part,) = stopped(tmp_path, FIRST, embedded("a", "one"), embedded("b", "two"))
    left = found(tmp_path)
    assert (paths(left), left.rows) == ([part.path], {FIRST: 2})
    assert left.origin == resume.as_told(made_by())


def test_each_file_counts_as_a_run_of_its_own(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    stopped(tmp_path, FIRST, embedded("b", "two"))
    stopped(tmp_path, SECOND, embedded("c", "three"))
    left = found(tmp_path)
    assert sorted(one.run for one in left.sources) == [1, 2, 3]
    assert left.rows == {FIRST: 2, SECOND: 1}


def test_the_corpus_may_be_another_since_rows_are_known_by_their_marks(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    other = job(tmp_path, corpus={"files": "g.csv", "id": "key"})
    assert len(found(tmp_path, settings=other).sources) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": {"prefix": "p: "}},
        {"endpoint": {"url": "http://127.0.0.1:1", "model": "other"}},
        {"output": {"path": "out", "text": "drop"}},
    ],
)
def test_files_of_other_settings_are_not_reused_and_told_of(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    left = found(tmp_path, settings=job(tmp_path, **changes))
    assert left == Unfinished((), (), None, {FIRST: 0})


@pytest.mark.parametrize("reembed", [True, False])
def test_a_refresh_that_embeds_everything_anew_goes_on_with_its_own_kind_only(
    tmp_path: Path, reembed: bool
) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"), reembed=reembed)
    assert len(found(tmp_path, reembed=reembed).sources) == 1
    assert found(tmp_path, reembed=not reembed).sources == ()


def test_vectors_of_another_digest_are_not_reused(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    assert found(tmp_path, digest="x").rows == {FIRST: 0}
    assert len(found(tmp_path, digest="").sources) == 1  # not known yet


def test_vectors_of_another_engine_than_the_snapshots_are_not_reused(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    assert found(tmp_path, {**made_by(), "context": 512}).sources == ()
    assert len(found(tmp_path, made_by()).sources) == 1


def test_vectors_of_two_engines_never_meet(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    stopped(tmp_path, SECOND, embedded("b", "two"), made={**made_by(), "context": 512})
    assert found(tmp_path).rows == {FIRST: 1, SECOND: 0}


def test_a_file_whose_bytes_are_others_is_not_reused(tmp_path: Path) -> None:
    (part,) = stopped(tmp_path, FIRST, embedded("a", "one"))
    content = files.read_bytes(part.path)
    files.write_bytes(part.path, content[:-1] + b"?")
    assert found(tmp_path).sources == ()


@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_a_file_whose_marks_cannot_be_read_is_not_reused(
    tmp_path: Path, content: bytes | None
) -> None:
    (part,) = stopped(tmp_path, FIRST, embedded("a", "one"))
    stopped(tmp_path, SECOND, embedded("b", "two"))
    if content is None:
        files.delete(part.origins)
    else:
        files.write_bytes(part.origins, content)
    rows = found(tmp_path).rows
    assert (rows.get(FIRST, 0), rows[SECOND]) == (0, 1)


def test_a_file_with_fewer_marks_than_rows_is_not_reused(tmp_path: Path) -> None:
    (part,) = stopped(tmp_path, FIRST, embedded("a", "one"), embedded("b", "two"))
    pq.write_table(pq.read_table(part.origins).slice(1), part.origins)
    assert found(tmp_path).sources == ()


def test_rows_without_marks_are_not_reused(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, row("a", "one", attributes={"n": 1}))
    assert found(tmp_path).sources == ()


def test_failures_come_along_with_the_rows(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"), lost=[failed("p", "poison")])
    (path,) = found(tmp_path).failures
    assert pq.read_table(path)["text"].to_pylist() == ["poison"]


def test_failures_alone_count_only_where_it_is_known_what_made_them(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, lost=[failed("p", "poison")])
    assert found(tmp_path) == NOTHING
    left = found(tmp_path, made_by())
    assert (len(left.failures), left.sources, left.rows) == (1, (), {})


def test_failures_beside_rows_of_another_engine_do_not_count(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"), lost=[failed("p", "poison")])
    assert found(tmp_path, {**made_by(), "context": 512}).failures == ()


def test_a_manifest_that_was_never_published_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert found(tmp_path) == NOTHING
    assert not (tmp_path / "manifest.json").exists()


def test_files_that_a_killed_commit_has_placed_are_taken_back(tmp_path: Path) -> None:
    (part,) = stopped(tmp_path, FIRST, embedded("a", "one"))
    files.move(part.path, str(tmp_path / "data" / "part-00000.parquet"))
    assert paths(found(tmp_path)) == [part.path]
    assert files.exists(part.path)


def test_a_run_that_says_nothing_of_itself_is_left_alone(tmp_path: Path) -> None:
    run = Run(str(tmp_path), FIRST)
    source(layout(tmp_path), embedded("a", "one"))
    files.write_bytes(run.begun, b"no JSON")
    assert found(tmp_path) == NOTHING


def test_what_was_forgotten_is_not_reused(tmp_path: Path) -> None:
    stopped(tmp_path, FIRST, embedded("a", "one"))
    resume.forget(Run(str(tmp_path), FIRST))
    assert found(tmp_path) == NOTHING
