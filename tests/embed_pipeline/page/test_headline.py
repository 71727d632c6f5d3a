"""How a report begins: how the run ended, as its exit code says, and its main figures."""

import re
from typing import Any

import pytest

from embed_pipeline.manifest import Manifest
from embed_pipeline.page.headline import headline, title
from embed_pipeline.report import Report, Timeline
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
        "time": ["10 s", ""],
        "texts/s": ["200", "over the whole run"],
        "tokens/s": ["14,200", "over the whole run"],
    }


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
