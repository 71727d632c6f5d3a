"""Bundles of a number and a size."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue


class CountBundles(beam.DoFn):
    """Pass elements on, and note how many were in each bundle that had any, a line each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start_bundle(self) -> None:
        self._elements = 0

    def process(self, element: Any) -> Iterator[Any]:
        self._elements += 1
        yield element

    def finish_bundle(self) -> None:
        if self._elements:
            with self._path.open("a") as file:
                file.write(f"{self._elements}\n")


def sizes(path: Path) -> list[int]:
    """Return how many elements were in each bundle."""
    return [int(line) for line in path.read_text().split()]


class Tagged(NamedTuple):
    """Hold an output of a step; the main one has no tag."""

    tag: str
    value: Any


class Worker:
    """Run a step's bundles as a worker does: one after the other, by the same copy of the step.

    No runner makes a thousand bundles at a bearable cost, so that is done here.
    """

    def __init__(self, step: beam.DoFn, *side_inputs: Any) -> None:
        self._step = step
        self._side_inputs = side_inputs

    def __enter__(self) -> Self:
        self._step.setup()
        return self

    def __exit__(self, *_: object) -> None:
        self._step.teardown()

    def bundle(self, elements: Iterable[Any], *, windowed: bool = False) -> list[Tagged]:
        """Run one bundle; return what came out, `windowed` where the step asks for windows."""
        self._step.start_bundle()
        found: list[Any] = []
        for element in elements:
            rest = (GlobalWindows.windowed_value(element),) if windowed else self._side_inputs
            found += self._step.process(element, *rest) or ()
        found += self._step.finish_bundle() or ()
        return [_bare(one) for one in found]


def _bare(one: Any) -> Tagged:
    tag, value = (one.tag, one.value) if isinstance(one, TaggedOutput) else ("", one)
    return Tagged(tag, value.value if isinstance(value, WindowedValue) else value)
