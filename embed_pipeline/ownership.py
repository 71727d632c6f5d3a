"""What a run may write over and delete: only what runs of this package have written."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from embed_pipeline import files, reporting
from embed_pipeline.errors import ConfigError, DatasetError
from embed_pipeline.files import FileInfo
from embed_pipeline.locations import name, parse
from embed_pipeline.manifest import read_manifest
from embed_pipeline.output import Output
from embed_pipeline.progress import running
from embed_pipeline.report import REPORT, read_report
from embed_pipeline.staging import MANIFEST, STAGING, Run
from embed_pipeline.store import Store, is_store

FOLDERS = ("data", "failures")
ABANDONED = timedelta(hours=1)  # without a file of its own so long, a run is taken to be dead
_PART = re.compile(r"part-(\d{5}|\d{8}T\d{6}Z-[0-9a-f]{6}-[0-9a-z]+-\d{5})\.parquet")


def check_free(output: Output) -> None:
    """Refuse an output that holds a dataset, unless the settings say so, or anything foreign.

    What unfinished runs have left may be written over: it is no dataset. A store never is.

    Raises:
        ConfigError: It names what stands there.
    """
    if is_store(output.path) or Store(output.path).numbers():
        raise ConfigError(
            f"{output.path} is a store: use `embed-pipeline refresh`, or choose another output.path"
        )
    foreign = [info.path for info in _standing(output.path) if not is_part(info)]
    if foreign:
        raise ConfigError(
            f"{output.path} holds files that are not a dataset's, such as {foreign[0]}: choose "
            "another output.path"
        )
    _check_report_is_ours(output)
    if output.on_exists == "overwrite":
        return
    stands = [MANIFEST] if files.exists(files.join(output.path, MANIFEST)) else []
    if not running(output.path):
        folders = {parse(info.path).key.split("/")[-2] for info in _standing(output.path)}
        stands += sorted(f"{folder}/" for folder in folders)
    if stands:
        raise ConfigError(
            f"{output.path} exists already (it holds {', '.join(stands)}): choose another "
            f"output.path, or set output.on_exists to overwrite{_missing(output.path)}"
        )


def _missing(path: str) -> str:
    """Return what to do where a dataset lacks its page or its card, as after a kill; else ""."""
    try:
        missing = reporting.missing(path, read_manifest(path))
    except DatasetError:
        return ""
    if not missing:
        return ""
    return f"; it lacks {' and '.join(missing)}, which `embed-pipeline report {path}` writes"


def _check_report_is_ours(output: Output) -> None:
    """Refuse to write over a report.json of somebody else's; a page of theirs is left alone.

    Raises:
        ConfigError: One stands there.
    """
    try:
        read_report(output.path)
    except DatasetError as error:
        raise ConfigError(
            f"{files.join(output.path, REPORT)} is not the report of a dataset, and would be "
            "written over: move it, or choose another output.path"
        ) from error


def check_apart(output: Output, inputs: Iterable[FileInfo]) -> None:
    """Refuse an output that would replace its own corpus.

    Raises:
        ConfigError: It names a file of the corpus below the output's folder.
    """
    out = parse(output.path)
    inside = next((info.path for info in inputs if parse(info.path).is_below(out)), None)
    if inside:
        raise ConfigError(
            f"{inside} is read as a document, and stands below output.path ({output.path}), where "
            "it would be written over: choose another folder for the output"
        )


def check_writable(output: Output) -> None:
    """Prove that the output's folder can be written, before any work.

    Raises:
        ConfigError: It cannot.
    """
    probe = files.join(output.path, STAGING, "probe")
    try:
        files.write_bytes(probe, b"")
        files.delete(probe)
        _drop_if_empty(output.path)
    except OSError as error:
        raise ConfigError(
            f"output.path: {output.path} cannot be written ({error}); choose another folder, or "
            "mend its permissions"
        ) from error


def is_part(info: FileInfo) -> bool:
    """Tell whether a file has the name of a part of ours."""
    return _PART.fullmatch(name(info.path)) is not None


def clean_up(run: Run, reused: Iterable[Run] = ()) -> None:
    """Delete what a run that is committed has in staging, and so have runs that are dead.

    Args:
        run: The run.
        reused: Those it has taken parts from.
    """
    for one in (run, *reused):
        files.delete_folder(one.staging)
    latest = datetime.now(UTC) - ABANDONED
    for other in running(run.path):
        times = [info.modified for info in files.list_folder(other.staging)]
        if all(time is not None and time < latest for time in times):
            files.delete_folder(other.staging)
    _drop_if_empty(run.path)


def _standing(path: str) -> list[FileInfo]:
    """Return the files in a dataset's folders."""
    return [info for folder in FOLDERS for info in files.list_folder(files.join(path, folder))]


def _drop_if_empty(path: str) -> None:
    """Delete the staging folder of an output where nothing is in it."""
    staging = files.join(path, STAGING)
    if not files.find(staging):
        files.delete_folder(staging)
