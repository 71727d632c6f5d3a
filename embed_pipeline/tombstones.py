"""Tombstones: the hashes of documents that were to be forgotten, so that none comes back.

They stand in STORE/forgotten.json. A hash says nothing of an id to whom does not know it already;
who has a list of ids can tell which of them were forgotten.
"""

from collections.abc import Collection, Iterable

import orjson

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.store import Store

TOMBSTONES = "forgotten.json"
FORMAT = 1
HASH_BYTES = 16


def read(store: Store) -> frozenset[bytes]:
    """Return the hashes (`schema.id_hash`, 16 bytes each) of the ids that were forgotten.

    Raises:
        DatasetError: The file is damaged or of a newer format: what was to be forgotten would
            come back.
    """
    path = files.join(store.path, TOMBSTONES)
    if not files.exists(path):
        return frozenset()
    try:
        found = orjson.loads(files.read_bytes(path))
        written = int(found["format"])
        if written > FORMAT:
            raise DatasetError(
                f"{path} is of format {written}, written by a newer version; this one reads "
                f"format {FORMAT}: install the newer version"
            )
        hashes = frozenset(bytes.fromhex(one) for one in found["hashes"])
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    if any(len(one) != HASH_BYTES for one in hashes):
        raise _damaged(path)
    return hashes


def add(store: Store, hashes: Iterable[bytes]) -> frozenset[bytes]:
    """Add hashes to those there are; return all of them.

    The file is replaced as a whole: a kill leaves the old one or the new one.

    Raises:
        DatasetError: The file is damaged or of a newer format.
    """
    before = read(store)
    after = before.union(hashes)
    if after != before:
        files.write_bytes(files.join(store.path, TOMBSTONES), _content(after))
    return after


def _content(hashes: Collection[bytes]) -> bytes:
    told = {"format": FORMAT, "hashes": sorted(one.hex() for one in hashes)}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"


def _damaged(path: str) -> DatasetError:
    return DatasetError(
        f"{path} is damaged, so that what was forgotten is not known; put it back from a copy, or "
        "delete it and run `embed-pipeline forget` again with every id that was to be forgotten"
    )
