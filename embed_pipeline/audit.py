"""An audit along the run: different texts that got the same vector are noticed.

Some rightly do: texts whose tokens are the same, say where case or spacing does not count. Others
tell of a server that mixes up its answers, so they are asked for again, each alone.
"""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RECENT = 256  # vectors remembered one and all
ONE_IN = 61  # vectors remembered for longer, by what they are; a prime, so that all bits count
KEPT_CHARS = 8_000_000  # of their texts
MOST_ASKED = 1_000  # pairs in a process
SAME = 1e-5  # difference of a value, at most, between two computations of one vector


class Suspect(NamedTuple):
    """Name two different texts with the same vector.

    Attributes:
        text: One of the request at hand.
        other: One of it, too, or of an earlier request.
        earlier: Whether it is of an earlier request, so that its row may be written.
        mark: What their vector is remembered by.
    """

    text: str
    other: str
    earlier: bool
    mark: int

    def is_of(self, vector: NDArray[np.float32]) -> bool:
        """Tell whether the vector they share may be this one, which was computed anew."""
        values = np.array([self.mark], np.uint64).view(np.float32)
        return bool(np.abs(values - vector[:2]).max() <= SAME)


def marks_of(vectors: NDArray[np.float32]) -> list[int]:
    """Return what each vector (float32, shape (texts, dimension)) is remembered by."""
    if vectors.shape[1] < 2:  # of one value: they say nothing
        return list(range(-len(vectors), 0))
    return np.ascontiguousarray(vectors[:, :2]).view(np.uint64).ravel().tolist()


class Audit:
    """Remember texts by their vectors; threads may share it.

    The latest RECENT are remembered, and of all others about one in ONE_IN: whether a vector is
    among them depends on its values only, so that equal ones are remembered together. A vector is
    known again by its first values (64 bits).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: dict[int, str] = {}
        self._older: dict[int, str] = {}
        self._chosen: dict[int, str] = {}
        self._chosen_chars = 0
        self._shared: set[int] = set()
        self._asked = 0

    def suspects(self, texts: Sequence[str], marks: Sequence[int]) -> list[Suspect]:
        """Return the pairs of different texts that share a vector.

        Args:
            texts: As they were sent.
            marks: `marks_of` their vectors.
        """
        here = set(marks)
        with self._lock:
            known = (self._recent, self._older, self._chosen)
            # by way of its keys: a set would walk through all that is known
            if len(here) == len(marks) and all(one.keys().isdisjoint(here) for one in known):
                return []
            return self._pairs(texts, marks)

    def remember(self, texts: Sequence[str], marks: Sequence[int]) -> None:
        """Remember texts whose vectors are believed."""
        here = dict(zip(marks, texts, strict=True))
        with self._lock:
            self._recent.update(here)
            if len(self._recent) >= RECENT:
                self._older, self._recent = self._recent, {}
            for mark, text in here.items():
                if not mark % ONE_IN:
                    self._keep(mark, text)

    def _pairs(self, texts: Sequence[str], marks: Sequence[int]) -> list[Suspect]:
        """Return the pairs of different texts that share a mark, and not rightly."""
        here: dict[int, str] = {}
        found = []
        for text, mark in zip(texts, marks, strict=True):
            other = here.setdefault(mark, text)
            earlier = other is text
            if earlier:
                known = (self._recent, self._older, self._chosen)
                other = next((one[mark] for one in known if mark in one), text)
            if other != text and mark not in self._shared:
                found.append(Suspect(text, other, earlier, mark))
        return found

    def may_ask(self) -> bool:
        """Take one of the MOST_ASKED pairs that are asked for again; tell whether one was left."""
        with self._lock:
            self._asked += 1
            return self._asked <= MOST_ASKED

    def rightly_shared(self, mark: int) -> None:
        """Take note that different texts have this vector, alone as well."""
        with self._lock:
            self._shared.add(mark)

    def _keep(self, mark: int, text: str) -> None:
        self._chosen_chars += len(text) - len(self._chosen.pop(mark, ""))
        self._chosen[mark] = text
        while self._chosen_chars > KEPT_CHARS:
            oldest = next(iter(self._chosen))
            self._chosen_chars -= len(self._chosen.pop(oldest))
