"""Texts that always should succeed: they tell a text's fault from the server's."""

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Embeds
from embed_pipeline.outcomes import Effort

# Every model can embed them, and not alike, which a server that is stuck does not achieve.
PROBES = ("a", "the sky is blue")


def wait_until_well(client: Embeds, effort: Effort) -> None:
    """Wait until texts succeed that always should; raise the server's error if they never do."""
    try:
        tries = client.embed(PROBES, patient=True)
    except errors.EndpointError as error:
        stop_if_asked(error)
        raise
    effort.count(tries)


def is_well(client: Embeds, effort: Effort, at: str = "") -> bool:
    """Tell whether texts succeed at once that always should.

    Args:
        client: Where to send them.
        effort: Where it is counted.
        at: The address in question, of several; one that is not well rests after it.
    """
    try:
        tries = client.embed(PROBES, 1, at=at)
    except errors.EndpointError as error:
        stop_if_asked(error)
        effort.count(error)
        if not isinstance(error, errors.TransientError):
            raise
        return False
    effort.count(tries)
    return tries.attempts == 1


def stop_if_asked(error: Exception) -> None:
    """Turn an error that came while stopping into the stop itself."""
    if interrupt.stop_requested():
        raise errors.InterruptedJobError("stopped while waiting for the endpoint") from error
