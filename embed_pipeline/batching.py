"""Batches of elements, bounded by count and by sizes."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collect elements into batches, in order.

    A batch never holds more than `max_count` elements, and never more than `max_size` and
    `max_weight` unless a single element is larger; it is never empty.

    Args:
        max_count: Elements in a batch, at most. May be changed; a lower one holds from the next
            batch on.
        max_size: Size of a batch, at most, in the unit the sizes are given in.
        max_weight: Weight of a batch, at most, in the unit the weights are given in.
    """

    def __init__(self, max_count: int, max_size: int, max_weight: int = 0) -> None:
        self.max_count = max_count
        self._max_size = max_size
        self._max_weight = max_weight
        self._elements: list[T] = []
        self._size = 0
        self._weight = 0
        self._full = False  # with an element that came after a batch it did not fit in

    def add(self, element: T, size: int, weight: int = 0) -> list[T] | None:
        """Take an element; return the batch this completes, or None."""
        self._size += size
        self._weight += weight
        fits = self._size <= self._max_size and self._weight <= self._max_weight
        if self._elements and (self._full or not fits):
            full = self.flush()
            self._elements.append(element)
            self._size, self._weight = size, weight
            self._full = self.max_count == 1
            return full
        self._elements.append(element)
        return self.flush() if len(self._elements) >= self.max_count else None

    def flush(self) -> list[T]:
        """Return what has been collected, which may be nothing, and start anew."""
        elements, self._elements = self._elements, []
        self._size = self._weight = 0
        self._full = False
        return elements
