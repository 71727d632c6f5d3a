"""Whether an endpoint keeps what a run relies on: all of it, or in short at the start of a run."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from embed_pipeline import errors
from embed_pipeline.batch_checks import (
    DETERMINISM,
    FEW_TEXTS,
    ORDER,
    SINGLE,
    TEXTS,
    VECTORS,
    Answers,
    batch_against_single,
    determinism,
    each_alone,
    one_for_two,
    order,
    vectors,
)
from embed_pipeline.boundary_check import BOUNDARY, TRUNCATION, boundary
from embed_pipeline.client import Client
from embed_pipeline.distinct_check import ACCENTED, ACCENTS, CAPITALS, CASE, distinctness
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import Engine
from embed_pipeline.expiry_check import EXPIRY, expiry
from embed_pipeline.reference_check import REFERENCE, against_embedded
from embed_pipeline.verdict import Verdict, failed

EMPTY = "empty text"
PROMISES = (
    VECTORS, ORDER, SINGLE, DETERMINISM, EMPTY, BOUNDARY, TRUNCATION, CASE, CAPITALS, ACCENTS,
    ACCENTED, REFERENCE, EXPIRY,
)  # fmt: skip
REPEATED = 3  # texts asked for twice
OF_BATCHES = (ORDER, SINGLE)  # what a run with one text a request does not rely on


def deep_check(endpoint: Endpoint, retry: Retry, found: Engine) -> Iterator[Verdict]:
    """Try every promise; yield each verdict as soon as it is known.

    Some 130 short texts are embedded, and four that fill the context. The model is unloaded and
    loaded again at the end, unless somebody has it kept for longer than the endpoint's settings.

    Args:
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        found: What `engine.inspect` found of the same endpoint.

    Raises:
        EndpointError: The endpoint does not answer, or answers that no text can succeed.
    """
    with Client(endpoint, retry) as client:
        client.load()
        yield from _batches(client)
        yield empty_text(client)
        yield from _judged(BOUNDARY, lambda: boundary(client, found.limits))
        yield from _judged(CASE, lambda: distinctness(client, found.limits.tokenizer))
        yield from _judged(
            REFERENCE, lambda: against_embedded(client, endpoint, retry, found.version)
        )
        yield from _judged(EXPIRY, lambda: [expiry(client, endpoint, retry)])


def _judged(name: str, tried: Callable[[], Sequence[Verdict]]) -> Sequence[Verdict]:
    """Return the verdicts of a check, or that it failed."""
    try:
        return tried()
    except errors.EndpointError as error:
        return [failed(name, error)]


def _batches(client: Client) -> Iterator[Verdict]:
    """Try what every batch promises, with many texts."""
    try:
        alone = each_alone(client, TEXTS)
        together = client.embed(TEXTS).answer.vectors
        again = each_alone(client, TEXTS[:REPEATED])
    except errors.EndpointError as error:
        yield failed(VECTORS, error)
        yield from _untried(ORDER, SINGLE, DETERMINISM)
        return
    answers = Answers(together, alone)
    yield one_for_two(VECTORS, alone) or vectors(np.concatenate([together, alone]))
    yield order(answers)
    yield batch_against_single(answers)
    yield determinism(alone[:REPEATED], again)


def _untried(*names: str) -> Iterable[Verdict]:
    return (Verdict(name, "not known", "plain texts get no good answer") for name in names)


def empty_text(client: Client) -> Verdict:
    """Judge whether an empty text gets a vector, alone and among others."""
    try:
        client.embed([FEW_TEXTS[0], "", FEW_TEXTS[1]])
        client.embed([""])
    except errors.EndpointError as error:
        return failed(EMPTY, error, "runs refuse empty texts; let nobody else send them")
    return Verdict(EMPTY, "holds", 'an empty text gets a vector, alone ([""]) and among others')


def short_check(client: Client) -> list[Verdict]:
    """Try order, batch against single, and determinism, with four requests of eight short texts.

    The model is loaded before. What fails for reasons that may pass is "not known": the run itself
    tries more patiently.

    Raises:
        PermanentError: No text can succeed.
    """
    try:
        client.load()
        alone = each_alone(client, FEW_TEXTS[:2])
        shared = one_for_two(VECTORS, alone)
        if shared is not None:
            return [shared]
        together = client.embed(FEW_TEXTS).answer.vectors
        again = client.embed(FEW_TEXTS).answer.vectors
    except (errors.TransientError, errors.TextTooLong) as error:
        return [Verdict(VECTORS, "not known", str(error))]
    answers = Answers(together, alone)
    return [order(answers), batch_against_single(answers), determinism(together, again)]


def stop_where_broken(
    verdicts: Iterable[Verdict], endpoint: Endpoint, batching: Batching
) -> list[str]:
    """Return what to warn of before a run begins.

    Args:
        verdicts: Of `short_check`.
        endpoint: Which was checked.
        batching: The run's; with one text a request, nothing depends on batches.

    Raises:
        VectorsContradicted: Texts would get wrong vectors.
    """
    relied_on = (VECTORS, *OF_BATCHES) if batching.max_texts > 1 else (VECTORS,)
    warnings = []
    for name, verdict, detail, _ in verdicts:
        said = f"{endpoint.masked_url}: the check of '{name}'"
        if verdict == "broken" and name in relied_on:
            raise errors.VectorsContradicted(
                f"{said} failed: {detail}; nothing was embedded "
                "(`embed-pipeline check --deep` tells more)"
            )
        if verdict != "holds":
            warnings.append(
                f"{said} {'failed' if verdict == 'broken' else 'tells nothing'}: {detail}"
            )
    return warnings
