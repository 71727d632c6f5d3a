"""How a report begins: how the run ended, as its exit code says, and its main figures."""

import re
from typing import Any

import pytest

from embed_pipeline.manifest import Manifest, Refresh, Retried
from embed_pipeline.page.headline import headline, title
from embed_pipeline.report import Histogram, Report, Timeline
from tests.support import reports


def ended(manifest: Manifest) -> str:
    found = re.search(r'<p class="ended (\w+)">(.*?)</p>', headline(manifest, None))
    assert found
    return f"{found[1]}: {found[2]}"


@pytest.mark.parametrize(
    ("rows", "failed", "words"),
    [
        (20, 0, "good: Published. Every document has its vector. Exit code 0."),
        (0, 0, "fair: Published. The corpus was empty. Exit code 0."),
        (999, 1, "fair: Published. 1 of 1,000 documents failed, which is within what is allowed."),
        (90, 10, "bad: Published: 10 of 100 documents failed, more than allowed. Exit code 3."),
        (0, 1, "bad: Published without a row: 1 of 1 document failed, more than allowed."),
    ],
)  # fmt: skip
def test_it_says_how_the_run_ended(rows: int, failed: int, words: str) -> None:
    assert ended(reports.manifest(rows, failed)).startswith(words)


def test_a_single_failure_by_the_server_s_fault_is_more_than_allowed() -> None:
    made = reports.manifest(9_999, 1)
    counts = made.counts.model_copy(update={"failed_by_blame_and_kind": {"server:ServerFault": 1}})

    assert ended(made.model_copy(update={"counts": counts})).startswith("bad: ")


def test_what_is_allowed_is_the_job_s_own() -> None:
    job = {"output": {"path": "out", "max_failed_fraction": 0.2}}

    assert ended(reports.manifest(90, 10, job=job)).startswith("fair: ")


