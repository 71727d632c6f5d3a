"""The arithmetic of a plan, on numbers that can be checked by hand."""

import pytest

from embed_pipeline.measuring import Rate, Setting, Slice
from embed_pipeline.planning import (
    choose,
    enough_in_flight,
    per_process,
    setting_of,
    time_of,
    workers,
)
from embed_pipeline.sampling import Range


def rate(max_texts: int, in_flight: int, *tokens: int) -> Rate:
    return Rate(Setting(max_texts, in_flight), tuple(Slice(10, one, 1.0) for one in tokens))


def test_the_least_in_flight_and_then_the_smallest_batch_is_chosen() -> None:
    rates = [rate(8, 2, 900), rate(32, 2, 1_000), rate(32, 1, 980), rate(64, 1, 985)]
    assert choose(rates, Setting(8, 2)).setting == Setting(32, 1)


def test_the_job_s_own_setting_is_kept_where_it_is_as_good() -> None:
    rates = [rate(8, 2, 1_000), rate(32, 2, 990), rate(64, 4, 1_010)]
    assert choose(rates, Setting(32, 2)).setting == Setting(32, 2)
    assert choose(rates, Setting(64, 4)).setting == Setting(8, 2)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [((1_000, 1_000, 1_000), (1, True)), ((500, 980, 1_000), (2, True)), ((1, 2, 3), (4, False))],
)
def test_in_flight_is_enough_where_the_rate_stops_rising(
    tokens: tuple[int, int, int], expected: tuple[int, bool]
) -> None:
    rates = [rate(32, level, one) for level, one in zip((1, 2, 4), tokens, strict=True)]
    assert enough_in_flight([rate(8, 8, 9_999), *rates]) == expected


@pytest.mark.parametrize(
    ("in_flight", "each", "processes", "expected"),
    [(1, 2, 1, 1), (4, 2, 1, 2), (4, 1, 1, 4), (4, 1, 4, 1), (5, 2, 1, 3)],
)
def test_workers_share_what_is_in_flight(
    in_flight: int, each: int, processes: int, expected: int
) -> None:
    assert workers(in_flight, each, processes) == expected


def test_processes_share_what_is_in_flight() -> None:
    assert [per_process(4, 1), per_process(4, 2), per_process(4, 3), per_process(1, 8)] == [
        4, 2, 2, 1,
    ]  # fmt: skip


def test_time_is_the_start_and_the_tokens_at_the_rate_of_all_slices() -> None:
    found = time_of(Range(6_000, 5_000, 8_000), rate(32, 2, 100, 150, 200), start=3.0)
    assert found == Range(3 + 6_000 / 150, 3 + 5_000 / 200, 3 + 8_000 / 100)


def test_a_rate_is_found_by_its_setting() -> None:
    assert setting_of([rate(8, 1, 5), rate(8, 2, 6)], Setting(8, 2)).tokens == 6
