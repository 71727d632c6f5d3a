"""Forget documents: out of every snapshot of a store, and never again into it.

The tombstones come first, so that whatever happens then, no refresh brings a document back; then
the snapshots, the current one before the others; then the proof. What was begun by a `forget` that
was killed is finished by the next one, whichever ids it is given: it goes by all the tombstones.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from embed_pipeline import files, leftovers, proof, quotes, tombstones
from embed_pipeline.adopt import refuse_dataset
from embed_pipeline.erasure import Erased, erase
from embed_pipeline.errors import DatasetError
from embed_pipeline.forecast import PLAN
from embed_pipeline.locations import name
from embed_pipeline.proof import Proof, everything
from embed_pipeline.schema import id_hash
from embed_pipeline.staging import MANIFEST
from embed_pipeline.store import Store
from embed_pipeline.store_lock import locked

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")  # a file that was to be replaced when we were killed


class Forgotten(NamedTuple):
    """Hold what became of documents that were to be forgotten.

    Attributes:
        asked: How many ids were given, each counted once.
        known: Those among them that an earlier `forget` was given already.
        found: Those that something was found of, now.
        snapshots: What was erased, by the snapshot's number.
        leftovers: Files of stopped runs that were deleted.
        problems: What may still hold some of the documents, each with why.
        proof: What a look through all files has found afterwards.
    """

    asked: int
    known: int
    found: int
    snapshots: dict[int, Erased]
    leftovers: int
    problems: tuple[str, ...]
    proof: Proof

    @property
    def done(self) -> bool:
        """Tell whether it is proven that nothing is left."""
        return not self.problems


def forget(store: Store, ids: Collection[str]) -> Forgotten:
    """Forget documents; where it returns without problems, no file of the store holds any of them.

    Vectors, texts and attributes go with the rows; what is counted in manifests is true again. A
    reader sees each snapshot whole at any moment, as it was or as it is to be. Of the rows one row
    group is in memory, beside a byte for each row of a file and 16 bytes an id.

    Args:
        store: The store, of which no other job may be writing: locally it is locked.
        ids: Of whole documents, as their corpus names them; the pieces of one go with it.

    Raises:
        RefusedError: Another job is at work there, or it is a dataset that `run` made.
        DatasetError: There is no store, or its tombstones or `current.json` are damaged.
        OSError: A file cannot be read or written; what was begun is finished by the next time.
    """
    refuse_dataset(store.path)
    if not files.exists(store.current) and not store.numbers():
        raise DatasetError(
            f"{store.path} holds no store: neither {name(store.current)} nor snapshots; give the "
            "folder that `embed-pipeline refresh` writes into"
        )
    with locked(store.path):
        return _forget(store, {id_hash(one) for one in ids})


def _forget(store: Store, asked: set[bytes]) -> Forgotten:
    """Forget documents by their hashes; the store is locked."""
    known = tombstones.read(store)
    hashes = tombstones.add(store, asked)
    found: set[bytes] = set()
    problems: list[str] = []
    snapshots: dict[int, Erased] = {}
    deleted = 0
    current = store.number()
    _delete_notes(store, hashes)
    for number in sorted(store.numbers(), key=lambda one: (one != current, -one)):
        snapshot = store.snapshot(number)
        if not _is_published(snapshot, number, current):
            cleared = leftovers.clear(snapshot, hashes)
            deleted += cleared.files
            found |= cleared.documents
            continue
        try:
            snapshots[number] = erased = erase(snapshot, hashes)
        except DatasetError as error:
            problems.append(str(error))
        else:
            found |= erased.documents
            problems += erased.problems
    proven = proof.scan(store, hashes)
    problems += [one for one in (*proven.held, *proven.unread) if one not in problems]
    return Forgotten(
        len(asked),
        len(asked & known),
        len(asked & found),
        snapshots,
        deleted,
        tuple(problems),
        proven,
    )


def _is_published(snapshot: str, number: int, current: int | None) -> bool:
    """Tell whether readers see a snapshot, or have seen it; others are of stopped runs."""
    behind = current is None or number > current
    return not behind and files.exists(files.join(snapshot, MANIFEST))


def _delete_notes(store: Store, hashes: frozenset[bytes]) -> None:
    """Delete what no run needs: files that were not in place yet, a plan that names a document."""
    for path in everything(store.path):
        if _TEMPORARY.fullmatch(name(path)) or (
            name(path) == PLAN and quotes.is_named(path, hashes)
        ):
            files.delete(path)
