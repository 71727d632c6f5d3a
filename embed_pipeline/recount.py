"""A sample of rows whose texts are sent again, alone: are count and vector the endpoint's?

In a request of several texts errors of single counts can cancel, and vectors can be mixed up. A
text that is sent alone has a count and a vector of its own.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors, interrupt, ranks
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.pool import Pool
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.records import TokenCountSource
from embed_pipeline.staging import Run

LEAST_COSINE = 0.999  # of a row's vector and that of its text alone: batches change digits only
LEAST_SHARE = 0.9  # of verified counts that a sample confirms, if the tokenizer is the model's
ATTEMPTS = 2  # where the server is to blame, else one: rows are there, whatever comes of this


class Sampled(NamedTuple):
    """Hold a row of the sample.

    Attributes:
        rank: The hash of the row's id (CRC-32): rows with the lowest ranks are drawn, so
            that the sample is random but the same in every run.
        text: As it was sent.
        token_count, token_count_source, vector: As the row carries them.
    """

    rank: int
    text: str
    token_count: int
    token_count_source: TokenCountSource
    vector: NDArray[np.float32]


def lowest(samples: Iterable[Iterable[Sampled]], count: int) -> list[Sampled]:
    """Merge samples into one: the `count` rows with the lowest ranks."""
    return ranks.lowest((one for sample in samples for one in sample), count, order)


def order(one: Sampled) -> tuple[int, str, int, str]:
    """Return what rows are ordered by: all but the vector, which has no order."""
    return one[:4]


class Sample(NamedTuple):
    """Hold what one bundle has drawn of how many, and the digest of the model of its vectors."""

    digest: str
    rows: list[Sampled]
    of: int = 0


Recount = dict[str, dict[str, int]]


def recount(
    sampled: Sequence[Sampled], endpoint: Endpoint, retry: Retry, run: Run | None = None
) -> Recount:
    """Send each text alone; tell for each token_count_source how many were asked and agreed.

    A text that gets no answer now, or no count, is not counted as asked; nor is one that went alone
    before, as its count is the endpoint's. Of several addresses, one that fails is left out.

    Args:
        sampled: The texts, with what their rows carry.
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        run: The run, where somebody watches it.

    Returns:
        Such as {"verified": {"asked": 100, "agreed": 100}}; empty where nothing was asked.

    Raises:
        VectorsContradicted: A row's vector is not the one its text has alone.
        InterruptedJobError: The launcher has given the run up.
    """
    found: Recount = {}
    hurried = retry.model_copy(update={"attempts": min(retry.attempts, ATTEMPTS)})
    bad = well = ""  # the address that failed last, and the one that answered last
    at = ""  # any; once one has failed, the one that answers
    with Pool(endpoint, hurried) as client:
        for one in _telling(sampled, run) if run else sampled:
            if interrupt.stop_requested():
                break
            try:
                tries = client.embed([one.text], 1, at=at)
            except (errors.RequestTimedOut, errors.ConnectionFailed, errors.ConnectionLost):
                break  # the rows are there; an endpoint in trouble is not waited for each time
            except errors.EndpointError as error:
                bad = error.address
                at = "" if bad == well else well
                continue
            well = tries.address
            if bad or tries.faults:
                at = well
            _check(one, tries.answer.vectors[0])
            count = tries.answer.token_count
            if count is not None and one.token_count_source in ("verified", "estimated"):
                tally = found.setdefault(one.token_count_source, {"asked": 0, "agreed": 0})
                tally["asked"] += 1
                tally["agreed"] += count == one.token_count
    return dict(sorted(found.items()))


def _telling(sampled: Sequence[Sampled], run: Run) -> Iterator[Sampled]:
    """Give one row after the other; tell those who watch the run how many were given."""
    if not sampled:
        return
    told = ProgressFile(run, "recount")
    told.write(Progress(checks=len(sampled)))
    for number, one in enumerate(sampled):
        if time.monotonic() >= told.due:
            told.write(Progress(checked=number, checks=len(sampled)))
        yield one


def _check(one: Sampled, alone: NDArray[np.float32]) -> None:
    """Hold a row's vector against the one its text has alone."""
    if one.vector.shape == alone.shape and float(one.vector @ alone) >= LEAST_COSINE:
        return
    raise errors.VectorsContradicted(
        "a row's text, sent again alone, got another vector than the row has: the endpoint mixes "
        "up the texts of a request, or computes otherwise than when it was asked first; nothing of "
        "this run is to be used; try `embed-pipeline check --deep`, see the server's log, and run "
        "again",
        200,
    )


def contradicted(found: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return what to say where the sample contradicts counts that were called verified, or None."""
    verified = found.get("verified", {"asked": 0, "agreed": 0})
    asked, agreed = verified["asked"], verified["agreed"]
    if agreed >= LEAST_SHARE * asked:
        return None
    return (
        f"only {agreed} of {asked} verified token counts were confirmed when their texts were sent "
        "again alone, so token_count and truncated cannot be trusted; set tokens.tokenizer to the "
        "tokenizer.json that was published with the model, and embed again"
    )
