"""The addresses of an endpoint, sharing the work: who gets a request, and who is left out.

A request goes to the address with the fewest under way. One that is down or too busy rests, while
others go on; one whose model is not the others' is taken out.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Self, TypeVar

import numpy as np

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client, Sent, Tries, embed_tried
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.health import Health
from embed_pipeline.identity import FINGERPRINT_TEXTS, Identity, find_digest, told_context
from embed_pipeline.lane import Lane, lane_of
from embed_pipeline.retrying import tried

T = TypeVar("T")

LOOK_SECONDS = 60.0  # between two looks whether the model is still the same
NOTICE_SECONDS = 0.2  # until a waiting thread notices that it is to stop, or that a rest is over
SAME = 1e-3  # difference of a value, at most, between two answers of the same model

_OF_THE_SERVER = (
    errors.ConnectionFailed,
    errors.ConnectionLost,
    errors.ModelLoadFailed,
    errors.Overloaded,
    errors.RequestTimedOut,
)
_TOO_MUCH = (errors.Overloaded, errors.RequestTimedOut)
_OF_THE_ADDRESS = (
    errors.CannotEmbed,
    errors.ModelChanged,
    errors.ModelNotFound,
    errors.NotAnEndpoint,
    errors.Unauthorized,
)
_WHY = {
    False: "their vectors do not compare",
    True: "they are the same, but give short texts other vectors, as versions of a server may",
}
_log = logging.getLogger("embed_pipeline")


class Pool:
    """Embed at one address or several; threads may share it.

    Args:
        endpoint: With concrete addresses.
        retry: Bounds of the repetition of one request, at whatever addresses.
        in_flight: Requests under way at each address, at most.

    Attributes:
        loaded: From when to when the last request took that loads the model (`time.monotonic`).
    """

    def __init__(self, endpoint: Endpoint, retry: Retry, in_flight: int = 1) -> None:
        self._retry = retry
        self._every = [lane_of(one, retry, in_flight) for one in endpoint.each]
        self._lanes = [*self._every]  # those that are not taken out
        self._changed = threading.Condition()
        self._right: Identity | None = None  # what the first address that answered has
        self._asking = 0  # requests that were asked for and are not answered for good yet
        self._repeated = 0  # tries beyond the first
        self.loaded = (0.0, 0.0)

    def close(self) -> None:
        """Close every connection."""
        for lane in self._every:
            lane.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def some(self) -> Client:
        """Return the client of an address that answers and has loaded the model.

        Raises:
            EndpointError: None does, as long as the retry settings let it be tried.
        """
        with self._counting() as count_try:

            def once() -> Client:
                count_try()
                return self._at_one(lambda lane: lane.client)[0]

            return tried(self._retry, once, patient=True).found

    def look_again(self) -> None:
        """Look whether the addresses that have given vectors still have the right model.

        To be called before those vectors are written for good. One that does not answer any more is
        believed where another confirms its last vectors.

        Raises:
            ModelChanged: One has another model.
            EndpointError: One does not answer, as long as the retry settings let it be tried, and
                nobody confirms its vectors.
        """
        for lane in self._every:
            if lane.unseen:
                lane.looked_at = None
                try:
                    self._look_if_due(lane)
                except errors.EndpointError as error:
                    self._confirm(lane, error)

    def _confirm(self, lane: Lane, error: errors.EndpointError) -> None:
        """Have the vectors of an address confirmed that could not be looked at."""
        if isinstance(error, errors.ModelChanged):
            if error.since is not None:
                raise error
        elif not self._gave_right_ones(lane):
            if not isinstance(error, errors.TransientError):
                raise error
            tried(self._retry, lambda: self._look_if_due(lane), patient=True)

    @property
    def digest(self) -> str | None:
        """Return the digest of the model that is the right one; None before the first look."""
        return None if self._right is None else self._right.digest

    def rested(self) -> dict[str, float]:
        """Return how long each address has rested since this was last called, in seconds.

        One that is alone does not rest: nobody else would be asked.
        """
        with self._changed:
            rests = {lane.name: lane.rested() for lane in self._every}
        return {name: rest for name, rest in rests.items() if rest and len(rests) > 1}

    def embed(
        self,
        texts: Sequence[str],
        tries: int | None = None,
        *,
        patient: bool = False,
        truncate: bool = False,
        at: str = "",
    ) -> Tries:
        """Embed texts in one request, at whichever address is free; see `Client.embed`.

        Raises:
            ModelChanged: Another model answers there than at the start, and it may have given
                vectors already.
            EndpointError, InterruptedJobError: As `Client.embed` does.
        """

        def send(lane: Lane) -> Sent:
            sent = lane.client.send(texts, truncate=truncate)
            self._look_if_due(lane)  # others may have met a server that was started anew meanwhile
            lane.unseen = True
            if lane.reloaded:
                sent, lane.reloaded = sent._replace(reloaded=True), False
            lane.given.append((texts[0], sent.answer.vectors[0]))
            return sent

        with self._counting() as count_try:

            def once() -> Sent:
                count_try()
                sent, waited = self._at_one(send, at)
                return sent._replace(throttled_s=waited) if waited else sent

            return embed_tried(self._retry, once, tries, patient=patient)

    @contextmanager
    def _counting(self) -> Iterator[Callable[[], None]]:
        """Count what is asked for until it is answered for good; give what counts each try."""
        tries = count()

        def count_try() -> None:
            with self._changed:
                self._repeated += next(tries) > 0

        with self._changed:
            self._asking += 1
        try:
            yield count_try
        finally:
            with self._changed:
                self._asking -= 1

    def health(self) -> Health:
        """Return how the addresses are."""
        with self._changed:
            every = [lane.health(gone=lane not in self._lanes) for lane in self._every]
            under_way = sum(one.in_flight for one in every)
            return Health(tuple(every), max(0, self._asking - under_way), self._repeated)

    def _at_one(self, use: Callable[[Lane], T], at: str = "") -> tuple[T, float]:
        """Choose an address, look at it if it is time, and use it.

        An error says whether there is another address to try at once.

        Returns:
            What the use returns, and the seconds that were waited for an address with room.
        """
        lane, waited = self._entered(at)
        sent_at = time.monotonic()
        try:
            self._look_if_due(lane)
            found = use(lane)
        except errors.EndpointError as error:
            with self._changed:
                error.address = lane.name
                lane.met[type(error).__name__] += 1
                error.elsewhere = self._judged(lane, error, sent_at) and not at
                if at and isinstance(error, errors.TransientError):
                    lane.rest(error.retry_after, self._retry.total_seconds)
            raise
        else:
            with self._changed:
                lane.recover()
            return found, waited
        finally:
            with self._changed:
                lane.under_way -= 1
                self._changed.notify()

    def _entered(self, at: str) -> tuple[Lane, float]:
        """Wait for an address with room, and take a place there; say how long that took.

        Raises:
            InterruptedJobError: A stop was asked for.
        """
        waits_since = None
        with self._changed:
            while True:
                if interrupt.stop_requested():
                    raise errors.InterruptedJobError("stopped while waiting for the endpoint")
                lane = self._choice(at)
                if lane is not None:
                    lane.under_way += 1
                    lane.requests += 1
                    lane.chosen_at = time.monotonic()
                    return lane, 0.0 if waits_since is None else lane.chosen_at - waits_since
                if any(one.too_busy for one in self._lanes):
                    waits_since = waits_since or time.monotonic()
                self._changed.wait(NOTICE_SECONDS)

    def _choice(self, at: str) -> Lane | None:
        """Return the address with the fewest requests under way, or None where none has room."""
        named = [lane for lane in self._lanes if lane.name == at]
        if named:
            return named[0] if named[0].has_room else None
        now = time.monotonic()
        well = [lane for lane in self._lanes if lane.rests_until <= now]
        free = [lane for lane in well or self._lanes if lane.has_room]
        return min(free, key=lambda lane: (lane.under_way, lane.chosen_at), default=None)

    def _judged(self, lane: Lane, error: errors.EndpointError, sent_at: float) -> bool:
        """Draw the consequences of an error; tell whether to try another address at once."""
        if isinstance(error, _TOO_MUCH):
            lane.slow_down(sent_at)
            _log.debug("%s gets %d requests at once at most now", lane.name, lane.pace.now)
        lane.too_busy |= isinstance(error, errors.Overloaded)
        if isinstance(error, _OF_THE_SERVER):
            lane.rest(error.retry_after, self._retry.total_seconds)
            _log.debug("%s rests for %.0f s", lane.name, lane.rests_until - time.monotonic())
        if isinstance(error, errors.TransientError) and not isinstance(error, errors.Overloaded):
            lane.looked_at = None  # it may have been started anew, with another model
        if lane not in self._lanes:  # another request has found that out before
            return True
        if isinstance(error, _OF_THE_ADDRESS) and len(self._lanes) > 1:
            if isinstance(error, errors.ModelChanged) and error.since is not None:
                return False  # it has given vectors of the other model
            self._lanes.remove(lane)
            _log.warning("%s; going on without this address", error)
            return True
        now = time.monotonic()
        return isinstance(error, _OF_THE_SERVER) and any(
            other.rests_until <= now for other in self._lanes if other is not lane
        )

    def _look_if_due(self, lane: Lane) -> None:
        """Look whether an address has the right model, at the first use and now and then.

        Raises:
            ModelChanged: It has another one. `since` is None where it made no vector.
            EndpointError: It does not answer.
        """
        with lane.looking:
            due = lane.looked_at is None or time.monotonic() - lane.looked_at >= LOOK_SECONDS
            if not due:
                return
            unseen, lane.unseen = lane.unseen, False  # vectors that come meanwhile stay unseen
            try:
                found = self._found(lane)
                with self._changed:
                    self._right = self._right or found
                if not found.agrees(self._right):
                    self._refuse(lane, found)
            except errors.EndpointError:
                lane.unseen |= unseen
                raise
            lane.looked_at, lane.right_at = time.monotonic(), time.time()

    def _found(self, lane: Lane) -> Identity:
        """Ask which model an address has; the first time, load it."""
        try:
            digest = find_digest(lane.client, lane.endpoint, attempts=1)
        except errors.NotAnEndpoint as error:
            if lane.right_at is None or error.status != 200:
                raise
            raise errors.WrongAnswer(error.message, 200) from error  # a page, for a moment
        if self._right is not None and digest != self._right.digest:
            return Identity(digest, None, None)
        if lane.right_at is None:
            began = time.monotonic()
            lane.client.load(attempts=1)
            self.loaded = (began, time.monotonic())
        sent = lane.client.send(FINGERPRINT_TEXTS)
        lane.reloaded |= sent.reloaded and lane.right_at is not None
        context = told_context(lane.client, lane.endpoint, attempts=1)
        return Identity(digest, context, sent.answer.vectors)

    def _refuse(self, lane: Lane, found: Identity) -> None:
        """Refuse an address whose model is not the one of the start."""
        told = (
            f"{lane.name} has {found} as '{lane.endpoint.model}', and the run began with "
            f"{self._right}: {_WHY[str(found) == str(self._right)]}"
        )
        if self._gave_right_ones(lane):
            raise errors.ModelChanged(told, since=None)
        thrown = "what was embedded since the model was last seen right is thrown away"
        raise errors.ModelChanged(f"{told}; {thrown}", since=lane.right_at or 0.0)

    def _gave_right_ones(self, lane: Lane) -> bool:
        """Tell whether another address confirms what this one has given last.

        A model is changed once: where the last vectors are the old one's, so are all others.
        """
        given = list(lane.given)
        if not given:
            return True
        texts, vectors = zip(*given, strict=True)
        for other in self._every:
            if other is lane or other.right_at is None:
                continue
            try:
                found = other.client.send(texts, truncate=True).answer.vectors  # as some were
            except errors.EndpointError:
                continue
            return bool(np.abs(found - np.stack(vectors)).max() <= SAME)
        return False
