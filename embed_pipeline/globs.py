"""Match paths against glob patterns, the same on every file system.

A pattern is a path whose parts may hold `*`, `?` and `[...]`, none of which crosses a slash, and
whose whole part `**` stands for any number of folders, also none. A wildcard at the beginning of a
part matches no name that begins with `.` or `_`: those are by convention not data.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

_MAGIC = re.compile(r"[*?\[]")
ANY_FOLDERS = "**"


def has_magic(path: str) -> bool:
    """Say whether a path holds a wildcard."""
    return _MAGIC.search(path) is not None


def split(path: str) -> tuple[str, list[str]]:
    """Split a pattern into the folder that holds all its matches and the parts that vary.

    Args:
        path: A pattern with at least one wildcard.

    Returns:
        The fixed root, without a trailing slash, and the parts from the first wildcard on.
    """
    parts = path.split("/")
    first = next(index for index, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:first]), parts[first:]


def is_visible(name: str) -> bool:
    """Say whether a file or folder of this name is data."""
    return not name.startswith((".", "_"))


def matches(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Say whether a path fits a pattern.

    Args:
        pattern: The pattern's parts.
        names: The path's parts.
    """
    if not pattern:
        return not names
    head, rest = pattern[0], pattern[1:]
    if head != ANY_FOLDERS:
        return bool(names) and _matches_name(head, names[0]) and matches(rest, names[1:])
    for skipped in range(len(names) + 1):
        if matches(rest, names[skipped:]):
            return True
        if skipped < len(names) and not is_visible(names[skipped]):
            return False
    return False


def _matches_name(pattern: str, name: str) -> bool:
    return (is_visible(name) or pattern[:1] == name[:1]) and fnmatchcase(name, pattern)
