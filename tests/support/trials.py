"""What must hold of a store after a job in it has failed anywhere, and after the next one.

Files are read as bytes through pyarrow.fs, local ones and those of an object store alike.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from embed_pipeline import files
from embed_pipeline.manifest import read_manifest
from embed_pipeline.verify import verify

NEAR = 1e-6  # that a value of a vector may be off
_ENTRY = re.compile(r"log/\d{6}\.json")
Tree = Mapping[str, bytes]  # content by path below a folder


def tree(path: str) -> dict[str, bytes]:
    """Return every file below a folder, hidden ones too."""
    filesystem, key = files.resolve(path)
    found = filesystem.get_file_info(fs.FileSelector(key, recursive=True, allow_not_found=True))
    return {
        info.path.removeprefix(f"{key}/"): _content(filesystem, info.path)
        for info in found
        if info.is_file
    }


def _content(filesystem: fs.FileSystem, path: str) -> bytes:
    with filesystem.open_input_stream(path, compression=None) as stream:
        return bytes(stream.read())


def restore(path: str, wanted: Tree) -> None:
    """Make a folder hold just these files."""
    filesystem, key = files.resolve(path)
    filesystem.delete_dir_contents(key, missing_dir_ok=True)
    for folder in {name.rpartition("/")[0] for name in wanted}:
        filesystem.create_dir(f"{key}/{folder}".rstrip("/"))
    for name, content in wanted.items():
        with filesystem.open_output_stream(f"{key}/{name}", compression=None) as stream:
            stream.write(content)


DIFFERENT = {"vector", "token_count_source"}  # the latter as the texts sent together with it are


class Snapshot(NamedTuple):
    """Hold what is in a snapshot, whatever its files.

    Attributes:
        rows: By id.
        failures: Id, text and kind of each.
        changes: What is told of each row that changed, but what is DIFFERENT.
    """

    rows: Mapping[str, Mapping[str, Any]]
    failures: list[tuple[Any, ...]]
    changes: list[str]


def current(store: Tree) -> int:
    """Return the number of the current snapshot; 0: there is none."""
    return int(json.loads(store["current.json"])["snapshot"]) if "current.json" in store else 0


def below(store: Tree, number: int) -> dict[str, bytes]:
    """Return the files of a snapshot."""
    start = f"snapshots/{number:06d}/"
    return {
        name.removeprefix(start): content
        for name, content in store.items()
        if name.startswith(start)
    }


def read(store: Tree, number: int) -> Snapshot:
    """Read a snapshot through its manifest."""
    files_of = below(store, number)
    manifest = json.loads(files_of["manifest.json"])

    def rows(what: str) -> list[dict[str, Any]]:
        return [row for one in manifest[what] for row in _table(files_of[one["path"]])]

    every = rows("data")
    assert len({row["id"] for row in every}) == len(every)
    changes = [
        {name: value for name, value in row.items() if name not in DIFFERENT}
        for row in rows("changes")
    ]
    return Snapshot(
        {row["id"]: row for row in every},
        sorted((one["id"], one["text"], one["kind"]) for one in rows("failures")),
        sorted(str(sorted(row.items())) for row in changes),
    )


def _table(content: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(pa.BufferReader(content)).to_pylist()
    return found


def differences(found: Snapshot, wanted: Snapshot) -> Iterator[str]:
    """Yield in what a snapshot is another one."""
    if found.rows.keys() != wanted.rows.keys():
        yield f"other ids: {sorted(found.rows.keys() ^ wanted.rows.keys())}"
        return
    for name, row in wanted.rows.items():
        ours = found.rows[name]
        plain = (row.keys() | ours.keys()) - DIFFERENT
        if any(row.get(key) != ours.get(key) for key in plain):
            yield f"{name} is {ours}, not {row}"
        if not np.allclose(ours["vector"], row["vector"], rtol=0, atol=NEAR):
            yield f"{name} has another vector"
    if found.failures != wanted.failures:
        yield f"failures are {found.failures}"
    if found.changes != wanted.changes:
        yield f"changes are {found.changes}, not {wanted.changes}"


def kept_texts(store: Tree, number: int) -> set[str]:
    """Return the texts in whole part files that are there, of rows and of failures.

    A part is whole once its note stands in the staging folder, and may be anywhere in the snapshot
    by then, under any name.
    """
    inside = below(store, number)
    known = {hashlib.sha256(content).hexdigest(): content for content in inside.values()}
    texts: set[str] = set()
    for name, content in inside.items():
        part = name.rpartition("/")[2]
        if name.startswith("staging/") and part.startswith(("data-", "failures-")):
            if not name.endswith(".json"):
                continue
            digest = json.loads(content)["sha256"]
            if digest in known:
                texts.update(row["text"] for row in _table(known[digest]))
    return texts


def orphans(store: Tree) -> list[str]:
    """Return the files that are of no snapshot, and not the store's own."""
    listed = {"current.json", ".lock", "forgotten.json"}
    for name in store:
        folder, _, last = name.rpartition("/")
        if last == "manifest.json" and folder.startswith("snapshots/"):
            manifest = json.loads(store[name])
            more = ("metrics.prom", "README.md", "report.json", "report.html")
            listed |= {name, *(f"{folder}/{one}" for one in more)}
            for what in ("data", "failures", "index", "changes"):
                listed |= {f"{folder}/{one['path']}" for one in manifest[what]}
    return [name for name in store if name not in listed and not _ENTRY.fullmatch(name)]


def wrong_log(store: Tree) -> Iterator[str]:
    """Yield what is wrong with the log: each snapshot is told of once."""
    entries = [json.loads(content) for name, content in store.items() if _ENTRY.fullmatch(name)]
    told = Counter(one["snapshot"] for one in entries if one["published"])
    wanted = Counter(range(1, current(store) + 1))
    if told != wanted:
        yield f"the log tells of the snapshots {sorted(told.elements())}"


def problems(path: str, number: int) -> Iterable[str]:
    """Return what does not hold of a snapshot, as `inspect` finds it."""
    folder = files.join(path, "snapshots", f"{number:06d}")
    return map(str, verify(folder, read_manifest(folder)).problems)
