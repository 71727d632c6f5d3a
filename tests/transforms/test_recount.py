"""The sample in a pipeline: bundles are merged, and the lowest ranks sent again alone."""

import pickle
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.records import TokenCountSource
from embed_pipeline.recount import Sample, Sampled
from embed_pipeline.transforms.recount import Recount
from tests.support.scripted import DIGEST, ScriptedEndpoint, vector_of


def sampled(rank: int, text: str, count: int, source: TokenCountSource) -> Sampled:
    """Return a row that has the vector its text has alone."""
    return Sampled(rank, text, count, source, vector_of(text))


FIRST = Sample(
    DIGEST, [sampled(1, "one", 3, "verified"), sampled(4, "one two three", 9, "verified")]
)
SECOND = Sample(
    DIGEST, [sampled(2, "one two", 9, "estimated"), sampled(3, "four five", 4, "estimated")]
)


def run(
    endpoint: ScriptedEndpoint,
    folder: Path,
    count: int,
    bundles: list[Sample],
    *,
    windows: bool,
    share: float = 1.0,
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
                | beam.Map(lambda one: TimestampedValue(one, one.rows[0].rank * 100))
                | beam.WindowInto(FixedWindows(10))
            )
        made = pipeline | "Provenance" >> beam.Create([{"digest": DIGEST}], reshuffle=False)
        _ = samples | Recount(settings, Retry(attempts=1), count, made, share) | beam.Map(keep)
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


def test_a_count_of_none_sends_no_text(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    assert run(endpoint, tmp_path, 0, [FIRST, SECOND], windows=False) == [{}]
    assert endpoint.texts == []


@pytest.mark.parametrize(("share", "sent"), [(0.01, 0), (0.5, 1), (0.75, 2), (0.99, 2), (1.0, 3)])
def test_no_more_than_a_share_of_all_rows_is_sent(
    endpoint: ScriptedEndpoint, tmp_path: Path, share: float, sent: int
) -> None:
    bundles = [FIRST._replace(of=2), SECOND._replace(of=1)]
    run(endpoint, tmp_path, 3, bundles, windows=False, share=share)
    assert endpoint.texts == ["one", "one two", "four five"][:sent]


def test_no_samples_send_no_text(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    assert run(endpoint, tmp_path, 100, [], windows=False) == [{}]
    assert endpoint.texts == []


@pytest.mark.parametrize("count", [0, 3])
def test_a_bundle_of_another_model_than_the_provenance_s_fails_the_job_before_a_text_is_sent(
    endpoint: ScriptedEndpoint, tmp_path: Path, count: int
) -> None:
    changed = SECOND._replace(digest="e2" * 32)
    with pytest.raises(Exception, match=r"of the digest e2e2e2e2e2e2, others by d1d1d1d1"):
        run(endpoint, tmp_path, count, [FIRST, changed], windows=False)
    assert endpoint.texts == []


def test_a_bundle_that_made_no_vector_has_no_model_to_differ(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    assert run(endpoint, tmp_path, 0, [FIRST, Sample("", [])], windows=False) == [{}]
