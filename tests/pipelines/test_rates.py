"""How far and how fast a job is."""

from embed_pipeline.pipelines.rates import Figures, Rates
from embed_pipeline.progress import Progress


def figures(
    *readings: tuple[float, Progress], total: int | None = None, exact: bool = True
) -> Figures:
    times = iter([0.0, *(time for time, _ in readings)])
    found = Rates(total, exact=exact, clock=lambda: next(times))
    for _, progress in readings:
        found.update(progress)
    return found.figures()


def test_rates_and_what_is_left() -> None:
    found = figures((10.0, Progress(100, 2_000, 1)), (20.0, Progress(400, 8_000, 1)), total=1_001)
    assert (found.done, found.recent, found.overall, found.tokens) == (401, 20.0, 20.0, 400.0)
    assert found.left == 30.0


def test_the_recent_rate_forgets_a_slow_start() -> None:
    found = figures(
        (60.0, Progress(0, 0, 0)), (70.0, Progress(100, 100, 0)), (80.0, Progress(200, 200, 0))
    )
    assert (found.recent, found.overall) == (10.0, 2.5)


def test_an_unknown_total_gives_no_time() -> None:
    assert figures((10.0, Progress(100, 0, 0))).left is None


def test_the_first_few_texts_give_no_time() -> None:
    assert figures((10.0, Progress(2)), total=2_511).left is None


def test_nothing_of_late_gives_no_time() -> None:
    still = [(float(time), Progress(50)) for time in (10, 30, 45, 60)]
    found = figures(*still, total=100)
    assert (found.recent, found.left, found.idle) == (0.0, None, 50.0)


def test_failures_are_something_new() -> None:
    found = figures((10.0, Progress(5)), (30.0, Progress(5, 0, 1)), (31.0, Progress(5, 0, 1)))
    assert (found.idle, found.failed) == (1.0, 1)


def test_progress_files_that_vanish_at_the_commit_do_not_count() -> None:
    assert figures((10.0, Progress(100, 0, 0)), (11.0, Progress(0, 0, 0))).done == 100


def test_what_is_done_after_the_last_text_is_passed_on() -> None:
    found = figures(
        (10.0, Progress(100, checks=20)), (11.0, Progress(100, checked=7, checks=20, writing=True))
    )
    assert (found.checked, found.checks, found.writing) == (7, 20, True)


def test_what_earlier_runs_did_is_done_but_no_rate() -> None:
    times = iter([0.0, 10.0])
    found = Rates(None, exact=True, start=Progress(500), clock=lambda: next(times))
    found.update(Progress(600))
    assert (found.figures().done, found.figures().overall) == (600, 10.0)
