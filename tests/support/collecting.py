"""What comes out of a step: each element, with its timestamp and window, in order."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam


class Seen(NamedTuple):
    """Hold an element as it came out of a step."""

    value: Any
    timestamp: float
    window: object


class Collect(beam.DoFn):
    """Write each element to a file, in the order in which they come."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def process(
        self,
        element: Any,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> None:
        with self.path.open("ab") as stream:
            pickle.dump(tuple(Seen(element, float(timestamp), window)), stream)


def seen(path: Path) -> list[Seen]:
    """Return what was collected in a file."""
    found = []
    if path.exists():
        with path.open("rb") as stream:
            while stream.peek(1):
                found.append(Seen(*pickle.load(stream)))  # noqa: S301 (our own bytes)
    return found
