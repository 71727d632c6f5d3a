"""How long the model stays loaded, measured on a clock the tests turn."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from embed_pipeline.embedded.app import create_app
from embed_pipeline.embedded.model import prepare
from embed_pipeline.embedded.server import listen, make_server, run, url_of


class Clock:
    """Stand still until told to advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def http(clock: Clock) -> Iterator[httpx.Client]:
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = make_server(create_app(prepare(), keep_alive=300, clock=clock), ready.set)
        thread = threading.Thread(target=run, args=(server, listener))
        thread.start()
        try:
            assert ready.wait(60)
            with httpx.Client(base_url=url_of(listener), timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def embed(http: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": "a", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def loaded(http: httpx.Client) -> list[dict[str, Any]]:
    return list(http.get("/api/ps").json()["models"])


def seconds_left(http: httpx.Client) -> float:
    expiry = datetime.fromisoformat(loaded(http)[0]["expires_at"])
    return (expiry - datetime.now(UTC)).total_seconds()


def test_nothing_is_loaded_before_the_first_request(http: httpx.Client) -> None:
    assert loaded(http) == []


def test_a_load_only_request_loads(http: httpx.Client) -> None:
    embed(http, input="")
    assert [model["context_length"] for model in loaded(http)] == [256]


@pytest.mark.parametrize(
    ("keep_alive", "stays", "goes"),
    [
        (None, 299, 301),
        (10, 9, 11),
        (0.5, 0.4, 0.6),
        ("30s", 29, 31),
        ("1h30m", 5399, 5401),
        ("24h", 86399, 86401),
    ],
)
def test_it_stays_that_long_and_no_longer(
    http: httpx.Client, clock: Clock, keep_alive: object, stays: float, goes: float
) -> None:
    embed(http, keep_alive=keep_alive)
    clock.now += stays
    assert len(loaded(http)) == 1
    clock.now += goes - stays
    assert loaded(http) == []


@pytest.mark.parametrize("keep_alive", [0, "0", "0s", 1e20])
@pytest.mark.parametrize("given", ["a", ""])
def test_zero_unloads_at_once(http: httpx.Client, keep_alive: object, given: str) -> None:
    embed(http, input=given, keep_alive=keep_alive)
    assert loaded(http) == []


@pytest.mark.parametrize("keep_alive", [-1, "-1s", "-5m"])
def test_negative_means_forever(http: httpx.Client, clock: Clock, keep_alive: object) -> None:
    embed(http, keep_alive=keep_alive)
    clock.now += 1e9
    assert int(loaded(http)[0]["expires_at"][:4]) > 2300


def test_without_a_keep_alive_the_last_one_stays_in_force(http: httpx.Client, clock: Clock) -> None:
    embed(http, keep_alive="1h")
    embed(http)
    clock.now += 3599
    assert len(loaded(http)) == 1


def test_each_request_starts_the_time_again(http: httpx.Client, clock: Clock) -> None:
    embed(http, keep_alive=10)
    clock.now += 9
    embed(http)
    clock.now += 9
    assert len(loaded(http)) == 1


def test_a_new_load_starts_with_the_default_again(http: httpx.Client, clock: Clock) -> None:
    embed(http, keep_alive="1h")
    embed(http, keep_alive=0)
    embed(http)
    clock.now += 301
    assert loaded(http) == []


def test_the_expiry_is_a_date_that_stands_still(http: httpx.Client) -> None:
    embed(http, keep_alive="1h")
    assert loaded(http) == loaded(http)
    assert 3500 < seconds_left(http) <= 3600


def test_the_next_request_loads_it_again(http: httpx.Client, clock: Clock) -> None:
    before = embed(http)["embeddings"]
    clock.now += 301
    assert loaded(http) == []
    assert embed(http)["embeddings"] == before


def test_another_context_loads_it_again(http: httpx.Client) -> None:
    embed(http, keep_alive="1h")
    embed(http, options={"num_ctx": 100})
    assert [model["context_length"] for model in loaded(http)] == [100]
    assert seconds_left(http) <= 300  # the default: this is a new load


def test_sampling_options_load_nothing_again(http: httpx.Client) -> None:
    embed(http, keep_alive="1h")
    embed(http, options={"temperature": 1, "seed": 7})
    assert seconds_left(http) > 3000


def test_other_threads_give_the_same_vectors(http: httpx.Client) -> None:
    both = [
        embed(http, input=["a", "b c d"], options={"num_thread": number})["embeddings"]
        for number in (1, 2)
    ]
    for one, two in zip(*both, strict=True):
        assert one == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize("path", ["/api/embeddings", "/api/embed"])
def test_a_text_that_is_refused_still_counts_as_a_use(http: httpx.Client, path: str) -> None:
    long = "word " * 300
    body = {"model": "all-minilm", "input": long, "prompt": long, "truncate": False}
    assert http.post(path, json={**body, "keep_alive": "1h"}).status_code >= 400
    assert seconds_left(http) > 3000
