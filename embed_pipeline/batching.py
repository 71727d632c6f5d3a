"""Batches of elements, bounded by count and by sizes."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collect elements into batches, in order.

    A batch never holds more than `max_count` elements, and never more than `max_sizes` unless a
    single element is larger; it is never empty.

    Args:
        max_count: Elements in a batch, at most.
        max_sizes: Sizes of a batch, at most, each in the unit the elements' sizes are given in.
    """

    def __init__(self, max_count: int, *max_sizes: int) -> None:
        self._max_count = max_count
        self._max_sizes = max_sizes
        self._elements: list[T] = []
        self._sizes = [0] * len(max_sizes)

    def add(self, element: T, *sizes: int) -> list[T] | None:
        """Take an element of these sizes; return the batch this completes, or None."""
        grown = [sum(pair) for pair in zip(self._sizes, sizes, strict=True)]
        if self._elements and any(
            size > most for size, most in zip(grown, self._max_sizes, strict=True)
        ):
            full = self.flush()
            self._elements.append(element)
            self._sizes = list(sizes)
            return full
        self._elements.append(element)
        self._sizes = grown
        if len(self._elements) >= self._max_count:
            return self.flush()
        return None

    def flush(self) -> list[T]:
        """Return what has been collected, which may be nothing, and start anew."""
        elements, self._elements = self._elements, []
        self._sizes = [0] * len(self._max_sizes)
        return elements
