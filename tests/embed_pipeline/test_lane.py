"""One address among others: how long it rests, and how much it is given."""

from collections.abc import Iterator

import pytest

from embed_pipeline import lane as lanes
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.lane import Lane, lane_of
from tests.support.scripted import vector_of


@pytest.fixture
def lane() -> Iterator[Lane]:
    found = lane_of(Endpoint(url="http://alice:secret@127.0.0.1:1/x", model="m"), Retry(), 4)
    yield found
    found.client.close()


class Clock:
    """Be the module's clock, and show what a test says."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(lanes, "time", found)
    return found


def test_it_is_named_without_secrets(lane: Lane) -> None:
    assert lane.name == "http://127.0.0.1:1/x"


def test_it_must_be_looked_at_before_the_first_text(lane: Lane) -> None:
    assert (lane.looked_at, lane.right_at) == (None, None)


def test_it_has_room_for_as_many_requests_as_its_pace_says(lane: Lane) -> None:
    room = []
    for under_way in (0, 3, 4):
        lane.under_way = under_way
        room.append(lane.has_room)
    assert room == [True, True, False]


def test_after_a_fault_it_has_room_for_one_request(lane: Lane) -> None:
    lane.rest(None, 300)
    assert lane.has_room
    lane.under_way = 1
    assert not lane.has_room


def test_it_rests_the_longer_the_more_faults_there_were(lane: Lane, clock: Clock) -> None:
    rests = []
    for _ in range(7):
        lane.rest(None, 300)
        rests.append(lane.rests_until - clock.now)
    assert rests == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(("asked", "rests"), [(0.5, 1.0), (90.0, 90.0)])
def test_it_rests_for_as_long_as_it_asked_for_and_a_second_at_least(
    lane: Lane, clock: Clock, asked: float, rests: float
) -> None:
    lane.rest(asked, 300)
    assert lane.rests_until == clock.now + rests


def test_what_it_asks_for_is_bounded(lane: Lane, clock: Clock) -> None:
    lane.rest(3_600, 20)
    assert lane.rests_until == lane.asked_until == clock.now + 20


def test_until_the_time_it_asked_for_is_over_it_has_no_room(lane: Lane, clock: Clock) -> None:
    lane.rest(5, 300)
    clock.now += 4.9
    assert not lane.has_room
    clock.now += 0.1
    assert lane.has_room


def test_one_that_asks_for_nothing_has_room_though_it_rests(lane: Lane, clock: Clock) -> None:
    lane.rest(None, 300)
    assert lane.has_room
    assert lane.rests_until > clock.now


def test_its_pace_is_halved(lane: Lane, clock: Clock) -> None:
    lane.slow_down(sent_at=clock.now)
    assert lane.pace.now == 2


def test_its_pace_is_halved_once_for_requests_that_were_under_way_together(
    lane: Lane, clock: Clock
) -> None:
    sent_at = clock.now
    for _ in range(3):
        clock.now += 5
        lane.slow_down(sent_at)
    assert lane.pace.now == 2


def test_its_pace_is_halved_again_by_what_was_sent_after_that(lane: Lane, clock: Clock) -> None:
    for _ in range(2):
        lane.slow_down(sent_at=clock.now)
        clock.now += 5
    assert lane.pace.now == 1


def test_the_latest_answers_only_are_remembered(lane: Lane) -> None:
    lane.given.extend((str(number), vector_of("a")) for number in range(20))
    assert [text for text, _ in lane.given] == [str(number) for number in range(12, 20)]


def test_it_tells_how_long_it_has_rested_since_it_was_last_asked(lane: Lane, clock: Clock) -> None:
    assert lane.rested() == 0.0
    lane.rest(4.0, 60.0)
    clock.now += 1.5
    assert lane.rested() == 1.5
    clock.now += 100.0
    assert lane.rested() == 2.5
    assert lane.rested() == 0.0


def test_a_rest_within_a_rest_counts_once(lane: Lane, clock: Clock) -> None:
    lane.rest(4.0, 60.0)
    clock.now += 1.0
    lane.rest(10.0, 60.0)
    clock.now += 100.0
    assert lane.rested() == 11.0


def test_a_success_ends_a_rest(lane: Lane, clock: Clock) -> None:
    lane.rest(4.0, 60.0)
    lane.too_busy = True
    clock.now += 1.0
    lane.recover()
    assert (lane.faults, lane.rests_until, lane.too_busy) == (0, 0.0, False)
    clock.now += 100.0
    assert lane.rested() == 1.0


def test_it_tells_how_it_is(lane: Lane, clock: Clock) -> None:
    states = [lane.health(gone=False)]
    lane.requests = 1
    states.append(lane.health(gone=False))
    lane.slow_down(clock.now)
    states.append(lane.health(gone=False))
    lane.rest(7.0, 300)
    states += [lane.health(gone=False), lane.health(gone=True)]
    told = [(one.state, one.at_most, one.rests_s) for one in states]
    assert told == [
        ("not asked yet", 4, 0.0),
        ("well", 4, 0.0),
        ("slowed", 2, 0.0),
        ("resting", 2, 7.0),
        ("gone", 2, 7.0),
    ]
