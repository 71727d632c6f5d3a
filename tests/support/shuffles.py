"""What crosses between the steps of a pipeline, as its proto tells."""

from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam import coders
from apache_beam.coders.coders import Coder
from apache_beam.portability.api import beam_runner_api_pb2

GROUP_BY_KEY = "beam:transform:group_by_key:v1"
PAR_DO = "beam:transform:pardo:v1"


class Crossing(NamedTuple):
    """Hold a step's input.

    Attributes:
        step: The step's full label.
        urn: What it is.
        side: Whether it is a side input, which is kept whole until the step has ended.
        coders: The types of the input's coder and of all that it is made of.
    """

    step: str
    urn: str
    side: bool
    coders: frozenset[type[Coder]]


def crossings(pipeline: beam.Pipeline) -> list[Crossing]:
    """Return every input of every primitive step of a pipeline."""
    proto, context = pipeline.to_runner_api(return_context=True)
    found = []
    for transform in proto.components.transforms.values():
        inputs = set(transform.inputs.values())
        if transform.subtransforms or inputs == set(transform.outputs.values()):
            continue  # its parts are listed, or it does nothing
        payload = beam_runner_api_pb2.ParDoPayload()
        if transform.spec.urn == PAR_DO:
            payload.ParseFromString(transform.spec.payload)
        for tag, name in transform.inputs.items():
            coder = context.coders.get_by_id(proto.components.pcollections[name].coder_id)
            side = tag in payload.side_inputs
            kinds = frozenset(map(type, _all(coder)))
            found.append(Crossing(transform.unique_name, transform.spec.urn, side, kinds))
    return found


def _all(coder: Coder) -> Iterator[Coder]:
    yield coder
    for part in coder._get_component_coders():  # noqa: SLF001 (what its proto is made of)
        yield from _all(part)


def takers(pipeline: beam.Pipeline, kind: type) -> set[str]:
    """Return the steps that take a PCollection with records of a kind; side inputs with "side "."""
    wanted = type(coders.registry.get_coder(kind))
    return {
        f"{'side ' if one.side else ''}{one.step}"
        for one in crossings(pipeline)
        if wanted in one.coders
    }


def shuffled(pipeline: beam.Pipeline) -> dict[str, frozenset[type[Coder]]]:
    """Return the types of the coders of what each GroupByKey takes; a Reshuffle has one within."""
    return {one.step: one.coders for one in crossings(pipeline) if one.urn == GROUP_BY_KEY}
