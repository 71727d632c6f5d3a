"""What refreshes that stopped have left, as far as the next one may reuse it.

Vectors of two engines never meet: a file whose footer tells of another origin is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from embed_pipeline import files, resume
from embed_pipeline.errors import DatasetError
from embed_pipeline.job import Job
from embed_pipeline.kept import identity
from embed_pipeline.known import Source, read_marks
from embed_pipeline.parts import PartFile
from embed_pipeline.processes import this_process
from embed_pipeline.progress import running
from embed_pipeline.staging import MANIFEST, Run


class Unfinished(NamedTuple):
    """Hold what refreshes that stopped have left.

    Attributes:
        sources: Their files of rows.
        failures: Paths of their files of failures.
        origin: What made the rows; None where there are none.
        rows: By run, how many rows are reused; 0 where none fits.
    """

    sources: tuple[Source, ...]
    failures: tuple[str, ...]
    origin: Mapping[str, Any] | None
    rows: Mapping[str, int]


NOTHING = Unfinished((), (), None, {})


def begin(run: Run, job: Job, *, reembed: bool) -> None:
    """Say what a refresh is, so that the next one can go on where it stops."""
    told = {**this_process(), **_kind(job, reembed=reembed)}
    files.write_bytes(run.begun, orjson.dumps(told))


def find(
    path: str, job: Job, origin: Mapping[str, Any] | None, digest: str, *, reembed: bool
) -> Unfinished:
    """Return what refreshes of the same settings have left in the folder of a new snapshot.

    Args:
        path: The folder; whatever manifest is in it was never published.
        job: The job of now.
        origin: What made the rows they would stand beside; None: the first file that fits.
        digest: The model's digest now; "" where it is not known.
        reembed: Whether everything is embedded anew, so that only such refreshes count.
    """
    manifest = files.join(path, MANIFEST)
    if files.exists(manifest):
        files.delete(manifest)
    wanted = _kind(job, reembed=reembed)
    sources: list[Source] = []
    failures: list[str] = []
    rows: dict[str, int] = {}
    for run in running(path):
        told = resume.told_of(run) or {}
        resume.take_back(run)
        left = resume.left(run)
        if not left.parts and not left.failures:
            continue
        if any(told.get(key) != value for key, value in wanted.items()):
            rows |= {run.run_id: 0} if left.parts else {}
            continue
        parts, origin = _fitting(left.parts, origin, digest)
        sources += [Source(part, len(sources) + at) for at, part in enumerate(parts, 1)]
        if parts or (origin is not None and not left.parts):
            failures += [part.path for part in left.failures if resume.is_sound(part)]
        if left.parts:
            rows[run.run_id] = sum(part.rows for part in parts)
    return Unfinished(tuple(sources), tuple(failures), origin if sources else None, rows)


def _fitting(
    parts: Sequence[PartFile], origin: Mapping[str, Any] | None, digest: str
) -> tuple[list[PartFile], Mapping[str, Any] | None]:
    """Return the files whose rows may stand beside those of an origin, and the origin there is."""
    fitting = []
    for part in parts:
        made = resume.provenance_of(part)
        if made is None or digest not in ("", made["digest"]):
            continue
        if (origin is None or resume.alike(made, origin)) and _has_marks(part):
            origin = origin or made
            fitting.append(part)
    return fitting, origin


def _has_marks(part: PartFile) -> bool:
    """Tell whether the marks of a file's rows can be read, as after a crash they may not."""
    try:
        read_marks(part)
    except (OSError, pa.ArrowException, DatasetError):
        return False
    return True


def _kind(job: Job, *, reembed: bool) -> dict[str, Any]:
    """Return what two refreshes must have in common for one to go on with the other's rows."""
    settings = {key: value for key, value in job.public().items() if key != "corpus"}
    return {"identity": identity(settings), "reembed": reembed}
