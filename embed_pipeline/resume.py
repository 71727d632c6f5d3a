"""Going on where earlier runs of the same job have stopped: their whole part files are reused.

A run says in `run.json` what it is. A part file is whole once its note stands beside it in the
staging folder; so what a run that was killed has left is told apart without reading it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.done import Keying
from embed_pipeline.errors import RefusedError
from embed_pipeline.hashing import sha256_of
from embed_pipeline.kept import identity
from embed_pipeline.locations import name
from embed_pipeline.made_with import check_same_engine
from embed_pipeline.ownership import is_part
from embed_pipeline.parts import PartFile
from embed_pipeline.processes import is_alive, this_process
from embed_pipeline.progress import Progress, ProgressFile, running
from embed_pipeline.provenance import FOOTER_KEY, footer
from embed_pipeline.staging import MANIFEST, Folder, Run

DECIDING = ("dimensions_asked", "options", "truncate", "on_too_long", "prefix", "tokenizer")


class Left(NamedTuple):
    """Hold what a run has left.

    Attributes:
        run: The run.
        parts: Its whole files of rows.
        failures: Its whole files of failures.
    """

    run: Run
    parts: tuple[PartFile, ...]
    failures: tuple[PartFile, ...]


class Reused(NamedTuple):
    """Hold what a run takes from earlier ones.

    Attributes:
        provenance: What made their vectors; it is that of the whole dataset.
        runs: The runs, whose staging folders go when the dataset is published.
        parts: Files of rows, which become the dataset's as they are.
        failures: Files of failures, whose verdicts on texts are reused.
        keying: How a row's document is known again.
    """

    provenance: Mapping[str, Any]
    runs: tuple[Run, ...]
    parts: tuple[PartFile, ...]
    failures: tuple[str, ...]
    keying: Keying

    @property
    def rows(self) -> int:
        """Return the rows that are reused."""
        return sum(part.rows for part in self.parts)


def begin(run: Run, job: Mapping[str, Any], digest: str) -> None:
    """Say what a run is, so that a later one can go on where it stops."""
    found = {"identity": identity(job), "digest": digest, **this_process()}
    files.write_bytes(run.begun, orjson.dumps(found))


def forget(run: Run, since: float | None = None) -> None:
    """See to it that nothing of a run is reused, or nothing that was written after a time.

    Args:
        run: The run.
        since: In seconds since the epoch; None or 0.0: nothing at all is reused.
    """
    path = run.begun
    found = told_of(run)
    if since and found:
        files.write_bytes(path, orjson.dumps({**found, "until": since}))
    elif found is not None:
        files.delete(path)


def forget_failures(run: Run) -> None:
    """See to it that the texts that failed in a run are sent again by the next."""
    found = told_of(run)
    if found is not None:
        path = run.begun
        files.write_bytes(path, orjson.dumps({**found, "failures": False}))


def take_back(run: Run) -> None:
    """Move parts back into the staging folder that a commit which was killed has placed already.

    To be called where there is no dataset. Only files whose bytes are those of a note are moved.
    """
    if told_of(run) is None or not files.rename_is_cheap(run.path):
        return
    folders: tuple[Folder, ...] = ("data", "failures")
    for folder in folders:
        placed = [one for one in files.list_folder(files.join(run.path, folder)) if is_part(one)]
        for part in _notes(run, folder):
            same = [part._replace(path=one.path) for one in placed if one.size == part.bytes]
            if same and not files.exists(part.path):
                found = [one for one in same if is_sound(one)]
                if found:
                    files.move(found[0].path, part.path)


def left(run: Run) -> Left:
    """Return the files of a run that are whole and not forgotten, in the order of their names."""
    told = told_of(run)
    if told is None:
        return Left(run, (), ())
    until = told.get("until", math.inf)
    sizes = {name(one.path): one.size for one in files.list_folder(run.staging)}
    for folder in ("data", "failures"):
        if not files.rename_is_cheap(run.path):
            listed = files.list_folder(files.join(run.path, folder))
            sizes |= {name(one.path): one.size for one in listed}

    def whole(folder: Folder) -> tuple[PartFile, ...]:
        return tuple(
            part
            for part in _notes(run, folder)
            if sizes.get(name(part.path)) == part.bytes
            and part.closed <= until
            and (folder == "failures" or name(part.origins) in sizes)
        )

    return Left(run, whole("data"), whole("failures") if told.get("failures", True) else ())


def candidates(path: str, job: Mapping[str, Any], digest: str) -> list[Left]:
    """Return what runs of this very job and model have left in an output, oldest first.

    Args:
        path: The dataset's folder.
        job: What the manifest tells of the job, its input files among it.
        digest: The model's digest now; "" never matches.
    """
    wanted = {"identity": identity(job), "digest": digest}
    found = []
    complete = files.exists(files.join(path, MANIFEST))
    for run in running(path):
        told = told_of(run) or {}
        if is_alive(told):
            continue
        if not complete:
            take_back(run)
        if digest and {key: told.get(key) for key in wanted} == wanted:
            what = left(run)
            found += [what] if what.parts or what.failures else []
    return found


def why_not(run: Run, job: Mapping[str, Any], digest: str) -> str:
    """Return why `candidates` leaves out a run, to follow "nothing of it is reused:"."""
    told = told_of(run)
    if told is None:
        return "it does not say what it is of"
    if is_alive(told):
        return f"it is still running (process {told['pid']})"
    if told.get("identity") != identity(job):
        return "it was of other input files or settings"
    if not digest or not told.get("digest"):
        return "nobody knows whether it was of the same model: the endpoint told no digest"
    if told["digest"] != digest:
        return "it was of another model"
    return "it has left no whole file"


def choose(found: Sequence[Left], made: Mapping[str, Any], keying: Keying) -> Reused | None:
    """Return what of earlier runs fits into one dataset with what is made now; None: nothing.

    Of parts that share a row, as runs beside each other and repeated bundles leave them, the first
    is taken.

    Args:
        found: What they have left.
        made: The provenance that vectors of this run would have.
        keying: How a row's document is known again.
    """
    chosen: list[PartFile] = []
    origin: Mapping[str, Any] | None = None
    seen = np.empty(0, np.uint64)
    for part in (part for one in found for part in one.parts):
        told = provenance_of(part)
        if told is None or not (alike(told, made) if origin is None else told == origin):
            continue
        keys = _keys(part, keying)
        if keys is None:
            continue
        places = np.minimum(np.searchsorted(seen, keys), max(0, len(seen) - 1))
        if len(seen) and (seen[places] == keys).any():
            continue
        origin = told
        chosen.append(part)
        seen = np.sort(np.concatenate([seen, keys]), kind="stable")
    failures = tuple(part.path for one in found for part in one.failures if is_sound(part))
    if not chosen and not failures:
        return None
    runs = tuple(one.run for one in found)
    return Reused(origin or made, runs, tuple(chosen), failures, keying)


def counted(run: Run, reused: Reused) -> None:
    """Count what is reused as progress of a run."""
    tokens = sum(part.tokens for part in reused.parts)
    ProgressFile(run, "reused", time.monotonic).write(Progress(reused.rows, tokens))


def told_of(run: Run) -> dict[str, Any] | None:
    """Return what a run says of itself; None where it says nothing."""
    path = run.begun
    return _json(files.read_bytes(path)) if files.exists(path) else None


def _notes(run: Run, folder: Folder) -> list[PartFile]:
    """Return what the notes on a run's part files say."""
    paths = [one.path for one in files.list_folder(run.staging)]
    ours = [one for one in paths if name(one).startswith(folder) and name(one).endswith(".json")]
    found = [_json(files.read_bytes(path)) for path in ours]
    return [PartFile.noted(one) for one in found if one]


