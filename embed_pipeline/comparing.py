"""Compare documents with what a store knows: what stays, what is copied, what is to be embedded."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import marks
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.documents import failed_document, refusal, storable
from embed_pipeline.errors import BadAttribute
from embed_pipeline.known import Known
from embed_pipeline.lasting import Verdicts
from embed_pipeline.records import Document, Failed
from embed_pipeline.schema import id_hash


class Copy(NamedTuple):
    """Say that a document gets the vectors of rows that are there.

    Attributes:
        document: The document, without its text: that is the rows' own.
        rows: Where the rows are: number of the source, number of the row there; () where they are
            yet to be made.
        twin: The id of the document with the same text that is being embedded, or "".
    """

    document: Document
    rows: tuple[tuple[int, int], ...]
    twin: str = ""


class Compared(NamedTuple):
    """Hold what becomes of documents.

    Attributes:
        ids: The hashes of all documents' ids, one behind the other.
        kept: Places of rows that stay as they are; int64.
        kept_documents: How many documents those are of.
        copies: Those whose vectors are there, but not their rows.
        todo: Those that are to be embedded.
        failed: Those that have failed before, and failures found without asking.
        given_up: How many documents `failed` is all there is of.
        forgotten: How many are left out, as was asked.
    """

    ids: bytes
    kept: NDArray[np.int64]
    kept_documents: int
    copies: list[Copy]
    todo: list[Document]
    failed: list[Failed]
    given_up: int
    forgotten: int


def is_remembered(failed: Failed, forgotten: frozenset[bytes]) -> bool:
    """Tell whether a failure is of no document that is to be left out."""
    return failed.id is None or id_hash(failed.id) not in forgotten


class Comparison:
    """Compare documents with what is known.

    Args:
        known: The rows there are.
        verdicts: The failures there are.
        types: The attributes' types, those of pieces left out.
        forgotten: Hashes of the ids that are left out.
        split: Whether documents are split into pieces.
    """

    def __init__(
        self,
        known: Known,
        verdicts: Verdicts,
        types: AttributeTypes,
        forgotten: frozenset[bytes] = frozenset(),
        *,
        split: bool = False,
    ) -> None:
        self.known = known
        self._verdicts = verdicts
        self._types = types
        self._forgotten = forgotten
        self._split = split

    def compare(self, documents: Sequence[Document]) -> Compared:
        """Tell what becomes of documents; what is to be embedded has its mark then."""
        failed: list[Failed] = []
        marked: list[Document] = []
        ids: list[bytes] = []
        forgotten = 0
        for document in documents:
            found = self._marked(document)
            if isinstance(found, Failed):
                identity = id_hash(storable(document.id))
            else:
                identity = found.mark[:16]
            ids.append(identity)
            if self._forgotten and identity in self._forgotten:
                forgotten += 1
            elif isinstance(found, Failed):
                failed.append(found)
            else:
                marked.append(found)
        none = np.empty(0, np.int64)
        compared = Compared(b"".join(ids), none, 0, [], [], failed, len(failed), forgotten)
        return self._looked_up(marked, compared) if marked else compared

    def _marked(self, document: Document) -> Document | Failed:
        """Return a document with its mark, or its failure where it cannot become a row."""
        error = refusal(document)
        if error is not None:
            return failed_document(document, error)
        try:
            return document._replace(mark=marks.mark_of(document, self._types))
        except BadAttribute as wrong:
            return failed_document(document, wrong, stage="write")

    def _looked_up(self, documents: Sequence[Document], found: Compared) -> Compared:
        asked = marks.words(b"".join([document.mark for document in documents]))
        if self._split:
            places = np.full(len(documents), -1, np.int64)
        else:
            places = self.known.unchanged(asked)
        kept = places[places >= 0].tolist()
        count, given_up = len(kept), found.given_up
        for at in np.flatnonzero(places < 0).tolist():
            document, mark = documents[at], asked[at].tolist()
            stays = self._staying(document, mark)
            if stays is not None:
                count += 1
                kept += stays[0]
                found.failed.extend(stays[1])
                continue
            copied = self._copied(document, mark)
            verdict = None if copied else self._verdicts.of(document)
            if copied:
                found.copies.append(copied)
            elif verdict:
                found.failed.append(verdict)
                given_up += 1
            else:
                found.todo.append(document)
        return found._replace(
            kept=np.array(kept, np.int64), kept_documents=count, given_up=given_up
        )

    def _staying(
        self, document: Document, mark: Sequence[int]
    ) -> tuple[tuple[int, ...], list[Failed]] | None:
        """Return the rows of a document that has not changed, and its pieces' failures."""
        for rows in self.known.of_id(mark):
            if rows.text == (mark[2], mark[3]) and rows.attributes == mark[4]:
                failed = self._verdicts.pieces(document, rows)
                if failed is not None:
                    return rows.places, failed
        return None

    def _copied(self, document: Document, mark: Sequence[int]) -> Copy | None:
        """Return where a document gets its vectors from: its own rows, or another's."""
        own = [one for one in self.known.of_id(mark) if one.text == (mark[2], mark[3])]
        for rows in own or self.known.of_text(mark):
            if not self._verdicts.has_pieces(rows):
                places = tuple(self.known.where(place) for place in rows.places)
                return Copy(document._replace(text=""), places)
        return None
