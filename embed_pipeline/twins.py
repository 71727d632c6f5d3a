"""Documents with the text of another one that was embedded: what became of it becomes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from embed_pipeline import marks
from embed_pipeline.comparing import Copy
from embed_pipeline.known import UNDER_WAY, Known, Source
from embed_pipeline.lasting import document_of, failed_as, place_of
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Failed
from embed_pipeline.retriable import read_failures
from embed_pipeline.schema import id_hash


class Twins:
    """Find the rows and failures of the documents that were embedded.

    Args:
        parts: The files of their rows.
        failures: The files of their failures.
        split: Whether documents were split into pieces.
    """

    def __init__(
        self, parts: Sequence[PartFile], failures: Sequence[PartFile], *, split: bool
    ) -> None:
        self._parts = parts
        self._split = split
        self._known = Known([Source(part, UNDER_WAY) for part in parts])
        self._failed: dict[str, list[Failed]] = {}
        for part in failures:
            for failed in read_failures(part.path):
                identity = (document_of(failed) if split else None) or failed.id
                if identity is not None:
                    self._failed.setdefault(identity, []).append(failed)

    def find(self, copy: Copy) -> tuple[list[tuple[str, int]], list[Failed]]:
        """Return where the rows of a document's twin are, and its failures as the document's."""
        asked = marks.words(id_hash(copy.twin) + copy.document.mark[16:])[0].tolist()
        places = [
            self._known.where(place)
            for rows in self._known.of_id(asked)
            if rows.text == (asked[2], asked[3])
            for place in rows.places
        ]
        rows = [(self._parts[part].path, number) for part, number in places]
        failed = self._failed.get(copy.twin, ())
        return rows, [failed_as(copy.document, one, self._place(one)) for one in failed]

    def _place(self, failed: Failed) -> Mapping[str, Any] | None:
        return place_of(failed) if self._split else None
