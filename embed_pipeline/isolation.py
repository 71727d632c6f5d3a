"""The embed step without Beam: texts in, one vector or one error for each out.

A request fails as a whole and names no index, so a request that cannot succeed is cut in halves
until the guilty text stands alone; every other text still gets its vector.
"""

from collections.abc import Sequence

from embed_pipeline import errors, interrupt
from embed_pipeline.client import Client, Tries
from embed_pipeline.outcomes import Effort, Failure, Outcome, Vector
from embed_pipeline.shortening import embed_head
from embed_pipeline.sizing import Prepared, Sizing

PROBE = "a"  # a text every model can embed, to tell a text's fault from the server's


def embed_texts(client: Client, texts: Sequence[Prepared], sizing: Sizing) -> Outcome:
    """Embed texts, each either to its vector or to the reason it has none.

    The texts go in one request. If that cannot succeed for a reason that lies in a text, halves
    of it are sent, in order and without repetition, down to single texts, which are tried as often
    as the settings say. What looks like a text's fault may be a server in trouble: so before the
    halves are sent, and before a text is blamed, a text that always should succeed must, however
    long the retry settings let that take; after it, each text that failed is tried again, alone.

    With k guilty texts among n this takes at most 1 + 2k * ceil(log2 n) requests, 2 for the text
    that should succeed and k more, beside the repetitions of the first and the single ones.

    Returns:
        As many results as texts, in their order, and what it took.

    Raises:
        EndpointError: No text can succeed: a wrong address, no such model, no connection, or a
            server that fails on every text.
        InterruptedJobError: A stop was asked for.
    """
    effort = Effort()
    results = _bisected(client, texts, sizing, effort)
    doubtful = {
        place: result.attempts
        for place, result in enumerate(results)
        if isinstance(result, Failure) and isinstance(result.error, errors.TransientError)
    }
    if doubtful:
        _wait_until_well(client, effort)
    for place, attempts in doubtful.items():
        (again,) = _bisected(client, [texts[place]], sizing, effort)
        if isinstance(again, Failure):
            again = again._replace(attempts=attempts + again.attempts)
        results[place] = again
    return results, effort


def _bisected(
    client: Client, texts: Sequence[Prepared], sizing: Sizing, effort: Effort
) -> list[Vector | Failure]:
    """Embed texts in one request, and in halves of it where that cannot succeed."""
    results: list[Vector | Failure] = []
    pending = [texts]
    while pending:
        part = pending.pop()
        whole = len(part) == len(texts)
        try:
            tries = client.embed([one.text for one in part], None if whole or len(part) == 1 else 1)
        except errors.EndpointError as error:
            stop_if_asked(error)
            effort.count(error.attempts)
            if error.scope == "job":
                raise
            if len(part) == 1:
                results.append(_alone(client, part[0], error, sizing, effort))
                continue
            if whole and isinstance(error, errors.TransientError):
                _wait_until_well(client, effort)
            middle = len(part) // 2
            pending += [part[middle:], part[:middle]]
        else:
            effort.add(tries)
            results += _vectors(tries, part, sizing)
    return results


def _wait_until_well(client: Client, effort: Effort) -> None:
    """Wait until a text succeeds that always should; raise the server's error if it never does."""
    try:
        tries = client.embed([PROBE], patient=True)
    except errors.EndpointError as error:
        stop_if_asked(error)
        raise
    effort.count(tries.attempts)
    effort.throttled_s += tries.throttled_s


def _alone(
    client: Client,
    text: Prepared,
    error: errors.EndpointError,
    sizing: Sizing,
    effort: Effort,
) -> Vector | Failure:
    """Return what becomes of a text that failed alone: one that is too long may be cut."""
    if not isinstance(error, errors.TextTooLong) or sizing.tokens.on_too_long == "fail":
        return Failure(error, error.attempts)
    before = effort.requests
    try:
        return embed_head(client, text, sizing, effort)
    except errors.EndpointError as other:
        stop_if_asked(other)
        if not isinstance(other, errors.TextTooLong):  # those are counted one by one
            effort.count(other.attempts)
        if other.scope == "job":
            raise
        return Failure(other, error.attempts + effort.requests - before)


def _vectors(tries: Tries, texts: Sequence[Prepared], sizing: Sizing) -> list[Vector]:
    """Return each text's vector, its tokens, and whether it was cut."""
    vectors, total, _, _ = tries.answer
    counts = sizing.counts(total, texts)
    truncated = sizing.truncated(texts, counts)
    return [
        Vector(vector, *count, cut)
        for vector, count, cut in zip(vectors, counts, truncated, strict=True)
    ]


def stop_if_asked(error: Exception) -> None:
    """Turn an error that came while stopping into the stop itself."""
    if interrupt.stop_requested():
        raise errors.InterruptedJobError("stopped while waiting for the endpoint") from error