def _keys(part: PartFile, keying: Keying) -> NDArray[np.uint64] | None:
    """Return what of its rows' keys tells them apart, sorted; None where that cannot be read."""
    try:
        keys = np.sort(keying.read(part)[:, 0])
    except (OSError, pa.ArrowException):
        return None
    return keys if len(keys) == part.rows else None


def provenance_of(part: PartFile) -> dict[str, Any] | None:
    """Return what made a part's vectors; None where the file is not as it was written."""
    if not is_sound(part):
        return None
    try:
        with files.open_input(part.path) as stream:
            return told_provenance(pq.read_metadata(stream).metadata or {})
    except (OSError, pa.ArrowException):
        return None


def told_provenance(metadata: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """Return the provenance a footer tells; None where it tells none."""
    return _json(metadata.get(FOOTER_KEY.encode()) or b"")


def as_told(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return a provenance as a footer tells it."""
    found: dict[str, Any] = orjson.loads(footer(provenance)[FOOTER_KEY])
    return found


def is_sound(part: PartFile) -> bool:
    """Tell whether a file has the bytes that were written, as after a crash it may not."""
    try:
        return sha256_of(part.path) == part.sha256
    except OSError:
        return False


def alike(told: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Tell whether the vectors of two provenances belong into one dataset."""
    if any(told.get(key) != made.get(key) for key in DECIDING):
        return False
    try:
        check_same_engine(told, made)
    except (RefusedError, LookupError, ValueError):
        return False
    return True


def _json(content: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None where it is none."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
