"""One address of an endpoint among others: how it fares, and whether it has the right model."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.health import Address, State
from embed_pipeline.pacing import Pace

FIRST_REST, LONGEST_REST = 1.0, 30.0  # seconds an address rests after a fault, doubled each time


@dataclass(eq=False)
class Lane:
    """Hold what is known of one address; its pool's lock guards it.

    Attributes:
        endpoint: With this address.
        client: To talk with it.
        pace: How many requests it may have under way.
        under_way: How many it has.
        faults: How many requests have failed by its fault since the last success.
        rests_until: When it may be used again though others are well (`time.monotonic`).
        asked_until: Until when it has asked to be left alone.
        too_busy: Whether it has said so since the last success.
        halved_at: When its pace was last halved; answers to what was sent before do not halve it
            again.
        looked_at: When its model was last seen to be the right one (`time.monotonic`), or None
            where it must be looked at before the next text.
        right_at: The same moment, in seconds since the epoch.
        unseen: Whether it has given vectors since.
        reloaded: Whether a look waited for the model to be loaded again, which nobody was told yet.
        given: The latest texts it was asked for, with the vectors it gave: one of each request.
        chosen_at: When it was last given a request (`time.monotonic`).
        rested_s: Seconds it has rested since somebody asked.
        rests_since: When the rest began that is not in there yet (`time.monotonic`), or None.
        looking: Held while its model is looked at.
        requests: How many requests it was given.
        met: How often each kind of error was met here.
    """

    endpoint: Endpoint
    client: Client
    pace: Pace
    under_way: int = 0
    faults: int = 0
    rests_until: float = 0.0
    asked_until: float = 0.0
    too_busy: bool = False
    halved_at: float = 0.0
    looked_at: float | None = None
    right_at: float | None = None
    unseen: bool = False
    reloaded: bool = False
    chosen_at: float = 0.0
    given: deque[tuple[str, NDArray[np.float32]]] = field(default_factory=lambda: deque(maxlen=8))
    rested_s: float = 0.0
    rests_since: float | None = None
    looking: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    met: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Return its address without secrets."""
        return self.endpoint.masked_url

    @property
    def has_room(self) -> bool:
        """Tell whether one more request may be under way; after a fault only one may."""
        if self.asked_until > time.monotonic():
            return False
        return self.under_way < (1 if self.faults else self.pace.now)

    def rest(self, seconds: float | None, at_most: float) -> None:
        """Take note of a fault of the server: let it rest, the longer the more there were.

        Args:
            seconds: What it asked for, or None.
            at_most: What of that it gets.
        """
        self._add_rest()
        self.faults += 1
        pause = min(LONGEST_REST, FIRST_REST * 2 ** (self.faults - 1))
        asked = min(seconds or 0.0, at_most)
        self.asked_until = time.monotonic() + asked
        self.rests_since = time.monotonic()
        self.rests_until = self.rests_since + max(pause, asked)

    def recover(self) -> None:
        """Take note of a success: it rests no more."""
        self._add_rest()
        self.faults, self.rests_until, self.too_busy = 0, 0.0, False
        self.pace.recover()

    def rested(self) -> float:
        """Return the seconds it has rested since this was last called."""
        self._add_rest()
        rested, self.rested_s = self.rested_s, 0.0
        return rested

    def _add_rest(self) -> None:
        """Add what of a rest is over."""
        if self.rests_since is not None:
            now = time.monotonic()
            self.rested_s += max(0.0, min(now, self.rests_until) - self.rests_since)
            self.rests_since = now if now < self.rests_until else None

    def health(self, *, gone: bool) -> Address:
        """Return how it is.

        Args:
            gone: Whether it was taken out.
        """
        rests = max(0.0, self.rests_until - time.monotonic())
        state: State = "well" if self.requests else "not asked yet"
        if gone:
            state = "gone"
        elif rests:
            state = "resting"
        elif self.pace.is_slowed:
            state = "slowed"
        return Address(
            self.name, state, rests, self.under_way, self.pace.now, self.requests, dict(self.met)
        )

    def slow_down(self, sent_at: float) -> None:
        """Halve the pace, once for all requests that were under way together."""
        if sent_at >= self.halved_at:
            self.pace.halve()
            self.halved_at = time.monotonic()


def lane_of(endpoint: Endpoint, retry: Retry, in_flight: int) -> Lane:
    """Return the lane of one address."""
    return Lane(endpoint, Client(endpoint, retry), Pace(in_flight))
