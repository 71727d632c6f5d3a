"""What a job tells: rates, remaining time, and the summary."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from embed_pipeline.pipelines.terminal import Rates, Terminal
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.staging import Run


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


def test_watching_ends_with_its_block(tmp_path: Path) -> None:
    run = Run(str(tmp_path), "r")
    ProgressFile(run, "w").write(Progress(1, 1, 0))
    with Terminal().watching(run, 1, exact=True):
        pass
