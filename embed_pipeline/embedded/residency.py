"""Whether the model is loaded: on demand, until it has been idle for its keep_alive.

All of it runs on the event loop, so that plain attributes are safe; only loading and computing are
done in threads.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from embed_pipeline.embedded.durations import LONGEST
from embed_pipeline.embedded.engine import Engine
from embed_pipeline.embedded.faults import ContractError
from embed_pipeline.embedded.options import Runner
from embed_pipeline.errors import ConfigError


@dataclass
class Resident:
    """Describe the loaded model.

    Attributes:
        engine: The model.
        runner: What it was loaded with.
        keep_alive: Seconds it stays when idle.
        name: The name the last request used.
        deadline: When it goes, on the residency's clock.
        expires_at: The same as a date; the same object until the next request.
    """

    engine: Engine
    runner: Runner
    keep_alive: float
    name: str
    deadline: float
    expires_at: datetime


class Lease(NamedTuple):
    """Hold what a request was lent.

    Attributes:
        engine: The model.
        load_ns: How long the request waited for the model to be loaded, by itself or by requests
            before it, in nanoseconds; its wait while others computed is no part of it.
    """

    engine: Engine
    load_ns: int


class Residency:
    """Lend the loaded model to one request at a time, first come first served.

    Args:
        load: Makes an engine; called in a thread.
        keep_alive: Seconds a model stays that no request said anything about.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        load: Callable[[Runner], Engine],
        keep_alive: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._default_keep_alive = keep_alive
        self._clock = clock
        self._turn = asyncio.Lock()
        self._users = 0  # requests that have the model or wait for it
        self._resident: Resident | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loading = _Stopwatch()

    def resident(self) -> Resident | None:
        """Return the loaded model, or None."""
        self._unload_if_due()
        return self._resident

    @asynccontextmanager
    async def lease(
        self, name: str, runner: Runner, keep_alive: float | None
    ) -> AsyncIterator[Lease]:
        """Wait for the turn, load the model if need be, and lend it.

        Args:
            name: The installed name that was asked for.
            runner: The options it has to be loaded with.
            keep_alive: Seconds it stays afterwards; None keeps what was in force.

        Raises:
            ContractError: 500, the model cannot be loaded.
        """
        self._unload_if_due()
        self._users += 1
        loaded_before = self._loading.ns()
        try:
            async with self._turn:
                resident = await self._ready(runner, name)
                if keep_alive is not None:
                    resident.keep_alive = keep_alive
                self._extend(resident)
                yield Lease(resident.engine, self._loading.ns() - loaded_before)
        finally:
            self._users -= 1
            self._rest()

    def close(self) -> None:
        """Let the model go."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._resident = None

    async def _ready(self, runner: Runner, name: str) -> Resident:
        if self._resident and self._resident.runner == runner:
            self._resident.name = name
            return self._resident
        self._resident = None
        try:
            with self._loading.running():
                engine = await asyncio.to_thread(self._load, runner)
        except (ConfigError, MemoryError) as error:
            raise ContractError(
                500,
                "model failed to load, this may be due to resource limitations or an internal"
                f" error: {error}",
            ) from error
        self._resident = Resident(
            engine, runner, self._default_keep_alive, name, math.inf, datetime.now(UTC)
        )
        return self._resident

    def _extend(self, resident: Resident) -> None:
        resident.deadline = self._clock() + resident.keep_alive
        shown = min(resident.keep_alive, LONGEST)
        resident.expires_at = datetime.now(UTC) + timedelta(seconds=shown)

    def _rest(self) -> None:
        if self._users or not self._resident:
            return
        self._extend(self._resident)
        self._unload_if_due()

    def _unload_if_due(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._resident or self._users:
            return
        left = self._resident.deadline - self._clock()
        if left <= 0:
            self._resident = None
        elif left < math.inf:
            self._timer = asyncio.get_running_loop().call_later(left, self._unload_if_due)


class _Stopwatch:
    """Add up the time in which something ran, the present run included."""

    def __init__(self) -> None:
        self._total = 0
        self._since: int | None = None

    def ns(self) -> int:
        """Return the nanoseconds so far."""
        running = 0 if self._since is None else time.monotonic_ns() - self._since
        return self._total + running

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run until the block ends."""
        self._since = time.monotonic_ns()
        try:
            yield
        finally:
            self._total, self._since = self.ns(), None
