"""The pace: halved on trouble, recovering slowly, within its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.pacing import Pace


def halved(most: int, times: int) -> Pace:
    pace = Pace(most)
    for _ in range(times):
        pace.halve()
    return pace


def test_the_setting_is_used_whole_at_first() -> None:
    assert Pace(32).now == 32


@pytest.mark.parametrize(("most", "times", "now"), [(32, 1, 16), (32, 2, 8), (5, 1, 2), (3, 2, 1)])
def test_each_trouble_halves_it(most: int, times: int, now: int) -> None:
    assert halved(most, times).now == now


def test_it_is_one_at_least() -> None:
    assert halved(32, 99).now == 1


def test_ten_successes_bring_one_more() -> None:
    pace = halved(4, 1)
    used = []
    for _ in range(21):
        pace.recover()
        used.append(pace.now)
    assert used == [2] * 9 + [3] * 10 + [4] * 2


def test_it_never_exceeds_the_setting() -> None:
    pace = Pace(2)
    for _ in range(99):
        pace.recover()
    assert pace.now == 2


@given(st.integers(1, 64), st.lists(st.booleans(), max_size=200))
def test_whatever_happens_it_stays_within_its_bounds(most: int, successes: list[bool]) -> None:
    pace = Pace(most)
    for success in successes:
        before = pace.now
        pace.recover() if success else pace.halve()
        assert 1 <= pace.now <= most
        assert before <= pace.now <= before + 1 if success else pace.now <= max(1, before / 2)


def test_it_is_slowed_until_all_of_the_setting_is_used_again() -> None:
    pace = Pace(2)
    pace.halve()
    slowed = []
    for _ in range(11):
        slowed.append(pace.is_slowed)
        pace.recover()
    assert slowed == [True] * 10 + [False]
