"""What a job tells: rates, remaining time, and the summary."""

import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from embed_pipeline.manifest import Counts, DataFile, Manifest
from embed_pipeline.pipelines.terminal import Rates, Terminal
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by


def rates(*readings: tuple[float, Progress], total: int | None = None, exact: bool = True) -> Rates:
    times = iter([0.0, *(time for time, _ in readings), *[readings[-1][0]] * 9])
    found = Rates(total, exact=exact, clock=lambda: next(times))
    for _, progress in readings:
        found.update(progress)
    return found


def test_a_line_tells_rates_and_what_is_left() -> None:
    found = rates((10.0, Progress(100, 2_000, 1)), (20.0, Progress(400, 8_000, 1)), total=1_001)
    assert found.line() == (
        "401 of 1,001 texts, 20 texts/s (20 overall), 400 tokens/s, 1 failed, ready in 0:30"
    )


def test_the_recent_rate_forgets_a_slow_start() -> None:
    found = rates(
        (60.0, Progress(0, 0, 0)), (70.0, Progress(100, 100, 0)), (80.0, Progress(200, 200, 0))
    )
    assert found.line().startswith("200 texts, 10 texts/s (2 overall)")


def test_an_estimate_is_called_one() -> None:
    found = rates((10.0, Progress(100, 0, 0)), total=3_700, exact=False)
    assert found.line() == (
        "100 of about 3,700 texts, 10 texts/s (10 overall), 0 tokens/s, 0 failed, "
        "ready in about 6:00"
    )


def test_an_unknown_total_gives_no_time() -> None:
    assert "ready" not in rates((10.0, Progress(100, 0, 0))).line()


def test_progress_files_that_vanish_at_the_commit_do_not_count() -> None:
    found = rates((10.0, Progress(100, 0, 0)), (11.0, Progress(0, 0, 0)))
    assert found.line().startswith("100 texts")


def test_the_bar_shows_the_line() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(rates((10.0, Progress(50, 0, 0)), total=100).table())
    assert "50 of 100 texts" in out.getvalue()


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    terminal = Terminal(quiet=True)
    terminal.say("something")
    with terminal.watching(Run(str(tmp_path), "r"), None, exact=True):
        pass
    assert capsys.readouterr().err == ""


def test_texts_of_users_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().say("[red]plain[/red]")
    assert capsys.readouterr().err == "[red]plain[/red]\n"


def test_a_warning_is_told_even_where_nothing_else_is(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(quiet=True).warn("[red]plain[/red]")
    assert capsys.readouterr().err == "warning: [red]plain[/red]\n"


def test_warnings_of_our_modules_are_told_once_until_the_block_ends(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # a command run in this process may have raised it
    log = logging.getLogger("embed_pipeline")
    with Terminal().telling_warnings():
        log.warning("%s of %s", "one", "two")
        log.info("not this")
    log.warning("nor this")
    assert capsys.readouterr().err == "warning: one of two\n"
    assert [record.getMessage() for record in caplog.records] == ["nor this"]


def manifest(**counts: object) -> Manifest:
    """Return the manifest of a dataset of ten rows."""
    found = {
        "documents": 10,
        "rows": 10,
        "failed": 0,
        "duplicates_dropped": 0,
        "tokens": 1_234,
        "rows_by_token_count_source": {"server": 1, "verified": 9},
        "rows_by_truncated": {"false": 10},
        "failed_by_blame_and_kind": {},
        **counts,
    }
    return Manifest(
        run_id=RUN_ID,
        started="2026-01-01T00:00:00.000+00:00",
        finished="2026-01-01T00:00:02.000+00:00",
        provenance=made_by(),
        job={},
        columns={"id": "string"},
        counts=Counts.model_validate(found),
        recount={"verified": {"asked": 9, "agreed": 8}},
        data=[DataFile(path="data/part-00000.parquet", rows=10, bytes=2_000_000, sha256="")],
        failures=[],
    )


def summary(capsys: pytest.CaptureFixture[str], found: Manifest) -> dict[str, str]:
    Terminal().summarize("out", found, 2.0)
    lines = capsys.readouterr().err.splitlines()
    return {line[:11].strip(): line[11:] for line in lines if line[:11].strip()}


def test_the_summary_tells_how_far_token_counts_are_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Terminal().summarize("out", manifest(), 2.0)
    said = capsys.readouterr().err
    assert "1,234 (1 rows server, 9 rows verified)" in said
    assert "asked again alone: 8 of 9 verified ones agree with the endpoint's" in said


def test_the_summary_tells_how_many_rows_were_cut(capsys: pytest.CaptureFixture[str]) -> None:
    some = manifest(rows_by_truncated={"false": 6, "true": 4})
    unknown = manifest(rows_by_truncated={"null": 10})
    assert summary(capsys, some)["truncated"] == "4 rows (the model reads 256 tokens)"
    assert summary(capsys, unknown)["truncated"] == (
        "0 rows; of 10 it is not known (the model reads 256 tokens)"
    )


def test_the_summary_tells_documents_from_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    assert summary(capsys, manifest())["documents"] == "10"
    assert summary(capsys, manifest(chunked_documents=3))["documents"] == "3, split into 10 pieces"


def test_watching_ends_with_its_block(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r")
    ProgressFile(run, "w").write(Progress(1, 1, 0))
    with Terminal().watching(run, 1, exact=True):
        pass
