"""The commit: what parts become, what is refused, and that the manifest comes last."""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import commit, files, interrupt, resume
from embed_pipeline.commit import Merged, Target
from embed_pipeline.errors import DatasetError, InterruptedJobError, NothingSucceeds, RefusedError
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.kept import find_kept
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.progress import read_progress
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.report import Map, Report, read_report
from embed_pipeline.staging import Run, give_up
from embed_pipeline.verify import verify
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIGEST

WHOLE = ["README.md", "data", "manifest.json", "report.html", "report.json"]
NEXT_RUN_ID = "20260102T000000Z-abc123"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def target(out: Path, on_duplicate: str = "error", **output: Any) -> Target:
    settings = Output.model_validate({"path": str(out), **output})
    run = Run(str(out), RUN_ID)
    return Target(run, "2026-01-01T00:00:00+00:00", settings, {}, on_duplicate, {"inputs": ["f"]})


def another_run(out: Path) -> Run:
    return Run(str(out), "20260102T000000Z-def456")


def part(to: Target, *rows: Embedded) -> PartFile:
    """Write rows as one part."""
    writer = RowWriter(to.run, to.layout(made_by()), made_by())
    for one in rows:
        writer.add(one)
    (found,) = writer.close()
    assert isinstance(found, PartFile)
    return found


def failures(to: Target, *ids: str) -> list[PartFile]:
    writer = FailureWriter(to.run)
    for name in ids:
        writer.add(Failed(name, "t", None, "f.jsonl", 9, "embed", "EmptyText", "document", "empty"))
    return list(writer.close())


def published(to: Target, written: Written) -> Manifest:
    merged = [commit.merge(to, made_by(), task) for task in commit.plan(to, written)]
    return commit.publish(to, written, merged)


def ids(out: Path) -> list[str]:
    found: list[str] = pq.read_table(out / "data")["id"].to_pylist()
    return found


def test_small_neighbors_become_one_file_in_the_order_of_their_first_rows(out: Path) -> None:
    to = target(out)
    later = part(to, row("c", source="f.jsonl", line=3))
    sooner = part(to, row("a", source="f.jsonl", line=1), row("b", source="f.jsonl", line=2))
    published(to, Written(made_by(), 3, [later, sooner], []))
    assert sorted(path.name for path in out.iterdir()) == WHOLE
    assert [path.name for path in (out / "data").iterdir()] == ["part-00000.parquet"]
    assert ids(out) == ["a", "b", "c"]


def test_who_watches_is_told_that_the_dataset_is_written(out: Path) -> None:
    to = target(out)
    written = Written(made_by(), 1, [part(to, row("a"))], [])
    assert not read_progress(to.run).writing
    commit.plan(to, written)
    assert read_progress(to.run).writing


def test_a_large_part_is_taken_as_it_is(out: Path) -> None:
    to = target(out, file_mb=1)
    large = part(to, *(row(f"d{n}", text=Random(n).randbytes(20_000).hex()) for n in range(40)))
    assert large.bytes > 500_000
    small = part(to, row("z1", source="z", line=1))
    smaller = part(to, row("z2", source="z", line=2))
    groups = [
        task.parts for task in commit.plan(to, Written(made_by(), 42, [large, small, smaller], []))
    ]
    assert groups == [(large,), (small, smaller)]


