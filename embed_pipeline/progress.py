"""How far a run is: each writer says it in a small file, readers add them up."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from embed_pipeline import files
from embed_pipeline.staging import RUN_ID, STAGING, Run, check_wanted

LOCAL_INTERVAL = 0.5  # seconds between two writings of a progress file
REMOTE_INTERVAL = 60.0  # the same where each writing is a request to an object store


class Progress(NamedTuple):
    """Hold what is done so far.

    Attributes:
        rows: Texts with a vector.
        tokens: What they cost.
        failed: Documents without one.
        kinds: How many of those failed with each kind of error.
        checked, checks: Texts of the sample of `tokens.recount` that were sent again, and how many
            it has; 0 until all is embedded.
        writing: Whether the dataset is being made of what was written.
    """

    rows: int = 0
    tokens: int = 0
    failed: int = 0
    kinds: Mapping[str, int] = {}
    checked: int = 0
    checks: int = 0
    writing: bool = False

    def plus(self, other: "Progress") -> "Progress":
        """Return the sum of both."""
        kinds = dict(self.kinds)
        for kind, number in other.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + number
        return Progress(
            self.rows + other.rows,
            self.tokens + other.tokens,
            self.failed + other.failed,
            kinds,
            self.checked + other.checked,
            self.checks + other.checks,
            self.writing or other.writing,
        )


class ProgressFile:
    """Write one writer's progress, now and then; each time, look whether it is still waited for.

    Args:
        run: The run the writer belongs to.
        writer: The writer's name.
        clock: Seconds from any point on.

    Attributes:
        due: When the progress should be written again, by that clock.
    """

    def __init__(self, run: Run, writer: str, clock: Callable[[], float] = time.monotonic) -> None:
        check_wanted(run)
        self._run = run
        self._path = run.progress(writer)
        self._interval = interval(run)
        self._clock = clock
        self.due = clock() + self._interval

    def write(self, progress: Progress) -> None:
        """Write the progress now.

        Raises:
            InterruptedJobError: The launcher has given the run up.
        """
        check_wanted(self._run)
        files.write_bytes(self._path, orjson.dumps(progress._asdict()))
        self.due = self._clock() + self._interval


def tell_writing(run: Run) -> None:
    """Tell those who watch a run that all is embedded, and its dataset being made.

    Raises:
        InterruptedJobError: The launcher has given the run up.
    """
    ProgressFile(run, "commit").write(Progress(writing=True))


def interval(run: Run) -> float:
    """Return how many seconds lie between two writings, where the run's output is."""
    return LOCAL_INTERVAL if files.rename_is_cheap(run.path) else REMOTE_INTERVAL


def read_progress(run: Run) -> Progress:
    """Return what all writers of a run have done; keys of other versions are passed over."""
    total = Progress()
    for info in files.list_folder(run.staging):
        if not info.path.rpartition("/")[2].startswith("progress-"):
            continue
        try:
            one = orjson.loads(files.read_bytes(info.path))
        except OSError:  # committed meanwhile
            continue
        known = {key: one[key] for key in Progress._fields if key in one}
        total = total.plus(Progress(**known))
    return total


def running(path: str) -> list[Run]:
    """Return the runs that have left something in the staging folder of an output, oldest first."""
    names = {
        info.path.rpartition("/" + STAGING + "/")[2].partition("/")[0]
        for info in files.find(files.join(path, STAGING))
    }
    return [Run(path, name) for name in sorted(names) if RUN_ID.fullmatch(name)]
