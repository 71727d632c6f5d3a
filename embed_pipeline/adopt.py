"""Make a store of a dataset that `run` made: its files become the first snapshot, in place."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import files, reporting
from embed_pipeline.card_file import drop_card, write_card
from embed_pipeline.claims import tidy_up_after_dead
from embed_pipeline.commit import now
from embed_pipeline.errors import DatasetError, EmbedPipelineError, RefusedError
from embed_pipeline.locations import name, parse
from embed_pipeline.manifest import DataFile, Manifest, Refresh, read_manifest
from embed_pipeline.marking import Told, rows_marks, told_by
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.ownership import is_part
from embed_pipeline.progress import running
from embed_pipeline.repeated_ids import SeenIds, described
from embed_pipeline.snapshot import METRICS
from embed_pipeline.staging import MANIFEST, STAGING
from embed_pipeline.store import Store
from embed_pipeline.store_lock import locked
from embed_pipeline.table_parts import write_index
from embed_pipeline.verify import RESTORE

FIRST = 1
MOVED = ("data", "failures")


def refuse_dataset(path: str) -> None:
    """Refuse a folder that holds a dataset made by `run`, where a store is wanted.

    Raises:
        RefusedError: It names the command that makes a store of it.
    """
    if files.exists(files.join(path, MANIFEST)):
        raise RefusedError(
            f"{path} holds a dataset that `run` made, not a store: `embed-pipeline adopt {path}` "
            "makes it the first snapshot of one, so that its vectors are reused; or choose another "
            "folder"
        )


def adopt(path: str) -> Store:
    """Make a dataset the first snapshot of a store in the same folder; nothing is embedded.

    The marks of its rows are computed from their ids, texts and attributes; then its files, those
    the manifest lists and no others but the report's, get their names below `snapshots/000001/` (on
    an object store each is copied there), a card is written there, then `current.json`, and the old
    names go. Until `current.json` is written the dataset is whole where it was, then the store is;
    a second `adopt` finishes what a killed one has begun. In memory are a row group's ids, texts
    and attributes, 40 bytes a row of one file, and 8 bytes a row of all. A folder that is a store
    already stays as it is.

    Raises:
        DatasetError: There is no dataset, a file of it is missing, or it is not what the manifest
            says.
        RefusedError: The rows do not tell the documents they were made of (texts dropped, documents
            split, attributes not declared, ids that stand twice), or another job is at work there.
    """
    store = Store(path)
    if store.number() is None:
        read_manifest(path)  # so that nothing is made where there is nothing to adopt
    with locked(path):
        if files.exists(files.join(path, MANIFEST)):
            old = read_manifest(path)
            _check_alone(store, old)
            if store.number() is None:
                _prepare(store, old)
                store.publish(FIRST)
            _drop_old_names(store, old)
        store.tidy(keep=store.number() or FIRST)
        for folder in (*MOVED, STAGING):
            _drop_if_empty(files.join(path, folder))
    return store


def _check_alone(store: Store, old: Manifest) -> None:
    """Refuse snapshots beside a dataset that are not of its own adoption."""
    first = store.snapshot(FIRST)
    strange = [number for number in store.numbers() if number != FIRST]
    if running(first) or (store.number() == FIRST and not _is_of(read_manifest(first), old)):
        strange.append(FIRST)
    if strange:
        raise RefusedError(
            f"{store.path} holds a dataset and, besides, snapshots that were not made of it, such "
            f"as {store.snapshot(strange[0])}: move one of the two into another folder"
        )


def _is_of(snapshot: Manifest, old: Manifest) -> bool:
    """Tell whether a snapshot holds a dataset's files."""
    return (snapshot.run_id, snapshot.data, snapshot.failures) == (
        old.run_id,
        old.data,
        old.failures,
    )


