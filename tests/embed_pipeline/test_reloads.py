"""What the load_durations of answers tell; the numbers are measured ones."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from embed_pipeline.reloads import Reloads

MS = 1_000_000
# Loaded models, in milliseconds: a server of Ollama's kind, alone and with ten clients beside busy
# processors; a server on a slower machine; and the embedded endpoint.
SERVER = [7.2, 5.6, 8.4, 7.7, 10.2, 6.5, 9.0]
BUSY_SERVER = [6.1, 26.5, 49.6, 23.6, 18.3, 14.6, 37.0, 28.1, 21.7, 54.0, 26.0, 206.6, 20.0, 31.0]
SLOW_SERVER = [12.0, 16.6, 40.0, 20.5, 13.1]
EMBEDDED = [0.04, 0.1, 0.05, 0.3, 1.0]


def told(reloads: Reloads, milliseconds: list[float]) -> int:
    return sum(reloads.saw(round(one * MS)) for one in milliseconds)


@pytest.mark.parametrize("loaded", [SERVER, BUSY_SERVER, SLOW_SERVER, EMBEDDED])
def test_answers_of_a_loaded_model_are_no_loads(loaded: list[float]) -> None:
    assert told(Reloads(), loaded * 20) == 0


@pytest.mark.parametrize(
    ("loaded", "load"),
    [
        (SERVER, 292.3),
        (BUSY_SERVER, 339.4),
        (SLOW_SERVER, 360.0),
        (SERVER, 4_700.0),
        (EMBEDDED, 55.3),
        (EMBEDDED, 285.8),
        (EMBEDDED, 615.6),
    ],
)
def test_a_load_is_told(loaded: list[float], load: float) -> None:
    reloads = Reloads()
    assert told(reloads, loaded) == 0
    assert told(reloads, [load]) == 1


def test_loads_at_every_request_are_all_told() -> None:
    assert told(Reloads(), [0.1, *[110.0] * 50]) == 50


def test_loads_are_told_between_answers_that_met_none() -> None:
    assert told(Reloads(), [7.2, 300.0, 8.4, 9.0, 296.7, 7.7, 306.0]) == 3


def test_a_long_load_is_told_before_any_other_answer() -> None:
    assert told(Reloads(), [292.3]) == 1


def test_a_short_load_before_any_other_answer_does_not_hide_the_next() -> None:
    assert told(Reloads(), [110.0, 110.0, 0.1, 110.0]) == 1


def test_a_server_that_does_not_say_is_left_alone() -> None:
    assert told(Reloads(), [0, 0, 0]) == 0


def test_a_server_that_grows_busy_by_and_by_meets_no_loads() -> None:
    assert told(Reloads(), [6.0 + step for step in range(400)]) == 0


def test_requests_that_waited_for_the_same_load_are_told_once() -> None:
    reloads = Reloads()
    assert not reloads.saw(7 * MS, 866.0)
    assert reloads.saw(330 * MS, 866.731)
    assert not reloads.saw(319 * MS, 866.734)
    assert not reloads.saw(120 * MS, 867.000)  # it came when the load had begun already
    assert reloads.saw(306 * MS, 867.900)


def test_answers_that_come_in_another_order_are_told_once() -> None:
    reloads = Reloads()
    reloads.saw(7 * MS, 866.0)
    assert reloads.saw(319 * MS, 866.734)
    assert not reloads.saw(330 * MS, 866.731)


def test_threads_may_share_it() -> None:
    reloads = Reloads()
    reloads.saw(7 * MS, 0.0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: reloads.saw(300 * MS, 1.0), range(800)))
    assert sum(found) == 1
