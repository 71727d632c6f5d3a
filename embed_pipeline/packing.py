"""Small files are brought together: neighbors, up to the size a file may have."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def packed(sized: Iterable[tuple[T, int, bool]], limit: int) -> list[list[T]]:
    """Return neighbors in groups, in their order.

    Args:
        sized: Each with its size in bytes, and whether it stays alone.
        limit: Bytes of a group, at most, unless one alone is larger.
    """
    groups: list[list[T]] = []
    room = 0
    for one, size, alone in sized:
        if groups and not alone and size <= room:
            groups[-1].append(one)
            room -= size
        else:
            groups.append([one])
            room = 0 if alone else limit - size
    return groups
