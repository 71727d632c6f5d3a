"""What runs that were stopped have left in a snapshot that is not published.

A whole part file is all that matters of them: it saves the next run embedding its texts. So a part
that holds a document which is to be forgotten is not rewritten, but deleted, with all that belongs
to it; so is what cannot be read, as the next run could not read it, either.
"""

import re
from typing import NamedTuple

import orjson

from embed_pipeline import files, quotes, reporting
from embed_pipeline.errors import DatasetError
from embed_pipeline.hashing import sha256_of
from embed_pipeline.kept import KEPT
from embed_pipeline.locations import name, split_options
from embed_pipeline.owners import any_owner, find
from embed_pipeline.proof import everything
from embed_pipeline.staging import MANIFEST

_RUN = r"(\d{8}T\d{6}Z-[0-9a-f]{6})"
_STAGED = re.compile(rf"/staging/{_RUN}/")
_PART = re.compile(rf"/staging/{_RUN}/(?:data|failures|origins)-([0-9a-z]+-\d+)\.(?:parquet|json)$")
_FOLDERS = "(?:data|index|failures|changes)"
_UNRENAMED = re.compile(rf"/{_FOLDERS}/part-{_RUN}-([0-9a-z]+-\d+)\.parquet$")
_RENAMED = re.compile(rf"/{_FOLDERS}/part-\d+\.parquet$")
_NOTE = re.compile(r"(?:data|failures)-[0-9a-z]+-\d+\.json")
Part = tuple[str, str]  # a run's id, and what the names of a part's files share


class Cleared(NamedTuple):
    """Hold what was cleared away.

    Attributes:
        files: How many files were deleted, reports not counted.
        documents: The hashes of the documents that some of them held.
    """

    files: int
    documents: frozenset[bytes]


def clear(snapshot: str, hashes: frozenset[bytes]) -> Cleared:
    """Delete the files of stopped runs that hold given documents.

    With a part goes what belongs to it: where its rows were read from, and the note that it is
    whole. A run whose own file names such a document, as the path of a text file, is deleted
    altogether. A manifest, as a run leaves it that is killed right before it publishes, goes first:
    it would not be true any more. A report goes in any case: whoever publishes writes a new one.

    Args:
        snapshot: The folder, in which no run is at work.
        hashes: Of the documents' ids.

    Raises:
        OSError: A file cannot be read or deleted.
    """
    reporting.delete(snapshot)
    leftovers = _Leftovers(everything(snapshot))
    leftovers.judge(hashes)
    doomed = leftovers.doomed()
    manifest = files.join(snapshot, MANIFEST)
    if files.exists(manifest) and (doomed or quotes.is_named(manifest, hashes)):
        doomed.insert(0, manifest)
    for path in doomed:
        files.delete(path)
    return Cleared(len(doomed), frozenset(leftovers.documents))


class _Leftovers:
    """Tell which of the files in a snapshot's folder go."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = [path for path in paths if _is_ours(_plain(path))]
        self.documents: set[bytes] = set()
        self._files: set[str] = set()
        self._runs: set[str] = set()

    def judge(self, hashes: frozenset[bytes]) -> None:
        """Look into every file."""
        for path in self._paths:
            if name(path).endswith(".parquet"):
                self._judge_rows(path, hashes)
            elif name(path).endswith(".json"):
                self._judge_note(path, hashes)

    def doomed(self) -> list[str]:
        """Return the files that go."""
        parts = {_part(path) for path in self._files} | self._noted()
        parts.discard(None)
        goes = [
            path
            for path in self._paths
            if path in self._files or _part(path) in parts or _run(path) in self._runs
        ]
        if goes:  # the list of a run's parts is not true any more
            goes += [path for path in self._paths if name(path) == KEPT and path not in goes]
        return goes

    def _judge_rows(self, path: str, hashes: frozenset[bytes]) -> None:
        try:
            found = find(path, hashes, any_owner)
        except DatasetError:  # cut short when its run was killed
            self._files.add(path)
            return
        if found.documents:
            self._files.add(path)
            self.documents |= found.documents

    def _judge_note(self, path: str, hashes: frozenset[bytes]) -> None:
        try:
            documents = quotes.quoted(files.read_bytes(path), hashes)
        except orjson.JSONDecodeError:
            self._files.add(path)
            return
        self.documents |= documents
        if documents and _NOTE.fullmatch(name(path)):
            self._files.add(path)
        elif documents:
            self._runs.add(_run(path) or "")

    def _noted(self) -> set[Part | None]:
        """Return the parts that a commit has renamed before it was killed, by their notes."""
        renamed = [path for path in self._files if _RENAMED.search(_plain(path))]
        digests = {sha256_of(path) for path in renamed}
        notes = [path for path in self._paths if _NOTE.fullmatch(name(path))] if digests else []
        return {_part(one) for one in notes if _noted_digest(one) in digests}


def _plain(path: str) -> str:
    return split_options(path)[0]


def _is_ours(path: str) -> bool:
    return any(one.search(path) for one in (_STAGED, _UNRENAMED, _RENAMED))


def _part(path: str) -> Part | None:
    match = _PART.search(_plain(path)) or _UNRENAMED.search(_plain(path))
    return (match[1], match[2]) if match else None


def _run(path: str) -> str | None:
    match = _STAGED.search(_plain(path)) or _UNRENAMED.search(_plain(path))
    return match[1] if match else None


def _noted_digest(note: str) -> object:
    try:
        return orjson.loads(files.read_bytes(note)).get("sha256")
    except (orjson.JSONDecodeError, AttributeError):
        return None
