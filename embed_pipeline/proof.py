"""Proof that nothing of given documents is left in a store: every file of it is looked through."""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import orjson
import pyarrow as pa
from pyarrow import fs

from embed_pipeline import files, quotes
from embed_pipeline.card_file import CARD, is_card
from embed_pipeline.errors import DatasetError
from embed_pipeline.locations import name, naming, parse
from embed_pipeline.manifest import read_manifest
from embed_pipeline.owners import Naming, Owners, any_owner, find, owners
from embed_pipeline.page_file import is_page
from embed_pipeline.report import PAGE
from embed_pipeline.staging import MANIFEST
from embed_pipeline.store import Store
from embed_pipeline.store_lock import LOCK

METRICS = "metrics.prom"
_OURS = (LOCK, METRICS)  # figures, and who works here
_PLACE = re.compile(r"/snapshots/(\d{6})/(data|index|failures|changes)/[^/]+$")


class Proof(NamedTuple):
    """Hold what was found; nothing is left where `held` and `unread` are empty.

    Attributes:
        files: How many were looked through.
        held: Those that hold rows of the documents, each with how many.
        unread: Those that cannot be read, each with why.
        mentions: JSON files with a word that equals an id, such as a setting or a file's name.
        foreign: Files that nothing of ours has written, and that were not looked into.
        unnamed: Failures that name no document, so that nobody knows whose they are.
    """

    files: int
    held: list[str]
    unread: list[str]
    mentions: list[str]
    foreign: list[str]
    unnamed: int


def everything(path: str) -> list[str]:
    """List the files in a folder and below it, hidden ones too, sorted; none where it is missing.

    Raises:
        OSError: It cannot be listed.
    """
    place = parse(path)
    filesystem, key = files.resolve(path)
    with naming(path):
        selector = fs.FileSelector(key, recursive=True, allow_not_found=True)
        return sorted(
            place.url(info.path) for info in filesystem.get_file_info(selector) if info.is_file
        )


def _is_ours(path: str) -> bool:
    """Tell whether a file that is no table and no JSON is one that is written here."""
    if name(path) == CARD:
        return is_card(path)
    return is_page(path) if name(path) == PAGE else name(path) in _OURS


def scan(store: Store, hashes: frozenset[bytes]) -> Proof:
    """Look through every file of a store for documents, by their ids.

    Of a published snapshot's files the columns that name documents are read, as its manifest tells;
    of any other Parquet file every column of strings, of JSON every string.

    Args:
        store: The store.
        hashes: Of the documents' ids.
    """
    search = _Search(store, hashes)
    found = everything(store.path)
    for path in found:
        search.look(path)
    return search.proof(len(found))


class _Search:
    def __init__(self, store: Store, hashes: frozenset[bytes]) -> None:
        self._store = store
        self._hashes = hashes
        self._namings: dict[int, Naming | None] = {}
        self.held: list[str] = []
        self.unread: list[str] = []
        self.mentions: list[str] = []
        self.foreign: list[str] = []
        self.unnamed = 0

    def proof(self, count: int) -> Proof:
        """Return what was found in so many files."""
        looked = count - len(self.foreign)
        return Proof(looked, self.held, self.unread, self.mentions, self.foreign, self.unnamed)

    def look(self, path: str) -> None:
        """Look through a file."""
        try:
            if name(path).endswith(".parquet"):
                self._look_at_rows(path)
            elif name(path).endswith(".json"):
                documents = quotes.quoted(files.read_bytes(path), self._hashes)
                self.mentions += [path] if documents else []
            elif not _is_ours(path):
                self.foreign.append(path)
        except DatasetError as error:
            self.unread.append(str(error))
        except orjson.JSONDecodeError as error:
            self.unread.append(f"{path} is no JSON: {error}")

    def _look_at_rows(self, path: str) -> None:
        found = find(path, self._hashes, self._rule(path))
        if found.documents:
            rows = int(found.rows.sum())
            self.held.append(f"{path}: {rows:,} rows of {len(found.documents):,} documents")
        if "/failures/" in path:
            self.unnamed += found.unnamed

    def _rule(self, path: str) -> Callable[[pa.Schema], Owners]:
        """Return how a file tells whose its rows are."""
        place = _PLACE.search(path.partition("?")[0])
        known = place and self._naming(int(place[1]))
        return partial(owners, place[2], known) if place and known else any_owner

    def _naming(self, number: int) -> Naming | None:
        """Return how the rows of a snapshot name their documents; None where it has no manifest."""
        if number not in self._namings:
            snapshot = self._store.snapshot(number)
            whole = files.exists(files.join(snapshot, MANIFEST))
            self._namings[number] = Naming.of(read_manifest(snapshot)) if whole else None
        return self._namings[number]