def figures(manifest: Manifest, report: Report | None = None) -> dict[str, list[str]]:
    """Return the figures by name, each with what stands below it."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)<small>(.*?)</small>", headline(manifest, report))
    return {name: [value, below] for name, value, below in found}


def test_the_figures_of_a_run() -> None:
    found = figures(
        reports.manifest(
            2_000, 3, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
        )
    )

    assert found == {
        "rows": ["2,000", ""],
        "failed": ["3", "0.1 % of documents"],
        "time": ["10 s", "from start to publishing"],
        "texts/s": ["200", "over that time"],
        "tokens/s": ["14,200", "over that time"],
    }


def retried(made: Manifest, succeeded: int) -> Manifest:
    """Return the manifest after failures were tried again, of which some are rows now."""
    again = Retried(
        run_id="r", started="", finished="", tried=9, succeeded=succeeded, endpoint="",
        endpoint_version="", embed_pipeline="",
    )  # fmt: skip
    rows = made.counts.rows + succeeded
    counts = made.counts.model_copy(update={"rows": rows, "tokens": rows * 1_000})
    return made.model_copy(update={"counts": counts, "retried": [again]})


def test_rows_that_a_retry_added_are_no_speed_of_the_run() -> None:
    made = reports.manifest(
        1_000, 1_000, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
    )
    counted = Report(run_id=made.run_id, timeline=Timeline(texts=[2_000], tokens=[71_000]))
    after = figures(retried(made, 1_000), counted)

    assert after["rows"] == ["2,000", "1,000 added later"]
    assert after["texts/s"][0] == figures(made, counted)["texts/s"][0] == "100"
    assert after["tokens/s"][0] == figures(made, counted)["tokens/s"][0] == "7,100"


def test_an_adopted_dataset_keeps_the_speed_of_its_run() -> None:
    made = reports.manifest(
        2_000, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
    )
    adopted = Refresh(
        run_id="r", snapshot=1, base=None, published=True, started="2026-02-01T00:00:00+00:00",
        finished="2026-02-01T00:00:01+00:00", rows=2_000, failed=0, reused=2_000,
    )  # fmt: skip

    assert figures(made.model_copy(update={"refresh": adopted})) == figures(made)


def test_a_refresh_has_the_speed_of_what_it_embedded() -> None:
    made = reports.manifest(
        2_000, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
    )
    refresh = Refresh(
        run_id="r", snapshot=1, base=None, published=True, started=made.started,
        finished=made.finished, rows=2_000, failed=0, reused=1_500, embedded=500, tokens=4_000,
    )  # fmt: skip
    found = figures(made.model_copy(update={"refresh": refresh}))

    assert found["rows"] == ["2,000", "1,500 reused"]  # of the snapshot before, or of equal texts
    assert found["texts/s"][0] == "50"
    assert found["tokens/s"][0] == "400"


def test_documents_that_were_dropped_have_no_vector_and_are_told() -> None:
    made = reports.manifest(20)
    counts = made.counts.model_copy(update={"documents": 23, "duplicates_dropped": 3})

    assert ended(made.model_copy(update={"counts": counts})) == (
        "good: Published. 3 documents were dropped, as others have the same id. Every other "
        "document has its vector. Exit code 0."
    )


def counted(texts: int, tokens: int) -> Report:
    """Return the statistics of a run that has embedded so many texts."""
    return Report(token_counts=Histogram(edges=[0, 999], counts=[texts], sum=tokens, max=9))


def test_the_speed_is_that_of_what_was_embedded_whatever_was_dropped_of_it() -> None:
    made = reports.manifest(
        30, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:10+00:00"
    )
    counts = made.counts.model_copy(update={"documents": 40, "duplicates_dropped": 10})
    found = figures(made.model_copy(update={"counts": counts}), counted(40, 160))

    assert found["rows"] == ["30", ""]
    assert found["texts/s"][0] == "4"
    assert found["tokens/s"][0] == "16"


def test_rows_that_were_forgotten_since_are_told() -> None:
    assert ended(reports.forgotten(59, 1)) == (
        "good: Published. 1 row was forgotten since. Every other document has its vector. "
        "Exit code 0."
    )
    assert " 2 rows were forgotten since." in ended(reports.forgotten(58, 2))
    assert "forgotten" not in ended(reports.forgotten(60, 0))


def test_rows_that_a_retry_added_before_a_dataset_was_adopted_are_not_taken_for_forgotten() -> None:
    made = retried(reports.manifest(50, 10), 10)
    adopted = Refresh(
        run_id="r", snapshot=1, base=None, published=True, started="2026-02-01T00:00:00+00:00",
        finished="2026-02-01T00:00:01+00:00", rows=60, failed=0, reused=60,
    )  # fmt: skip

    assert "forgotten" not in ended(made.model_copy(update={"refresh": adopted}))


def test_of_documents_that_were_split_pieces_are_counted() -> None:
    made = reports.manifest(90, 10)
    counts = made.counts.model_copy(update={"chunked_documents": 8})
    split = made.model_copy(update={"counts": counts})

    assert "10 of 100 pieces failed" in ended(split)
    assert figures(split)["failed"] == ["10", "10.0 % of pieces"]


def test_rows_of_earlier_runs_are_no_speed_of_this_one() -> None:
    made = reports.manifest(
        2_000,
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:10+00:00",
        effort={"reused": 1_500.0},
    )
    counted = Report(run_id=made.run_id, timeline=Timeline(texts=[500], tokens=[4_000]))

    assert figures(made, counted)["rows"] == ["2,000", "1,500 were there before"]
    assert figures(made, counted)["texts/s"][0] == "50"
    assert figures(made, counted)["tokens/s"][0] == "400"
    assert figures(made)["tokens/s"][0] == "–"


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ({"output": {"path": "out/python-docs/"}}, "python-docs"),
        ({"output": {"path": "s3://bucket/a/b?region=x"}}, "b"),
        ({}, "dataset"),
        ({"output": None}, "dataset"),
    ],
)
def test_it_is_called_as_the_dataset_s_folder(job: dict[str, Any], name: str) -> None:
    assert title(reports.manifest(1, job=job)) == name
