"""Whether an endpoint unloads a model when its keep_alive is over, as it was asked to.

Trying it takes the model away for a moment from everybody who uses it: their next request loads it
anew. Therefore it is tried last, and not at all where somebody has the model kept for longer than
the job would; afterwards the model is loaded again, with the job's own keep_alive.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry, keep_alive_seconds
from embed_pipeline.model_names import same_model
from embed_pipeline.verdict import Verdict

EXPIRY = "keep_alive expiry"
SHORT = 1  # seconds of keep_alive
SLACK = timedelta(minutes=1)  # by which the clocks of two machines may differ
LOOK_SECONDS = 0.1
PATIENCE = 10.0  # seconds an unloading may be late
TEXT = "unload me"


class _Listed(NamedTuple):
    """Hold what `/api/ps` tells of the loaded model."""

    expires_at: str


def expiry(client: Client, endpoint: Endpoint, retry: Retry, patience: float = PATIENCE) -> Verdict:
    """Ask for a short keep_alive, see the model go, and load it again as the job wants it.

    Args:
        client: Of the endpoint, with the job's keep_alive; the model is loaded.
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        patience: Seconds the unloading may be late.

    Raises:
        EndpointError: The endpoint does not answer.
        InterruptedJobError: A stop was asked for.
    """
    try:
        listed = _listed(client, endpoint)
    except (errors.NotAnEndpoint, errors.RequestRejected, errors.ModelNotFound):
        return Verdict(EXPIRY, "not known", "the endpoint does not list what is loaded (/api/ps)")
    if listed is None:
        return Verdict(EXPIRY, "not known", "the endpoint does not list the model as loaded")
    ours = keep_alive_seconds(endpoint.keep_alive)
    if ours < 0 or _left(listed) > timedelta(seconds=ours) + SLACK:
        detail = f"not tried: somebody has the model kept until {listed.expires_at[:16]}"
        return Verdict(EXPIRY, "not known", detail)
    try:
        found = _tried(client, endpoint, retry, patience)
        if found.verdict == "broken":  # perhaps another client's request came in between
            found = _tried(client, endpoint, retry, patience)
    finally:
        client.load()
    return found


def _tried(client: Client, endpoint: Endpoint, retry: Retry, patience: float) -> Verdict:
    """Send a request with a short keep_alive and watch the model go."""
    short = endpoint.model_copy(update={"keep_alive": SHORT})
    with Client(short, retry) as asking:
        asking.embed([TEXT])
    began = time.monotonic()
    first = listed = _listed(client, endpoint)
    while listed is not None:
        waited = time.monotonic() - began
        if listed != first:
            detail = "another client uses the model; try again when nobody does"
            return Verdict(EXPIRY, "not known", detail)
        if waited > SHORT + patience:
            detail = (
                f"asked to keep the model {SHORT} s, the server has it {waited:.0f} s later; a run "
                "cannot rely on keep_alive, so set it on the server (OLLAMA_KEEP_ALIVE)"
            )
            return Verdict(EXPIRY, "broken", detail)
        if interrupt.wait(LOOK_SECONDS):
            raise errors.InterruptedJobError("stopped while waiting for the model to be unloaded")
        listed = _listed(client, endpoint)
    seconds = time.monotonic() - began
    detail = (
        f"kept for {SHORT} s, the model was unloaded after {seconds:.1f} s; it is loaded again, "
        f"with keep_alive {endpoint.keep_alive}"
    )
    return Verdict(EXPIRY, "holds", detail)


def _listed(client: Client, endpoint: Endpoint) -> _Listed | None:
    """Return what the endpoint tells of the model, or None where it is not loaded."""
    for entry in client.get("/api/ps").get("models") or []:
        if same_model(entry.get("name"), endpoint.model):
            return _Listed(str(entry.get("expires_at", "")))
    return None


def _left(listed: _Listed) -> timedelta:
    """Return how long the model stays; nothing where the endpoint tells no time."""
    try:
        moment = datetime.fromisoformat(listed.expires_at)
    except ValueError:
        return timedelta(0)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)
