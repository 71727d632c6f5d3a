"""What the points of the map are colored by: an attribute of few values."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.errors import ConfigError
from embed_pipeline.points import Value, is_cut
from embed_pipeline.settings import suggestion

MOST = 8  # categories
OTHER = "other"
NULL = -1  # the category of a point without a value

Attributes = Mapping[str, Value]


class Coloring(NamedTuple):
    """Hold the categories of points.

    Attributes:
        by: The attribute's name; None where there is none to color by.
        categories: Its values in words, the most frequent first; where there are more than MOST,
            the last is OTHER.
        category: For each point the place of its category, or NULL.
    """

    by: str | None
    categories: list[str]
    category: list[int]


def check_color(wanted: str | None, names: Collection[str]) -> None:
    """Check that there is an attribute of a name.

    Raises:
        ConfigError: There is none.
    """
    if wanted is not None and wanted not in names:
        told = suggestion(wanted, names) if names else "; the corpus has no attributes"
        raise ConfigError(f"output.report_color: there is no attribute '{wanted}'{told}")


def colored(points: Sequence[Attributes], wanted: str | None) -> Coloring:
    """Return the categories of points.

    Args:
        points: Their attributes.
        wanted: The attribute to color by; None: of those with 2 to MOST values, at least two
            points a value and no value that was cut, the one that most points have, the first by
            name among equals. Those that tell where a piece was cut out are none of them.
    """
    by = wanted if wanted is not None else _chosen(points)
    if by is None:
        return Coloring(None, [], [NULL] * len(points))
    values = [_word(one[by]) if by in one else None for one in points]
    counts = Counter(one for one in values if one is not None)
    ordered = sorted(counts, key=lambda one: (-counts[one], one))
    if len(ordered) > MOST:
        ordered = [*ordered[: MOST - 1], OTHER]
    places = {word: place for place, word in enumerate(ordered)}
    last = len(ordered) - 1
    return Coloring(by, ordered, [NULL if one is None else places.get(one, last) for one in values])


def _chosen(points: Sequence[Attributes]) -> str | None:
    """Return the attribute that is fit for coloring, or None."""
    counts: dict[str, Counter[str]] = {}
    for one in points:
        for name, value in one.items():
            counts.setdefault(name, Counter())[_word(value)] += 1
    fit = [
        (-found.total(), name)
        for name, found in counts.items()
        if 2 <= len(found) <= MOST
        and 2 * len(found) <= found.total()
        and name not in CHUNK_TYPES
        and not any(map(is_cut, found))
    ]
    return min(fit)[1] if fit else None


def _word(value: Value) -> str:
    """Return a value in words."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
