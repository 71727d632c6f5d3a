"""Look up, while a pipeline is built, where a PCollection comes from."""

from collections.abc import Iterator
from typing import TypeVar

import apache_beam as beam
from apache_beam.pipeline import AppliedPTransform
from apache_beam.pvalue import PCollection

_Step = TypeVar("_Step", bound=beam.PTransform)


def apart(elements: PCollection) -> list[PCollection]:
    """Return the PCollections that were flattened into one."""
    found, waiting = [], [elements]
    while waiting:
        one = waiting.pop()
        made_by = one.producer
        if made_by is not None and isinstance(made_by.transform, beam.Flatten):
            waiting += made_by.inputs
        else:
            found.append(one)
    return found


def nearest(elements: PCollection, kind: type[_Step]) -> list[_Step]:
    """Return the steps of a kind that elements come from, the last one of each way to them."""
    found: list[_Step] = []
    waiting, seen = [elements], set()
    while waiting:
        made_by = waiting.pop().producer
        if made_by is None or made_by in seen:
            continue
        seen.add(made_by)
        step = next((one for one in _around(made_by) if isinstance(one, kind)), None)
        if step is None:
            waiting += made_by.inputs
        elif step not in found:
            found.append(step)
    return found


def applied(pipeline: beam.Pipeline, kind: type[_Step]) -> list[_Step]:
    """Return the steps of a kind that a pipeline has so far, the one being added among them."""
    found: list[_Step] = []
    waiting = list(pipeline.transforms_stack[:1])
    while waiting:
        step = waiting.pop()
        if isinstance(step.transform, kind):
            found.append(step.transform)
        waiting += step.parts
    return found


def _around(step: AppliedPTransform | None) -> Iterator[beam.PTransform]:
    """Yield a step's transform and those it is part of, from the inside out."""
    while step is not None:
        yield step.transform
        step = step.parent