def test_a_part_of_half_the_size_at_which_parts_are_closed_is_taken_as_it_is(out: Path) -> None:
    to = target(out, file_mb=100, checkpoint_mb=20)
    sizes = [9, 1, 10, 20, 2, 3]
    parts = [
        part(to, row(f"d{n}", source="f", line=n))._replace(bytes=size * 1_000_000)
        for n, size in enumerate(sizes)
    ]
    tasks = commit.plan(to, Written(made_by(), 6, parts, []))
    groups = [[one.bytes // 1_000_000 for one in task.parts] for task in tasks]
    assert groups == [[9, 1], [10], [20], [2, 3]]


def test_a_file_of_another_dataset_is_shared_and_stays_there(out: Path, tmp_path: Path) -> None:
    other, to = target(tmp_path / "other"), target(out)
    there = part(other, row("a"))
    (placed,) = commit.placed(to.run, "data", [there])
    assert (placed.path, placed.sha256) == ("data/part-00000.parquet", there.sha256)
    assert (out / placed.path).stat().st_ino == Path(there.path).stat().st_ino


def test_the_manifest_lists_files_with_rows_and_hashes(out: Path) -> None:
    to = target(out)
    manifest = published(to, Written(made_by(), 2, [part(to, row("a"))], failures(to, "b")))
    for file in (*manifest.data, *manifest.failures):
        data = (out / file.path).read_bytes()
        assert (file.rows, file.bytes, file.sha256) == (
            1,
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
    assert read_manifest(str(out)) == manifest


def test_the_manifest_counts(out: Path) -> None:
    to = target(out)
    counts = published(to, Written(made_by(), 2, [part(to, row("a"))], failures(to, "b"))).counts
    assert counts.model_dump() == {
        "documents": 2,
        "rows": 1,
        "failed": 1,
        "duplicates_dropped": 0,
        "tokens": 5,
        "rows_by_token_count_source": {"estimated": 1},
        "rows_by_truncated": {"null": 1},
        "failed_by_blame_and_kind": {"document:EmptyText": 1},
        "chunked_documents": None,
    }


def test_rows_are_counted_by_source_and_by_what_truncated_says_kept_or_merged(out: Path) -> None:
    to = target(out, file_mb=1)
    text = [Random(n).randbytes(30_000).hex() for n in range(20)]
    large = part(to, *(row(f"d{n}", t, truncated=True, line=1) for n, t in enumerate(text)))
    assert large.truncated == {"true": 20}
    small = [
        part(to, row("a", truncated=False, token_count_source="server", source="z", line=1)),
        part(to, row("b", truncated=None, token_count_source="verified", source="z", line=2)),
        part(to, row("c", truncated=True, token_count_source="verified", source="z", line=3)),
    ]
    counts = published(to, Written(made_by(), 23, [large, *small], [])).counts
    assert counts.rows_by_truncated == {"false": 1, "null": 1, "true": 21}
    assert counts.rows_by_token_count_source == {"estimated": 20, "server": 1, "verified": 2}


def test_what_the_run_found_out_besides_is_in_the_manifest(out: Path) -> None:
    to = target(out)
    recount = {"verified": {"asked": 100, "agreed": 99}}
    manifest = published(to, Written(made_by(), 1, [part(to, row("a"))], [], recount, 7))
    assert (manifest.recount, manifest.counts.chunked_documents) == (recount, 7)
    assert read_manifest(str(out)) == manifest


def test_what_was_planned_is_held_against_what_it_took(out: Path) -> None:
    started = "2020-01-01T00:00:00.500+00:00"
    expected = {"seconds": 60.0, "low": 50.0, "high": 75.0}
    to = target(out)._replace(started=started, expected=expected)
    manifest = published(to, Written(made_by(), 1, [part(to, row("a"))], []))
    took = datetime.fromisoformat(manifest.finished) - datetime.fromisoformat(started)
    assert manifest.plan == {**expected, "actual_seconds": round(took.total_seconds(), 1)}


def test_where_nothing_was_planned_nothing_is_held_against_it(out: Path) -> None:
    to = target(out)
    assert published(to, Written(made_by(), 1, [part(to, row("a"))], [])).plan is None


def test_times_are_to_the_millisecond_in_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", commit.now())


def test_a_run_that_is_done_again_after_it_has_published_changes_nothing(out: Path) -> None:
    to = target(out)
    first = published(to, Written(made_by(), 1, [part(to, row("a"))], []))
    again = Written(made_by(), 1, [part(to, row("a"))], [])
    assert commit.publish(to, again, [Merged(0, again.parts[0], 0)]) == first
    assert read_manifest(str(out)) == first
    assert ids(out) == ["a"]
    assert not (out / "staging").exists()


def test_a_run_that_was_given_up_publishes_nothing(out: Path) -> None:
    to = target(out)
    written = Written(made_by(), 1, [part(to, row("a"))], [])
    give_up(to.run)
    with pytest.raises(InterruptedJobError, match="given this run up"):
        commit.plan(to, written)
    with pytest.raises(InterruptedJobError, match="given this run up"):
        commit.publish(to, written, [Merged(0, written.parts[0], 0)])
    assert not (out / "manifest.json").exists()


def test_a_lost_document_is_noticed_and_nothing_is_published(out: Path) -> None:
    to = target(out)
    with pytest.raises(
        DatasetError, match=r"3 documents came in, but 1 rows and 1 failures.*1 are missing"
    ):
        published(to, Written(made_by(), 3, [part(to, row("a"))], failures(to, "b")))
    assert not (out / "manifest.json").exists()
    assert (out / "staging" / RUN_ID).is_dir()


def test_no_rows_still_open_with_the_right_types(out: Path) -> None:
    to = target(out)
    published(to, Written(made_by(), 0, [], []))
    table = pq.read_table(out / "data")
    assert (table.num_rows, str(table.schema.field("vector").type)) == (
        0,
        "fixed_size_list<element: float not null>[8]",
    )


def test_an_old_dataset_is_replaced_with_all_its_files(out: Path) -> None:
    to = target(out, on_exists="overwrite")
    published(to, Written(made_by(), 2, [part(to, row("a"))], failures(to, "b")))
    (out / "data" / "part-00007.parquet").write_bytes(b"left over")
    to = to._replace(run=another_run(out))
    published(to, Written(made_by(), 1, [part(to, row("new"))], []))
    assert ids(out) == ["new"]
    assert list((out / "failures").iterdir()) == []


def test_duplicate_ids_are_refused_with_file_and_line(out: Path) -> None:
    to = target(out)
    parts = [
        part(to, row("a", source="f.jsonl", line=1), row("b", source="f.jsonl", line=2)),
        part(to, row("a", source="g.jsonl", line=7)),
    ]
    with pytest.raises(
        RefusedError, match=r"1 ids stand more than once: 'a' at f.jsonl:1 and g.jsonl:7\."
    ):
        commit.plan(to, Written(made_by(), 3, parts, []))


def test_an_id_among_rows_and_failures_is_a_duplicate_too(out: Path) -> None:
    to = target(out)
    written = Written(
        made_by(), 2, [part(to, row("a", source="f.jsonl", line=1))], failures(to, "a")
    )
    with pytest.raises(RefusedError, match=r"'a' at f.jsonl:1 and f.jsonl:9"):
        commit.plan(to, written)


def test_what_was_refused_is_kept_and_found_by_the_same_job(out: Path) -> None:
    to = target(out)
    recount = {"verified": {"asked": 2, "agreed": 1}}
    written = Written(made_by(), 2, [part(to, row("a"), row("a"))], [], recount, 1)
    with pytest.raises(RefusedError):
        commit.plan(to, written)
    found = find_kept(str(out), {"inputs": ["f"]}, DIGEST)
    assert found == (to.run, written, ())
    assert find_kept(str(out), {"inputs": ["g"]}, DIGEST) is None
    assert find_kept(str(out), {"inputs": ["f"]}, "another digest") is None


@pytest.mark.parametrize(("policy", "text"), [("first", "one"), ("last", "three")])
def test_one_of_the_duplicates_can_be_kept(out: Path, policy: str, text: str) -> None:
    to = target(out, policy)
    parts = [
        part(to, row("a", "one", source="f", line=1), row("a", "two", source="f", line=2)),
        part(to, row("b", "else", source="g", line=1), row("a", "three", source="g", line=2)),
    ]
    manifest = published(to, Written(made_by(), 4, parts, []))
    table = pq.read_table(out / "data")
    assert sorted(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)) == [
        ("a", text),
        ("b", "else"),
    ]
    assert (manifest.counts.rows, manifest.counts.duplicates_dropped, manifest.counts.tokens) == (
        2,
        2,
        10,
    )


def test_a_stopped_job_is_not_committed(out: Path) -> None:
    interrupt.request_stop(2)
    with pytest.raises(InterruptedJobError):
        commit.plan(target(out), Written(made_by(), 0, [], []))


def test_a_dataset_another_run_has_published_meanwhile_is_left_alone(out: Path) -> None:
    to = target(out)
    published(to, Written(made_by(), 1, [part(to, row("a"))], []))
    to = to._replace(run=another_run(out))
    with pytest.raises(RefusedError, match="another run has published a dataset"):
        published(to, Written(made_by(), 1, [part(to, row("b"))], []))
    assert ids(out) == ["a"]


@pytest.mark.parametrize("on_exists", ["error", "overwrite"])
def test_publishing_again_changes_nothing(out: Path, on_exists: str) -> None:
    to = target(out, on_exists=on_exists)
    written = Written(made_by(), 3, [part(to, row("a")), part(to, row("b"))], failures(to, "c"))
    merged = [commit.merge(to, made_by(), task) for task in commit.plan(to, written)]
    first = commit.publish(to, written, merged)
    assert commit.publish(to, written, merged) == first == read_manifest(str(out))
    assert verify(str(out), first).problems == []


def test_merging_keeps_rows_footer_and_encoding(out: Path) -> None:
    to = target(out)
    parts = (part(to, row("a")), part(to, row("b")))
    merged = commit.merge(to, made_by(), commit.MergeTask(0, parts, ((), ())))
    assert isinstance(merged, Merged)
    metadata = pq.read_metadata(merged.file.path)
    assert (
        metadata.metadata[b"embed_pipeline"]
        == pq.read_metadata(parts[0].path).metadata[b"embed_pipeline"]
    )
    assert not metadata.row_group(0).column(2).has_dictionary_page
    assert metadata.num_row_groups == 1
    assert merged.file.rows == 2


def crashed(to: Target, *ids: str) -> list[PartFile]:
    """Write failures that the endpoint may be to blame for."""
    writer = FailureWriter(to.run)
    for name in ids:
        writer.add(Failed(name, "t", None, "f", 9, "embed", "RunnerCrashed", "document", "x", 400))
    return list(writer.close())


def test_where_no_text_got_a_vector_nothing_is_published_nor_remembered(out: Path) -> None:
    to = target(out)
    resume.begin(to.run, to.job, DIGEST)
    written = Written(made_by(), 3, [], [*crashed(to, "a", "b"), *failures(to, "c")])
    with pytest.raises(NothingSucceeds, match=r"2 have failed .* 2 of them with RunnerCrashed"):
        commit.plan(to, written)
    assert resume.candidates(str(out), to.job, DIGEST) == []


def test_failures_beside_rows_are_published(out: Path) -> None:
    to = target(out)
    counts = published(to, Written(made_by(), 2, [part(to, row("a"))], crashed(to, "b"))).counts
    assert (counts.rows, counts.failed) == (1, 1)


def test_documents_that_all_fail_by_themselves_are_published(out: Path) -> None:
    to = target(out)
    assert published(to, Written(made_by(), 1, [], failures(to, "a"))).counts.failed == 1


def test_more_documents_than_reused_rows_of_the_same_key_are_duplicates(out: Path) -> None:
    to = target(out, "first")
    written = Written(made_by(), 3, [part(to, row("a"))], [], repeated=2)
    assert published(to, written).counts.duplicates_dropped == 2
    with pytest.raises(RefusedError, match="2 documents with the id and the file of others"):
        commit.plan(target(out), written._replace(parts=[part(to, row("a"))]))


def test_reused_rows_without_their_document_are_not_published(out: Path) -> None:
    to = target(out)._replace(reused=(Run(str(out), "20250101T000000Z-aaaaaa"),))
    written = Written(made_by(), 1, [part(to, row("a"), row("b"))], [])
    with pytest.raises(DatasetError, match=r"1 of the vectors .* run the job again with --fresh"):
        published(to, written)
    assert not (out / "manifest.json").exists()


def test_runs_whose_parts_are_published_are_deleted(out: Path) -> None:
    earlier = Run(str(out), "20250101T000000Z-aaaaaa")
    old = part(target(out)._replace(run=earlier), row("a"))
    to = target(out)._replace(reused=(earlier,))
    published(to, Written(made_by(), 2, [old, part(to, row("b"))], []))
    assert ids(out) == ["b", "a"] or ids(out) == ["a", "b"]
    assert sorted(path.name for path in out.iterdir()) == WHOLE


def test_failures_become_one_file(out: Path) -> None:
    to = target(out)
    found = [*failures(to, "a"), *failures(to, "b")]
    manifest = published(to, Written(made_by(), 3, [part(to, row("c"))], found))
    assert [(file.path, file.rows) for file in manifest.failures] == [
        ("failures/part-00000.parquet", 2)
    ]


def test_the_report_has_what_was_counted(out: Path) -> None:
    to = target(out)
    written = Written(made_by(), 1, [part(to, row("a"))], [], report=Report(context=7))
    manifest = published(to, written)
    assert read_report(str(out)) == Report(run_id=manifest.run_id, context=7)
    assert (out / "report.html").exists()


def killed(to: Target, written: Written, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Publish, and break off right before or after the manifest is written."""
    write = files.write_bytes

    def broken(path: str, content: bytes) -> None:
        if after or not path.endswith("manifest.json"):
            write(path, content)
        if path.endswith("manifest.json"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", broken)
        with pytest.raises(KeyboardInterrupt):
            published(to, written)


@pytest.mark.parametrize("after", [False, True])
def test_no_page_and_no_card_tells_of_a_dataset_that_is_not_there(
    out: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    published(target(out), Written(made_by(), 1, [part(target(out), row("a"))], []))
    to = target(out, on_exists="overwrite")._replace(run=another_run(out))
    written = Written(made_by(), 1, [part(to, row("b"))], [])
    killed(to, written, monkeypatch, after=after)
    assert (out / "manifest.json").exists() is after
    assert (out / "report.json").exists()
    assert not (out / "report.html").exists()
    assert not (out / "README.md").exists()


def test_a_page_and_a_card_that_a_kill_came_before_are_written_when_it_is_done_again(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = target(out)
    written = Written(made_by(), 1, [part(to, row("a"))], [])
    killed(to, written, monkeypatch, after=True)
    commit.publish(to, written, [])
    assert (out / "report.html").exists()
    assert (out / "README.md").exists()


def test_the_report_of_the_dataset_before_goes_with_it(out: Path) -> None:
    published(target(out), Written(made_by(), 1, [part(target(out), row("a"))], []))
    to = target(out, on_exists="overwrite", report=False)._replace(run=another_run(out))
    published(to, Written(made_by(), 1, [part(to, row("b"))], []))
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "data", "manifest.json"]


def test_where_reused_rows_may_be_those_that_were_dropped_there_is_no_map(out: Path) -> None:
    to = target(out, "last")._replace(reused=(another_run(out),))
    report = Report(map=Map(of=3, x=[0.5], y=[0.25], category=[-1], texts=["dropped"]))
    published(to, Written(made_by(), 2, [part(to, row("a"), row("a"))], [], report=report))
    found = read_report(str(out))
    assert found is not None
    assert found.map == Map(of=3)


def test_parts_that_are_kept_keep_what_was_counted(out: Path) -> None:
    to = target(out)
    report = Report(context=7, map=Map(of=3, x=[0.5], y=[0.25], category=[-1]))
    written = Written(made_by(), 2, [part(to, row("a"), row("a"))], [], report=report)
    with pytest.raises(RefusedError):
        commit.plan(to, written)
    found = find_kept(str(out), to.job, DIGEST)
    assert found is not None
    assert found.written.report == report
