"""Who retries in a dataset's folder, and what one who was killed has left there.

A claim in the staging folder says which process works, and which files the new manifest will not
list any more. So whoever comes next deletes what a crash has left over, and nothing else.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from embed_pipeline import files
from embed_pipeline.errors import EmbedPipelineError, RefusedError
from embed_pipeline.locations import name
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.ownership import ABANDONED, FOLDERS
from embed_pipeline.processes import is_alive, is_of_this_machine, this_process
from embed_pipeline.progress import running
from embed_pipeline.staging import STAGING, Folder, Run

CLAIM = "retry.json"
_log = logging.getLogger("embed_pipeline")


class RetryRun(Run):
    """Name a run that adds to a published dataset: its parts are staged, wherever that is."""

    def part(self, folder: Folder, writer: str, number: int) -> str:
        """Return the path of a part file, which no reader of the dataset takes in."""
        return files.join(self.staging, f"{folder}-{writer}-{number:05d}.parquet")

    def placed(self, folder: Folder, number: int) -> str:
        """Return where a file goes, below the dataset's folder: no manifest lists it yet."""
        return f"{folder}/{self.prefix}{number:05d}.parquet"

    @property
    def prefix(self) -> str:
        """Return how the names of this run's files in the dataset begin, and no others."""
        return f"part-{self.run_id}-retried-"


class _Claim(NamedTuple):
    """Say who retries, and which files of the dataset the new manifest will not list."""

    host: str
    pid: int
    replaces: list[str]


@contextmanager
def claimed(run: RetryRun, manifest: Manifest) -> Iterator[None]:
    """Claim a dataset for one run, and tidy up at the end, whichever way that comes.

    Raises:
        RefusedError: Another job is running there.
    """
    replaces = [file.path for file in manifest.failures]
    claim = _Claim(**this_process(), replaces=replaces)
    files.write_bytes(files.join(run.staging, CLAIM), orjson.dumps(claim._asdict()))
    try:
        for other in _others(run.path, run.run_id):
            if _is_alive(other):
                raise RefusedError(
                    f"another job is running in {run.path}: {other.run_id}; wait for its end. If "
                    f"it is not running any more, run it again, or delete {other.staging}"
                )
        yield
    finally:
        try:
            _tidy_up(run, replaces, read_manifest(run.path))
        except (EmbedPipelineError, OSError) as error:
            _log.warning("%s was not tidied up (%s); the next retry does that", run.path, error)


def tidy_up_after_dead(dataset: str, manifest: Manifest) -> None:
    """Delete what retries that were killed have left in a dataset."""
    for other in _others(dataset, ""):
        claim = _find_claim(other)
        if claim is not None and not _is_alive(other):
            _tidy_up(RetryRun(*other), claim.replaces, manifest)


def _others(path: str, run_id: str) -> list[Run]:
    return [run for run in running(path) if run.run_id != run_id]


def _find_claim(run: Run) -> _Claim | None:
    """Return the claim of a run that retries, or None for one that does not."""
    try:
        return _Claim(**orjson.loads(files.read_bytes(files.join(run.staging, CLAIM))))
    except FileNotFoundError:
        return None


def _is_alive(run: Run) -> bool:
    """Tell whether a run may still be working, in case of doubt that it is.

    One that retries has told its process, which can be looked for on its own machine. Any other is
    taken to be dead once it has written nothing for a time.
    """
    claim = _find_claim(run)
    told = {} if claim is None else claim._asdict()
    if is_of_this_machine(told):
        return is_alive(told)
    latest = datetime.now(UTC) - ABANDONED
    times = [info.modified for info in files.list_folder(run.staging)]
    return any(time is None or time >= latest for time in times)


def _tidy_up(run: RetryRun, replaces: Sequence[str], manifest: Manifest) -> None:
    """Delete a run's files and those it was to replace, as far as the manifest lists none."""
    listed = {file.path for file in (*manifest.data, *manifest.failures)}
    placed = [
        f"{folder}/{name(info.path)}"
        for folder in FOLDERS
        for info in files.list_folder(files.join(run.path, folder))
        if name(info.path).startswith(run.prefix)
    ]
    for path in {*placed, *replaces} - listed:
        where = files.join(run.path, path)
        if files.exists(where):
            files.delete(where)
    files.delete_empty_folder(files.join(run.path, "failures"))
    files.delete_folder(run.staging)
    if not running(run.path):
        files.delete_folder(files.join(run.path, STAGING))
