"""The embed step without Beam: texts in, one vector or one error for each out.

A request fails as a whole and names no index, so a request that cannot succeed is cut in halves
until the guilty text stands alone; every other text still gets its vector.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors, interrupt
from embed_pipeline.audit import SAME, Audit, Suspect
from embed_pipeline.client import Embeds, Tries
from embed_pipeline.outcomes import Effort, Failure, Outcome, Vector
from embed_pipeline.shortening import embed_head
from embed_pipeline.sizing import Prepared, Sizing

# Texts every model can embed, and not alike: they tell a text's fault from the server's.
PROBES = ("a", "the sky is blue")
ROUNDS = 3  # in which a text may fail alone, until it is given up without a verdict


def embed_texts(
    client: Embeds, texts: Sequence[Prepared], sizing: Sizing, audit: Audit | None = None
) -> Outcome:
    """Embed texts, each either to its vector or to the reason it has none.

    The texts go in one request. If that cannot succeed for a reason that lies in a text, halves
    of it are sent, in order and without repetition, down to single texts. What looks like a text's
    fault may be a server in trouble: so before the halves are sent, texts that always should
    succeed (PROBES) must, however long the retry settings let that take.

    A text that failed alone is blamed when it fails alone again after the probes have succeeded,
    and the probes succeed once more right after it. Where they do not, it is sent again after they
    do, up to ROUNDS times; then it is given up, and the server is blamed. A text that is refused
    for good is sent no more; the probes tell that not every request is refused.

    With k guilty texts among n this takes at most 1 + 2k * ceil(log2 n) requests and 1 for the
    probes, then ROUNDS * 3 for each guilty text, beside the repetitions (an error's `tries`) of the
    first request and of those of single texts.

    Args:
        client: Where to send.
        texts: Prepared by `sizing`.
        sizing: What bounds a text.
        audit: Notices different texts with the same vector; None: nobody does.

    Returns:
        As many results as texts, in their order, and what it took.

    Raises:
        EndpointError: No text can succeed: a wrong address, no such model, no connection, or a
            server that fails on every text.
        InterruptedJobError: A stop was asked for.
    """
    effort = Effort()
    results = _bisected(client, texts, sizing, effort, audit)
    for place, result in enumerate(results):
        if isinstance(result, Failure):
            if isinstance(result.error, errors.TransientError):
                results[place] = _verdict(client, texts[place], result, sizing, effort)
            elif not isinstance(result.error, errors.TextTooLong):
                _wait_until_well(client, effort)  # or the endpoint refuses every request
    return results, effort


def _verdict(
    client: Embeds, text: Prepared, failure: Failure, sizing: Sizing, effort: Effort
) -> Vector | Failure:
    """Tell whether a text that failed alone does so by its own fault."""
    attempts = failure.attempts
    for _ in range(ROUNDS):
        _wait_until_well(client, effort)
        (again,) = _bisected(client, [text], sizing, effort)
        if isinstance(again, Vector):
            return again
        attempts += again.attempts
        failure = again._replace(attempts=attempts)
        if not isinstance(failure.error, errors.TransientError) or _is_well(client, effort):
            return failure
    return failure._replace(blame="server")


def _bisected(
    client: Embeds,
    texts: Sequence[Prepared],
    sizing: Sizing,
    effort: Effort,
    audit: Audit | None = None,
) -> list[Vector | Failure]:
    """Embed texts in one request, and in halves of it where that cannot succeed."""
    results: list[Vector | Failure] = []
    pending = [texts]
    while pending:
        part = pending.pop()
        whole = len(part) == len(texts)
        sent = [one.text for one in part]
        try:
            tries = client.embed(sent, None if whole or len(part) == 1 else 1)
            effort.add(tries)
            if audit is not None:
                _check(client, audit.suspects(sent, tries.answer.vectors), audit, sizing, effort)
        except errors.EndpointError as error:
            stop_if_asked(error)
            effort.count(error)
            if error.scope == "job":
                raise
            if len(part) == 1:
                results.append(_alone(client, part[0], error, sizing, effort))
                continue
            effort.isolated += 1
            effort.timed_out += isinstance(error, errors.RequestTimedOut)
            if whole and not isinstance(error, errors.TextTooLong):
                _wait_until_well(client, effort)
            middle = len(part) // 2
            pending += [part[middle:], part[:middle]]
        else:
            results += _vectors(tries, part, sizing)
    return results


def _check(
    client: Embeds, suspects: Sequence[Suspect], audit: Audit, sizing: Sizing, effort: Effort
) -> None:
    """Ask again for different texts that share a vector, each alone.

    Raises:
        WrongAnswer: The answers differ, so those at hand cannot be believed.
        VectorsContradicted: The answer differs from the vector an earlier request gave.
    """
    tokenizer = sizing.limits.tokenizer
    for suspect in suspects:
        effort.suspects += 1
        if tokenizer is None or not tokenizer.same(suspect.text, suspect.other):
            one, other = (client.embed([text]) for text in (suspect.text, suspect.other))
            effort.count(one)
            effort.count(other)
            vectors = one.answer.vectors[0], other.answer.vectors[0]
            if np.abs(vectors[0] - vectors[1]).max() > SAME:
                _contradict(suspect, vectors[1])
        audit.rightly_shared(suspect.mark)
        effort.shared += 1


def _contradict(suspect: Suspect, alone: NDArray[np.float32]) -> None:
    """Tell which of two texts has got a vector that is not its own."""
    error: errors.EndpointError = errors.WrongAnswer(
        "two different texts got one vector, and asked again, each alone, they do not", 200
    )
    if suspect.earlier and not suspect.is_of(alone):
        error = errors.VectorsContradicted(
            "the endpoint has given two different texts one vector, and asked again, each alone, "
            "gives the earlier one another: vectors that are written already may be wrong, so "
            "nothing of this run is to be used; see the server's log, and run again",
            200,
        )
    error.attempts = 0  # the requests themselves are counted already
    error.faults = {type(error).__name__: 1}
    raise error


def _wait_until_well(client: Embeds, effort: Effort) -> None:
    """Wait until texts succeed that always should; raise the server's error if they never do."""
    try:
        tries = client.embed(PROBES, patient=True)
    except errors.EndpointError as error:
        stop_if_asked(error)
        raise
    effort.count(tries)


def _is_well(client: Embeds, effort: Effort) -> bool:
    """Tell whether texts succeed at once that always should."""
    try:
        tries = client.embed(PROBES, 1)
    except errors.EndpointError as error:
        stop_if_asked(error)
        effort.count(error)
        if not isinstance(error, errors.TransientError):
            raise
        return False
    effort.count(tries)
    return tries.attempts == 1


def _alone(
    client: Embeds,
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
            effort.count(other)
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
