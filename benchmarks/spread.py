"""The spread of what several rounds have found."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """Hold the median, the ends and the number of the rounds; None is what was not recorded."""

    median: float
    least: float | None = None
    most: float | None = None
    rounds: int | None = None

    def told(self, form: str = ".1f") -> str:
        """Return it as `median [least–most]`; `[-]` where the rounds were not recorded."""
        if self.least is None or self.most is None:
            return f"{self.median:{form}} [-]"
        if self.rounds == 1:
            return f"{self.median:{form}}"
        return f"{self.median:{form}} [{self.least:{form}}–{self.most:{form}}]"


def spread(rounds: Iterable[float]) -> Spread:
    """Return the spread of the rounds."""
    found = list(rounds)
    return Spread(statistics.median(found), min(found), max(found), len(found))


def ratios(pairs: Iterable[tuple[float, float]]) -> Spread:
    """Return the spread of the ratios within each round."""
    return spread(above / below for above, below in pairs)


def of(found: Mapping[str, Any], name: str, unrecorded: int = 1) -> Spread:
    """Return the spread of a number that a result holds, with its rounds.

    Args:
        found: The result, or a part of it; `rounds` in it holds those of each number.
        name: The number's.
        unrecorded: How many rounds there were, where the result does not hold them.
    """
    rounds = found.get("rounds", {}).get(name)
    if rounds:
        return spread(rounds)
    return spread([found[name]]) if unrecorded == 1 else Spread(found[name], rounds=unrecorded)
