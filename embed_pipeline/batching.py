"""Batches of elements, bounded by count and by size."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collect elements into batches, in order.

    A batch never holds more than `max_count` elements, and never more than `max_size` unless a
    single element is larger; it is never empty.

    Args:
        max_count: Elements in a batch, at most.
        max_size: Size of a batch, at most, in the unit the sizes are given in.
    """

    def __init__(self, max_count: int, max_size: int) -> None:
        self._max_count = max_count
        self._max_size = max_size
        self._elements: list[T] = []
        self._size = 0

    def add(self, element: T, size: int) -> list[T] | None:
        """Take an element; return the batch this completes, or None."""
        if self._elements and self._size + size > self._max_size:
            full = self.flush()
            self._elements.append(element)
            self._size = size
            return full
        self._elements.append(element)
        self._size += size
        if len(self._elements) >= self._max_count:
            return self.flush()
        return None

    def flush(self) -> list[T]:
        """Return what has been collected, which may be nothing, and start anew."""
        elements, self._elements, self._size = self._elements, [], 0
        return elements
