"""The sample in a pipeline: bundles are merged, and the lowest ranks sent again alone."""

import pickle
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.recount import Sampled
from embed_pipeline.transforms.recount import Recount
from tests.support.scripted import ScriptedEndpoint

FIRST = [Sampled(1, "one", 3, "verified"), Sampled(4, "one two three", 9, "verified")]
SECOND = [Sampled(2, "one two", 9, "estimated"), Sampled(3, "four five", 4, "estimated")]


def run(
    endpoint: ScriptedEndpoint, folder: Path, count: int, bundles: list[Any], *, windows: bool
) -> list[Any]:
    """Run Recount over these samples; return its output."""
    path = folder / "output"

    def keep(found: dict[str, dict[str, int]]) -> None:
        with path.open("ab") as stream:
            pickle.dump(found, stream)

    settings = Endpoint(url=endpoint.url, model="all-minilm")
    with test_pipeline.TestPipeline("FnApiRunner") as pipeline:
        samples = pipeline | beam.Create(bundles, reshuffle=False)
        if windows:
            samples = (
                samples
                | beam.Map(lambda one: TimestampedValue(one, one[0].rank * 100))
                | beam.WindowInto(FixedWindows(10))
            )
        _ = samples | Recount(settings, Retry(attempts=1), count) | beam.Map(keep)
    found = []
    with path.open("rb") as stream:
        while stream.peek(1):
            found.append(pickle.load(stream))  # noqa: S301 (our own bytes)
    return found


@pytest.mark.parametrize("windows", [False, True])
def test_the_lowest_ranks_of_all_bundles_are_sent_alone(
    endpoint: ScriptedEndpoint, tmp_path: Path, windows: bool
) -> None:
    assert run(endpoint, tmp_path, 3, [FIRST, SECOND], windows=windows) == [
        {"estimated": {"asked": 2, "agreed": 1}, "verified": {"asked": 1, "agreed": 1}}
    ]
    assert [request["input"] for request in endpoint.requests] == [
        ["one"],
        ["one two"],
        ["four five"],
    ]


def test_a_count_of_none_sends_nothing(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    assert run(endpoint, tmp_path, 0, [FIRST, SECOND], windows=False) == [{}]
    assert endpoint.exchanges == []


def test_no_samples_send_nothing(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    assert run(endpoint, tmp_path, 100, [], windows=False) == [{}]
    assert endpoint.exchanges == []
