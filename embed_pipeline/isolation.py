"""The embed step without Beam: texts in, one vector or one error for each out.

A request fails as a whole and names no index, so a request that cannot succeed is cut in halves
until the guilty text stands alone; every other text still gets its vector.
"""

import logging
from collections.abc import Sequence

from embed_pipeline import errors
from embed_pipeline.audit import Audit
from embed_pipeline.client import Embeds, Tries
from embed_pipeline.outcomes import Effort, Failure, Outcome, Vector
from embed_pipeline.probes import is_well, stop_if_asked, wait_until_well
from embed_pipeline.second_look import SecondLook
from embed_pipeline.shortening import embed_head
from embed_pipeline.sizing import Prepared, Sizing

_log = logging.getLogger("embed_pipeline")
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
    and the probes succeed once more right after it, at the same address. Where they do not, it is
    sent again after they do, up to ROUNDS times; then it is given up. The text is blamed all the
    same if it failed alike each time, as where a server dies of it, and the server otherwise. A
    text that is refused for good is sent no more; the probes tell that not all requests are.

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
                wait_until_well(client, effort)  # or the endpoint refuses every request
    return results, effort


def _verdict(
    client: Embeds, text: Prepared, failure: Failure, sizing: Sizing, effort: Effort
) -> Vector | Failure:
    """Tell whether a text that failed alone does so by its own fault."""
    attempts = failure.attempts
    kinds = {type(failure.error)}
    for _ in range(ROUNDS):
        wait_until_well(client, effort)
        (again,) = _bisected(client, [text], sizing, effort)
        if isinstance(again, Vector):
            return again
        attempts += again.attempts
        failure = again._replace(attempts=attempts)
        kinds.add(type(failure.error))
        error = failure.error
        if not isinstance(error, errors.TransientError) or is_well(client, effort, error.address):
            return failure
    return failure if len(kinds) == 1 else failure._replace(blame="server")


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
            if audit is not None:
                SecondLook(client, audit, sizing, effort).check(sent, tries)
            effort.add(tries)
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
                wait_until_well(client, effort)
            middle = len(part) // 2
            _log.debug("%d texts are told apart, after %s", len(part), type(error).__name__)
            pending += [part[middle:], part[:middle]]
        else:
            results += _vectors(tries, part, sizing)
    return results


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
