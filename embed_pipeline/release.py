"""The end of a run: the model it loaded is unloaded, where nobody else counts on it.

A server keeps a model in memory until it was idle for its keep_alive, and the last keep_alive it
was given is the one in force. So a model is released only if it was not loaded before the run, and
if it goes when the run's own last request has said: another expiry is another client's.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from embed_pipeline import address, errors, last_use
from embed_pipeline.endpoint import AUTO, EMBEDDED, WORKER, Endpoint, keep_alive_seconds
from embed_pipeline.model_names import same_model
from embed_pipeline.transport import Transport

SECONDS = 10.0  # for an answer
SMALL_BODY = 1 << 20  # bytes an answer may have
SLACK = 2.0  # seconds between the end of a request there and here, clocks included

_log = logging.getLogger("embed_pipeline")


class Look(NamedTuple):
    """Hold what an endpoint had loaded before a run.

    Attributes:
        at: When it was looked at.
        loaded: Whether the model was loaded; None where the endpoint did not say.
    """

    at: datetime
    loaded: bool | None


@contextmanager
def released_after(endpoints: Sequence[Endpoint]) -> Iterator[None]:
    """Look at endpoints, and release each of them at the end of the block, however it ends.

    Args:
        endpoints: With one address each.
    """
    looks = [look_before(endpoint) for endpoint in endpoints]
    try:
        yield
    finally:
        for endpoint, look in zip(endpoints, looks, strict=True):
            release(endpoint, look)


def outliving(asked: Endpoint, found: Endpoint) -> list[Endpoint]:
    """Return the addresses of servers that go on after the job for their keep_alive.

    An embedded one of the job's own ends with it; one of `worker` by itself, with its model.

    Args:
        asked: The endpoint as the job's file names it.
        found: The same, with concrete addresses: what `locate.opened` has made of it.
    """
    own = asked.url in (EMBEDDED, WORKER) or (
        asked.url == AUTO and found.url != address.from_environment()
    )
    return [] if own else found.each


def look_before(endpoint: Endpoint) -> Look:
    """Look whether the model is loaded, before the first request that loads it; never raises."""
    at = datetime.now(UTC)
    try:
        with closing(Transport(endpoint)) as transport:
            return Look(at, bool(_expiries(transport, endpoint)))
    except (errors.EmbedPipelineError, OSError, ValueError) as error:
        _log.info("whether the model is loaded is not known: %s", error)
        return Look(at, None)


def release(endpoint: Endpoint, look: Look) -> None:
    """Unload the model if the run loaded it and its expiry is still the run's.

    The expiry must be the keep_alive after the last request of this process, within 2 s. Where
    other processes sent all of them, after any moment since the look; another client's shorter
    keep_alive is then taken for the run's. A keep_alive for ever is left alone, as it was asked
    for. Never raises: what fails is a warning, and the model goes at its expiry.

    Args:
        endpoint: With one address.
        look: What `look_before` saw.
    """
    if look.loaded is not False or keep_alive_seconds(endpoint.keep_alive) < 0:
        return
    try:
        with closing(Transport(endpoint)) as transport:
            for expiry in _expiries(transport, endpoint):
                if _is_ours(expiry, endpoint, look):
                    _unload(transport, endpoint)
                else:
                    said = "%s keeps '%s' until %s: another client uses it too"
                    _log.info(said, endpoint.masked_url, endpoint.model, expiry)
    except (errors.EmbedPipelineError, OSError, ValueError) as error:
        _log.warning("the model stays loaded until its keep_alive is over: %s", error)


def _is_ours(expiry: datetime, endpoint: Endpoint, look: Look) -> bool:
    """Tell whether an expiry is what our last request has set."""
    noted = last_use.moment(endpoint)
    here = noted is not None and noted >= look.at  # else other processes sent the requests
    first, last = (noted, noted) if noted and here else (look.at, datetime.now(UTC))
    kept = keep_alive_seconds(endpoint.keep_alive)
    earliest, latest = ((expiry - used).total_seconds() - kept for used in (first, last))
    return earliest >= -SLACK and latest <= SLACK


def _expiries(transport: Transport, endpoint: Endpoint) -> list[datetime]:
    """Return when the model goes; nothing where it is not loaded.

    Raises:
        EndpointError: The endpoint does not answer.
        ValueError: It answers something else.
    """
    found = orjson.loads(transport.exchange("GET", "/api/ps", None, SECONDS, SMALL_BODY))
    listed = found.get("models") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f"{endpoint.masked_url}/api/ps lists no models")  # noqa: TRY004 (bad data)
    return [
        _moment(entry)
        for entry in listed
        if isinstance(entry, dict) and same_model(entry.get("name"), endpoint.model)
    ]


def _moment(entry: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(str(entry.get("expires_at")))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unload(transport: Transport, endpoint: Endpoint) -> None:
    """Send no text and a keep_alive of nothing; other options would load the model anew first."""
    body: dict[str, Any] = {"model": endpoint.model, "input": [], "keep_alive": 0}
    if endpoint.options:
        body["options"] = endpoint.options
    transport.exchange("POST", "/api/embed", orjson.dumps(body), SECONDS, SMALL_BODY)
    _log.info(
        "%s has unloaded '%s', which this run had loaded", endpoint.masked_url, endpoint.model
    )