def _prepare(store: Store, old: Manifest) -> None:
    """Make the first snapshot whole; its manifest is written last."""
    began, started = time.monotonic(), now()
    snapshot = store.snapshot(FIRST)
    if old.refresh is not None or old.index:
        raise RefusedError(f"{store.path} is a snapshot of a store; name the store's folder")
    told = told_by(store.path, old)
    tidy_up_after_dead(store.path, old)
    if running(store.path):
        raise RefusedError(
            f"another job is running in {store.path}, or was stopped there: wait for its end, or "
            f"delete {files.join(store.path, STAGING)}"
        )
    _check_there(store, old)
    files.delete_folder(snapshot)  # what an adoption that was killed has left
    try:
        index = _index(store, old, told)
        for file in (*old.data, *old.failures):
            files.share(files.join(store.path, file.path), files.join(snapshot, file.path))
        reporting.copy(store.path, snapshot, old)
    except EmbedPipelineError:
        files.delete_folder(snapshot)
        _drop_if_empty(files.join(store.path, "snapshots"))
        raise
    manifest = old.model_copy(
        update={"index": index, "refresh": _told(old, index, started, time.monotonic() - began)}
    )
    files.write_bytes(files.join(snapshot, METRICS), open_metrics(manifest).encode())
    write_card(snapshot, manifest)
    files.write_bytes(files.join(snapshot, MANIFEST), manifest.to_json())


def _check_there(store: Store, old: Manifest) -> None:
    """See to it that a dataset's files are there, are ours, and have their sizes.

    Raises:
        DatasetError: It names one of which that does not hold.
    """
    sizes = {
        f"{folder}/{name(info.path)}": info.size
        for folder in MOVED
        for info in files.list_folder(files.join(store.path, folder))
        if is_part(info)
    }
    for file in (*old.data, *old.failures):
        where = files.join(store.path, file.path)
        if file.path not in sizes:
            raise DatasetError(f"{where} is missing, or no file of a dataset; {RESTORE}")
        if sizes[file.path] != file.bytes:
            raise DatasetError(
                f"{where} has {sizes[file.path]:,} bytes, not {file.bytes:,}; {RESTORE}"
            )


def _index(store: Store, old: Manifest, told: Told) -> list[DataFile]:
    """Write the marks of each data file's rows.

    Raises:
        DatasetError: A file is not what the manifest says.
        RefusedError: Ids stand twice.
    """
    seen = SeenIds(store.path, told.output.column("id"))
    index = []
    for file in old.data:
        source = files.join(store.path, file.path)
        found: list[NDArray[np.uint64]] = []
        for ids, marks in rows_marks(source, old, told):
            seen.add(file.path, ids)
            found.append(marks)
        rows = sum(map(len, found))
        if rows != file.rows:
            raise DatasetError(
                f"{source} has {rows:,} rows, the manifest says {file.rows:,}; {RESTORE}"
            )
        path = f"index/{name(file.path)}"
        part = write_index(files.join(store.snapshot(FIRST), path), found)
        index.append(DataFile(path=path, rows=rows, bytes=part.bytes, sha256=part.sha256))
    repeated = seen.repeated()
    if repeated:
        raise RefusedError(
            f"{store.path} cannot become a store, which knows rows by their ids: "
            f"{described(repeated)}; make the ids unique, and the dataset again"
        )
    return index


def _drop_old_names(store: Store, old: Manifest) -> None:
    """Delete what a dataset was before it was adopted; its manifest goes last."""
    left = {
        f"{folder}/{name(info.path)}"
        for folder in MOVED
        for info in files.list_folder(files.join(store.path, folder))
    }
    for file in (*old.data, *old.failures):
        if file.path in left:
            files.delete(files.join(store.path, file.path))
    if reporting.has(store.path, old):
        reporting.delete(store.path)
    drop_card(store.path)
    files.delete(files.join(store.path, MANIFEST))


def _told(old: Manifest, index: Sequence[DataFile], started: str, seconds: float) -> Refresh:
    """Return what the adoption did, as the log tells it: every row is new, none was embedded."""
    everything = (*old.data, *old.failures, *index)
    return Refresh(
        run_id=old.run_id,
        snapshot=FIRST,
        base=None,
        published=True,
        started=started,
        finished=now(),
        rows=old.counts.rows,
        failed=old.counts.failed,
        reused=old.counts.rows,
        inserted=old.counts.rows,
        seconds=seconds,
        model=str(old.provenance.get("model", "")),
        digest=str(old.provenance.get("digest") or ""),
        bytes_added=sum(file.bytes for file in everything),
        notes=[f"adopted from a dataset that `run` finished at {old.finished}; no change feed"],
    )


def _drop_if_empty(folder: str) -> None:
    """Delete a folder in which nothing is left, no hidden file either; object stores have none."""
    if files.rename_is_cheap(folder):
        with suppress(OSError):
            Path(parse(folder).key).rmdir()
