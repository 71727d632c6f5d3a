"""The statistics of a run: what bundles count, merged in any order."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.errors import FailedTry, RunnerCrashed
from embed_pipeline.outcomes import Answered, Effort, Failure, Vector
from embed_pipeline.statistics import Statistics, merged

NOW = 1_795_416_790.7
ONE, TWO = "http://one", "http://two"


def vectors(*tokens: int) -> list[Vector | Failure]:
    return [Vector(np.zeros(2, np.float32), count, "verified", False) for count in tokens]


def effort(address: str = ONE, texts: int = 2, tokens: int = 9, **more: Any) -> Effort:
    """Return what one request of 20 ms took: 10 to compute, 5 to load the model."""
    found = Effort(
        requests=1,
        tokens=tokens,
        request_ms=[20],
        batch_texts=[texts],
        answered=[Answered(address, texts, tokens, 20, 15_000_000, 5_000_000)],
        asked_s=0.02,
        ended=NOW,
    )
    for name, value in more.items():
        setattr(found, name, value)
    return found


def counted(*batches: tuple[list[Vector | Failure], Effort]) -> Statistics:
    found = Statistics()
    for results, one in batches:
        found.count(results, one)
    return found


def test_a_batch_is_counted_by_second_by_size_and_by_address() -> None:
    found = counted((vectors(4, 5), effort()), (vectors(7), effort(TWO, 1, 7)))
    assert found.timeline.buckets == {1_795_416_790: [3, 16, 0, 2, 0]}
    assert (found.token_counts.count, found.token_counts.total) == (3, 16)
    assert (found.batch_texts.settle().total, found.request_ms.settle().total) == (3, 40)
    assert found.endpoints == {
        ONE: {"requests": 1, "texts": 2, "tokens": 9, "busy": 20_000},
        TWO: {"requests": 1, "texts": 1, "tokens": 7, "busy": 20_000},
    }
    assert (found.faults, found.lost) == ({}, {})


def test_tries_that_failed_are_counted_by_kind_and_by_address_with_what_they_took() -> None:
    tries = [
        FailedTry("Overloaded", TWO, 1.5),
        FailedTry("Overloaded", ONE, 0.25),
        FailedTry("RunnerCrashed", TWO, 0.5),
    ]
    results = [*vectors(4), Failure(RunnerCrashed("why"), 1)]
    faults = {"Overloaded": 2, "RunnerCrashed": 1, "WrongAnswer": 1}
    found = counted((results, effort(requests=4, failed_tries=tries, faults=faults, asked_s=2.27)))
    assert found.timeline.buckets == {1_795_416_790: [2, 4, 1, 4, 4]}
    assert found.faults == faults
    assert found.lost == {"Overloaded": 1_750_000, "RunnerCrashed": 500_000}
    assert found.endpoints[TWO] == {
        "requests": 2,
        "fault:Overloaded": 1,
        "fault:RunnerCrashed": 1,
    }
    assert found.endpoints[ONE]["requests"] == 2
    assert found.token_counts.count == 1


def test_a_fault_that_was_met_nowhere_is_no_address_of_its_own() -> None:
    tries = [FailedTry("Overloaded", "", 1.0)]
    found = counted((vectors(4), effort(failed_tries=tries, faults={"Overloaded": 1})))
    assert set(found.endpoints) == {ONE}


def spent(found: Statistics) -> dict[str, int]:
    return {name: found.times[name] for name in ("wall", "server", "load", "waiting")}


def test_the_time_a_bundle_was_blocked_is_split_as_its_requests_are() -> None:
    found = counted(*[(vectors(4, 5), effort())] * 4)  # 80 ms of requests
    found.spend(
        wall_s=0.1, opening_s=0.0, blocked_s=0.04, ended=1_000.0
    )  # as two were under way at once
    assert spent(found) == {"wall": 100_000, "server": 20_000, "load": 10_000, "waiting": 10_000}


def test_what_faults_took_counts_as_waiting() -> None:
    found = counted((vectors(4, 5), effort(asked_s=0.2, failed_tries=[], faults={})))
    found.spend(wall_s=0.3, opening_s=0.0, blocked_s=0.2, ended=1_000.0)
    assert spent(found) == {"wall": 300_000, "server": 10_000, "load": 5_000, "waiting": 185_000}


def test_before_the_first_text_only_the_request_that_loads_is_time_of_loading() -> None:
    found = Statistics()
    found.spend(wall_s=2.0, opening_s=1.5, blocked_s=0.25, loading_s=1.25, ended=1_000.0)
    assert spent(found) == {"wall": 2_000_000, "server": 0, "load": 1_250_000, "waiting": 500_000}


def test_bundles_span_from_the_start_of_the_first_to_the_end_of_the_last() -> None:
    found = []
    for wall, ended in ((2.0, 1_000.0), (0.5, 1_003.0), (9.0, 1_001.0)):
        one = Statistics()
        one.spend(wall, 0.0, 0.0, ended=ended)
        found.append(one)
    assert Statistics().span is None
    assert merged([*found, Statistics()]).span == (992_000_000, 1_003_000_000)


def test_answers_that_tell_no_duration_are_counted() -> None:
    found = Statistics()
    for total_ns in (0, 10**7, 0):
        found.count(vectors(4), effort(answered=[Answered(ONE, 1, 4, 20, total_ns, 0)]))
    assert found.times["untold"] == 2


def test_a_server_whose_clock_says_more_than_a_request_took_is_not_believed() -> None:
    found = Statistics()
    answered = [Answered(ONE, 1, 4, 20, 10**12, 10**12)]
    found.count(vectors(4), effort(answered=answered))
    found.spend(wall_s=1.0, opening_s=0.0, blocked_s=0.5, ended=1_000.0)
    assert spent(found) == {"wall": 1_000_000, "server": 0, "load": 500_000, "waiting": 0}


def test_how_long_an_address_rested_is_added_up() -> None:
    found = Statistics()
    found.rested({ONE: 1.25})
    found.rested({ONE: 0.5, TWO: 0.1})
    assert found.endpoints == {ONE: {"rested": 1_750_000}, TWO: {"rested": 100_000}}


BATCH = st.builds(
    lambda tokens, address, second, faults, seconds: (
        vectors(*tokens),
        effort(
            address,
            len(tokens),
            sum(tokens),
            ended=NOW + second,
            faults=faults,
            failed_tries=[FailedTry(kind, address, seconds) for kind in faults],
        ),
    ),
    st.lists(st.integers(1, 600), min_size=1, max_size=4),
    st.sampled_from([ONE, TWO]),
    st.integers(0, 5_000),
    st.dictionaries(st.sampled_from(["Overloaded", "ServerFault"]), st.integers(1, 3)),
    st.floats(0, 9),
)
BUNDLES = st.lists(
    st.tuples(st.lists(BATCH, max_size=4), st.floats(0, 99), st.floats(0, 99)), max_size=5
)


@given(BUNDLES, st.randoms(use_true_random=False))
def test_bundles_are_merged_in_any_order_and_after_any_journey(bundles: Any, dice: Any) -> None:
    def made() -> list[Statistics]:
        found = []
        for batches, wall, blocked in bundles:
            one = counted(*batches)
            one.spend(wall, 0.0, blocked, ended=1_000.0 + blocked)
            found.append(one)
        return found

    parts = [pickle.loads(pickle.dumps(one, 5)) for one in made()]  # noqa: S301 (our own)
    dice.shuffle(parts)
    middle = dice.randint(0, len(parts))
    nested = merged([merged(parts[:middle]), merged(parts[middle:])])
    assert nested == merged(made())
    texts = sum(len(results) for batches, *_ in bundles for results, _ in batches)
    assert sum(row[0] for row in nested.timeline.rows()) == texts == nested.token_counts.count


@pytest.mark.parametrize("batches", [10, 2_000])
def test_their_size_is_bounded_however_long_a_bundle_is(batches: int) -> None:
    found = Statistics()
    for number in range(batches):
        found.count(vectors(*range(1, 33)), effort(texts=32, ended=NOW + 7 * number))
    assert len(pickle.dumps(found, 5)) < 20_000
