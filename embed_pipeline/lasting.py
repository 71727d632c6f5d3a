"""Failures that last: texts no endpoint is asked for again, and pieces that are still missing."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from embed_pipeline import marks
from embed_pipeline.documents import attributes_json, storable
from embed_pipeline.known import Rows
from embed_pipeline.records import Document, Failed
from embed_pipeline.retriable import read_failures
from embed_pipeline.schema import id_hash

_PLACE = ("chunk_index", "chunk_start", "chunk_end")


class Verdicts:
    """Hold which texts have failed for good, as their own fault, and which pieces have failed.

    Args:
        of_base: Files of failures of the current snapshot.
        of_left: Those that refreshes that stopped have left.
        split: Whether documents are split, so that a failure may be of a piece.
        again: Whether what failed at the endpoint is to be sent again, whoever is to blame.

    Raises:
        DatasetError: A file cannot be read.
    """

    def __init__(
        self,
        of_base: Iterable[str],
        of_left: Iterable[str] = (),
        *,
        split: bool = False,
        again: bool = False,
    ) -> None:
        self._split = split
        self._again = again
        self._by_text: dict[bytes, Failed] = {}
        self._of_base: dict[bytes, list[Failed]] = {}
        self._of_left: dict[bytes, list[Failed]] = {}
        for paths, pieces in ((of_base, self._of_base), (of_left, self._of_left)):
            for path in paths:
                for failed in read_failures(path):
                    self._add(failed, pieces)

    def _add(self, failed: Failed, pieces: dict[bytes, list[Failed]]) -> None:
        if failed.text is None or failed.id is None:
            return
        whole = document_of(failed) if self._split else None
        if whole is not None:
            pieces.setdefault(id_hash(whole), []).append(failed)
        if _is_lasting(failed) and not (self._again and failed.attempts):
            bare = failed._replace(id=None, text=None, attributes=None, source="", line=None)
            self._by_text[marks.text_mark(failed.text)] = bare

    def of(self, document: Document) -> Failed | None:
        """Return the failure of a document whose very text has failed for good.

        Where documents are split, it is that of its only piece: what was sent for a text that is a
        piece of another document's would be sent for this one.
        """
        bare = self._by_text.get(marks.text_of(document.mark)) if self._by_text else None
        if bare is None:
            return None
        failed = bare._replace(text=document.text)
        if not self._split or failed.stage == "chunk":
            return failed_as(document, failed)
        return failed_as(
            document, failed, dict(zip(_PLACE, (0, 0, len(document.text)), strict=True))
        )

    def pieces(self, document: Document, rows: Rows) -> list[Failed] | None:
        """Return the failures that belong to a document's rows; None where one may pass.

        Of what refreshes that stopped have left, none is taken to last: their failures may be of
        another text than their rows.
        """
        if rows.run:
            return None if rows.identity in self._of_left else []
        found = self._of_base.get(rows.identity, [])
        if any(one.blame == "server" or (self._again and one.attempts) for one in found):
            return None
        return [one._replace(source=document.source, line=document.line) for one in found]

    def has_pieces(self, rows: Rows) -> bool:
        """Tell whether pieces of the document of some rows have failed."""
        return rows.identity in (self._of_left if rows.run else self._of_base)


def _is_lasting(failed: Failed) -> bool:
    """Tell whether a text was sent, or split, and will have no vector whenever that is done."""
    if failed.blame != "document":
        return False
    if failed.stage == "chunk":
        return failed.kind == "BadCharacter"
    return failed.stage == "embed" and (failed.attempts > 0 or failed.kind == "TextTooLong")


def failed_as(document: Document, failed: Failed, place: Mapping[str, Any] | None = None) -> Failed:
    """Return a failure as a document's own, or as that of its piece of this place."""
    identity, attributes = storable(document.id), dict(document.attributes)
    if place is not None:
        attributes |= {"document_id": identity, **{name: place[name] for name in _PLACE}}
        identity = f"{identity}#{place['chunk_index']}"
    return failed._replace(
        id=identity,
        attributes=attributes_json(attributes),
        source=document.source,
        line=document.line,
    )


def place_of(failed: Failed) -> Mapping[str, Any] | None:
    """Return the document a failed piece is of, and its place there; None where it is no piece."""
    if not failed.attributes or "#" not in (failed.id or ""):
        return None
    try:
        found: Any = orjson.loads(failed.attributes)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(found, dict) and isinstance(found.get("document_id"), str)
    return found if known else None


def document_of(failed: Failed) -> str | None:
    """Return the id of the document that a failed piece is of; None where it is no piece."""
    found = place_of(failed)
    return None if found is None else str(found["document_id"])
