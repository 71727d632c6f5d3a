"""How fast a job is and how long it will take, from readings of its progress."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from embed_pipeline.progress import Progress

RECENT_SECONDS = 30.0  # over which the recent rate is taken
ENOUGH = 32  # texts, a request: from fewer the time left is no estimate


class Figures(NamedTuple):
    """Hold how far a job is.

    Attributes:
        done: Documents that are rows or have failed.
        total: Documents there are, or None where nobody knows.
        exact: Whether that is counted, not estimated.
        recent, overall: Texts a second, of late and since the start.
        tokens: Tokens a second, of late.
        failed: Documents that have failed.
        kinds: How many of those failed with each kind of error.
        left: Seconds that are left, or None where nobody knows.
        idle: Seconds since there was something new.
        checked, checks, writing: As in Progress.
    """

    done: int
    total: int | None
    exact: bool
    recent: float
    overall: float
    tokens: float
    failed: int
    kinds: Mapping[str, int]
    left: float | None
    idle: float
    checked: int = 0
    checks: int = 0
    writing: bool = False


class Rates:
    """Turn readings of the progress into figures.

    Args:
        total: Documents there are, if that is known.
        exact: Whether that is counted, not estimated.
        start: What is done before the first reading, by earlier runs.
        clock: Seconds from any point on.
    """

    def __init__(
        self,
        total: int | None,
        *,
        exact: bool,
        start: Progress = Progress(),  # noqa: B008 (it cannot be changed)
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._exact = exact
        self._clock = clock
        self._began = self._grew = clock()
        self._start = start
        self._seen: deque[tuple[float, Progress]] = deque([(self._began, start)])

    def update(self, progress: Progress) -> None:
        """Take a reading; files that are being committed read as less, and do not count."""
        grown = sum(progress[:3]) - sum(self._seen[-1][1][:3])
        if grown < 0:
            return
        now = self._clock()
        if grown:
            self._grew = now
        self._seen.append((now, progress))
        while len(self._seen) > 2 and now - self._seen[0][0] > RECENT_SECONDS:
            self._seen.popleft()

    def figures(self) -> Figures:
        """Return how far the job is, as of the last reading."""
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        passed = max(now - before, 1e-9)
        recent = (last.rows - first.rows) / passed
        done = last.rows + last.failed
        known = self._total and recent and last.rows - self._start.rows >= ENOUGH
        left = max(0, (self._total or 0) - done) / recent if known else None
        return Figures(
            done=done,
            total=self._total,
            exact=self._exact,
            recent=recent,
            overall=(last.rows - self._start.rows) / max(now - self._began, 1e-9),
            tokens=(last.tokens - first.tokens) / passed,
            failed=last.failed,
            kinds=last.kinds,
            left=left,
            idle=now - self._grew,
            checked=last.checked,
            checks=last.checks,
            writing=last.writing,
        )
