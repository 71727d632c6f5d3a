"""How long the model stays loaded, measured on a clock the tests turn, and whose turn it is."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from embed_pipeline.embedded.app import create_app
from embed_pipeline.embedded.engine import Engine
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.model import Model
from embed_pipeline.embedded.options import Runner
from embed_pipeline.embedded.residency import Residency
from embed_pipeline.errors import ConfigError

NAME = "all-minilm:latest"


class Clock:
    """Stand still until told to advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def client(
    clock: Clock, model: Model, serve_app: Callable[[ASGIApp], httpx.Client]
) -> httpx.Client:
    return serve_app(create_app(model, keep_alive=300, clock=clock))


@pytest.fixture
def http(client: httpx.Client) -> Iterator[httpx.Client]:
    """Return a client of a server that has no model loaded."""
    assert loaded(client) == []
    yield client
    if loaded(client):
        embed(client, input="", keep_alive=0)


def embed(http: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = http.post("/api/embed", json={"model": "all-minilm", "input": "a", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def loaded(http: httpx.Client) -> list[dict[str, Any]]:
    return list(http.get("/api/ps").json()["models"])


def seconds_left(http: httpx.Client) -> float:
    expiry = datetime.fromisoformat(loaded(http)[0]["expires_at"])
    return (expiry - datetime.now(UTC)).total_seconds()


@pytest.fixture
def residency(model: Model, clock: Clock) -> Residency:
    return Residency(lambda runner: Engine(model.graph, runner.num_thread), 300, clock)


def test_one_engine_is_lent_as_long_as_the_options_are_the_same(residency: Residency) -> None:
    async def engines() -> list[Engine]:
        found = []
        for runner in (Runner(), Runner(), Runner(num_ctx=8), Runner()):
            async with residency.lease(NAME, runner, None) as lease:
                found.append(lease.engine)
        return found

    first, second, third, fourth = asyncio.run(engines())
    assert first is second
    assert len({first, third, fourth}) == 3


def test_leases_are_given_one_at_a_time_in_their_order(residency: Residency) -> None:
    happened = []

    async def use(name: str) -> None:
        async with residency.lease(name, Runner(), None):
            happened.append(f"{name} begins")
            await asyncio.to_thread(bool)  # other tasks go on meanwhile
            happened.append(f"{name} ends")

    async def use_all() -> None:
        await asyncio.gather(use("a"), use("b"), use("c"))

    asyncio.run(use_all())
    assert happened == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_a_load_is_part_of_the_wait_of_all_who_waited_for_it(model: Model, clock: Clock) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(runner: Runner) -> Engine:
        begun.set()
        assert go_on.wait(60)
        return Engine(model.graph)

    async def run() -> list[int]:
        residency = Residency(load, 300, clock)

        async def waited() -> int:
            async with residency.lease(NAME, Runner(), None) as lease:
                return lease.load_ns

        first = asyncio.create_task(waited())
        await asyncio.to_thread(begun.wait, 60)
        second = asyncio.create_task(waited())
        await asyncio.to_thread(bool)  # other tasks go on meanwhile
        go_on.set()
        return [await first, await second, await waited()]

    first, second, third = asyncio.run(run())
    assert first > second > 0
    assert third == 0


def test_a_wait_while_another_request_computes_is_no_load(residency: Residency) -> None:
    async def waited() -> int:
        async with residency.lease(NAME, Runner(), None) as lease:
            return lease.load_ns

    async def run() -> int:
        async with residency.lease(NAME, Runner(), None):
            waiting = asyncio.create_task(waited())
            await asyncio.to_thread(bool)  # other tasks go on meanwhile
        return await waiting

    assert asyncio.run(run()) == 0


def test_a_load_that_failed_is_no_part_of_later_waits(model: Model, clock: Clock) -> None:
    failures = [ConfigError("damaged")]

    def load(runner: Runner) -> Engine:
        if failures:
            raise failures.pop()
        return Engine(model.graph)

    async def run() -> None:
        residency = Residency(load, 300, clock)

        async def fail() -> None:
            async with residency.lease(NAME, Runner(), None):
                pytest.fail("there is no model to lend")

        with pytest.raises(ContractError, match="damaged"):
            await fail()
        async with residency.lease(NAME, Runner(), None) as lease:
            assert lease.load_ns > 0
        async with residency.lease(NAME, Runner(), None) as lease:
            assert lease.load_ns == 0

    asyncio.run(run())


def test_the_resident_has_the_last_requests_name_and_keep_alive(
    residency: Residency, clock: Clock
) -> None:
    async def run() -> None:
        assert residency.resident() is None
        async with residency.lease("all-minilm:22m", Runner(), 10):
            pass
        async with residency.lease(NAME, Runner(), None):
            pass
        resident = residency.resident()
        assert resident is not None
        assert (resident.name, resident.keep_alive) == (NAME, 10)
        assert resident.deadline == clock.now + 10
        assert resident.runner == Runner()

    asyncio.run(run())


def test_a_model_in_use_outstays_its_time(residency: Residency, clock: Clock) -> None:
    async def run() -> None:
        async with residency.lease(NAME, Runner(), 0):
            clock.now += 1000
            assert residency.resident() is not None
        assert residency.resident() is None

    asyncio.run(run())


def test_a_request_that_waits_keeps_the_model(residency: Residency, clock: Clock) -> None:
    async def run() -> None:
        async with residency.lease(NAME, Runner(), 0) as lease:
            waiting = asyncio.create_task(take(lease.engine))
            await asyncio.to_thread(bool)  # other tasks go on meanwhile
        await waiting

    async def take(engine: Engine) -> None:
        async with residency.lease(NAME, Runner(), None) as lease:
            assert lease.engine is engine

    asyncio.run(run())


def test_an_idle_model_is_let_go_without_another_request(model: Model) -> None:
    async def run() -> None:
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        residency = Residency(lambda _: Engine(model.graph), 0.01, time.monotonic)
        async with residency.lease(NAME, Runner(), None) as lease:
            weakref.finalize(lease.engine, loop.call_soon_threadsafe, gone.set).atexit = False
            del lease
        await asyncio.wait_for(gone.wait(), 60)

    asyncio.run(run())


def test_close_lets_the_model_go(residency: Residency) -> None:
    async def run() -> None:
        async with residency.lease(NAME, Runner(), None):
            pass
        residency.close()
        assert residency.resident() is None

    asyncio.run(run())


def test_an_error_in_a_lease_gives_the_turn_on(residency: Residency) -> None:
    async def run() -> None:
        with pytest.raises(ContractError, match="in use"):
            async with residency.lease(NAME, Runner(), None):
                raise ContractError(500, "in use")
        async with residency.lease(NAME, Runner(), None) as lease:
            assert isinstance(lease.engine, Engine)

    asyncio.run(run())


def test_a_model_that_cannot_be_loaded_is_500_and_tried_again_next_time(
    model: Model, clock: Clock, tmp_path: Path
) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"damaged")
    residency = Residency(lambda _: Engine(graph), 300, clock)

    async def run() -> None:
        with pytest.raises(ContractError) as caught:
            async with residency.lease(NAME, Runner(), None):
                pytest.fail("there is no model to lend")
        assert caught.value.status == 500
        assert caught.value.message.startswith(
            "model failed to load, this may be due to resource limitations or an internal error: "
            f"{graph} cannot be loaded"
        )
        assert residency.resident() is None
        graph.unlink()
        graph.symlink_to(model.graph)
        async with residency.lease(NAME, Runner(), None) as lease:
            assert isinstance(lease.engine, Engine)

    asyncio.run(run())


def test_nothing_is_loaded_before_the_first_request(
    model: Model, serve_app: Callable[[ASGIApp], httpx.Client]
) -> None:
    assert loaded(serve_app(create_app(model))) == []


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
