"""Ids a refresh can rely on: they stay with their documents, and each stands once."""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.corpus import Corpus
from embed_pipeline.documents import storable
from embed_pipeline.errors import RefusedError
from embed_pipeline.files import FileInfo
from embed_pipeline.reading import read
from embed_pipeline.records import Document
from embed_pipeline.schema import id_hash
from embed_pipeline.shards import split

SAMPLE = 1_000
FEWEST = 3  # documents whose ids count up by chance
SHOWN = 5


def check_not_positions(corpus: Corpus, found: Sequence[FileInfo]) -> None:
    """Refuse ids that are the positions of their documents in a file.

    A document that is inserted would give all behind it another id, and so another text.

    Args:
        corpus: The settings.
        found: Its files; the first documents of the first one are looked at.

    Raises:
        RefusedError: Their ids count from 0 or 1 on.
    """
    if not corpus.id:
        return
    ids = [one.id for one in islice(_documents(corpus, found[:1]), SAMPLE)]
    if len(ids) < FEWEST:
        return
    for first in (0, 1):
        if ids == [str(number) for number in range(first, first + len(ids))]:
            raise RefusedError(
                f"the ids of {found[0].path} ({ids[0]}, {ids[1]}, {ids[2]} ..., field "
                f"{corpus.id!r}) are the positions of its documents: where one is inserted, all "
                "behind it get another id. Name a field that stays with its document in "
                'corpus.id, or set it to "" for ids made of the texts; if these are keys of a '
                "database, set store.ids_are_keys to true"
            )


def check_unique(ids: NDArray[np.uint64], corpus: Corpus, found: Sequence[FileInfo]) -> None:
    """Refuse ids that stand more than once; the corpus is read again to name some.

    Args:
        ids: The hashes of all documents' ids, shape (n, 2).
        corpus: The settings.
        found: Its files.

    Raises:
        RefusedError: Two documents have the same id.
    """
    ordered = ids[np.lexsort((ids[:, 1], ids[:, 0]))]
    twice = ordered[1:][(ordered[1:] == ordered[:-1]).all(axis=1)]
    if not len(twice):
        return
    hashes = {one.astype("<u8").tobytes() for one in twice}
    places: dict[str, list[str]] = {}
    for document in _documents(corpus, found):
        if id_hash(storable(document.id)) in hashes:
            places.setdefault(document.id, []).append(f"{document.source}:{document.line or '?'}")
            if sum(len(where) > 1 for where in places.values()) == SHOWN:
                break
    shown = "; ".join(
        f"{identity!r} ({', '.join(where[:3])})"
        for identity, where in places.items()
        if len(where) > 1
    )
    raise RefusedError(
        f"{len(hashes):,} ids stand more than once in the corpus: {shown}"
        f"{'; ...' if len(hashes) > SHOWN else ''}; a refresh knows documents by their ids: make "
        "them unique, or name another field in corpus.id"
    )


def _documents(corpus: Corpus, found: Sequence[FileInfo]) -> Iterable[Document]:
    for shard in split(corpus, found):
        for one in read(corpus, shard):
            if isinstance(one, Document):
                yield one
