"""Which of given documents a JSON file names: as a whole string, or as the end of a path.

A text file that is one document has its path in the corpus as its id, so a list of input files
names documents.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from embed_pipeline import files
from embed_pipeline.locations import split_options
from embed_pipeline.schema import id_hash


def quoted(content: bytes, hashes: frozenset[bytes]) -> frozenset[bytes]:
    """Return those of the hashes whose ids stand in JSON, names of keys included.

    Raises:
        orjson.JSONDecodeError: It is no JSON.
    """
    return named(orjson.loads(content), hashes)


def is_named(path: str, hashes: frozenset[bytes]) -> bool:
    """Tell whether a JSON file names one of the documents, or cannot be read."""
    try:
        return bool(quoted(files.read_bytes(path), hashes))
    except orjson.JSONDecodeError:
        return True


def named(value: Any, hashes: frozenset[bytes]) -> frozenset[bytes]:
    """Return those of the hashes whose ids stand in a value, as it was parsed from JSON."""
    found: set[bytes] = set()
    for word in _words(value):
        found.update(one for one in map(id_hash, _ends(word)) if one in hashes)
    return frozenset(found)


def _words(value: Any) -> Iterator[str]:
    """Yield every string, also those of JSON that stands in a string."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one
            if one.startswith(("{", "[")):
                try:
                    waiting.append(orjson.loads(one))
                except orjson.JSONDecodeError:
                    continue


def _ends(word: str) -> Iterator[str]:
    """Yield a string, and what stands behind each slash of it."""
    yield word
    path = split_options(word)[0]
    if path != word:
        yield path
    place = path.find("/")
    while place >= 0:
        yield path[place + 1 :]
        place = path.find("/", place + 1)
