"""The gate of a refresh: before the first text is sent, everything that can be wrong is looked at.

It comes after all documents were compared, so that ids, losses and the work to do are known.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import interrupt, made_with, reusable
from embed_pipeline.client import Client
from embed_pipeline.corpus import Corpus
from embed_pipeline.deep_check import short_check, stop_where_broken
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import inspect
from embed_pipeline.errors import EngineChanged, InterruptedJobError, RefusedError
from embed_pipeline.files import FileInfo
from embed_pipeline.identity import find_digest
from embed_pipeline.provenance import ACCEPTED, provenance
from embed_pipeline.stable_ids import check_unique
from embed_pipeline.tokens import Tokens

SHOWN = 8


class Tally(NamedTuple):
    """Count what one bundle has compared.

    Attributes:
        documents, todo, copies, forgotten: How many there were.
        failed: Failures found without sending anything.
        given_up: Documents that are nothing but such a failure.
        kept_documents: Documents whose rows stay.
        ids: The hashes of all ids, 16 bytes each.
        kept: Places of the rows that stay, 8 bytes each.
    """

    documents: int
    todo: int
    copies: int
    forgotten: int
    failed: int
    given_up: int
    kept_documents: int
    ids: bytes
    kept: bytes


COUNTED = Tally._fields[:-2]


class Gate(NamedTuple):
    """Say what is asked before the first text is sent.

    Attributes:
        corpus: Settings and files of the corpus.
        files: Its files.
        endpoint, batching, retry, tokens: The job's.
        origin: The provenance of the vectors that are reused; None where there are none.
        max_deleted_fraction: Share of the current snapshot's documents that may be gone.
        accept: Whether an engine that computes otherwise is accepted.
        always: Whether the engine is looked at even where there is nothing to send.
        digest: The model's digest, where the launcher has asked for it; else "".
        optional: Whether the vectors that are reused can be done without: they are of refreshes
            that stopped, not of a snapshot.
    """

    corpus: Corpus
    files: Sequence[FileInfo]
    endpoint: Endpoint
    batching: Batching
    retry: Retry
    tokens: Tokens
    origin: Mapping[str, Any] | None
    max_deleted_fraction: float
    accept: bool
    always: bool
    digest: str
    optional: bool = False


def admit(gate: Gate, tallies: Sequence[Tally], known_ids: NDArray[np.uint64]) -> dict[str, Any]:
    """Return the provenance of the new snapshot's vectors, once nothing speaks against it.

    The endpoint is asked only where there is something to send.

    Args:
        gate: What is asked.
        tallies: What was compared.
        known_ids: The hashes of the ids of the current snapshot's documents, shape (n, 2).

    Raises:
        InterruptedJobError: A stop was asked for, so that not all may have been compared.
        RefusedError: Ids stand twice, too many documents are gone, or the engine computes
            otherwise than when the snapshot was made.
        EngineChanged: The engine is another one than the settings and the model's digest have
            told; nothing can be reused.
    """
    if interrupt.stop_requested():
        raise InterruptedJobError("stopped before everything was compared; nothing is published")
    ids = np.frombuffer(b"".join(one.ids for one in tallies), "<u8").reshape(-1, 2)
    check_unique(ids, gate.corpus, gate.files)
    _check_losses(gate, ids, known_ids)
    todo = sum(one.todo for one in tallies)
    if gate.origin is not None and not todo and not gate.always:
        if not gate.digest:
            _check_digest(gate.endpoint.each[0], gate.origin)
        return _still(gate, gate.origin)
    for one in gate.endpoint.each:
        with Client(one, Retry(attempts=3)) as client:
            verdicts = short_check(client)
        stop_where_broken(verdicts, one, gate.batching)
    engine = inspect(gate.endpoint, gate.retry, gate.tokens)
    found = provenance(gate.endpoint, engine, gate.tokens)
    return found if gate.origin is None else _agreed(gate, gate.origin, found)


def _check_digest(endpoint: Endpoint, origin: Mapping[str, Any]) -> None:
    """Look, without loading it, whether the model is the snapshot's."""
    with Client(endpoint, Retry(attempts=3)) as client:
        digest = find_digest(client, endpoint)
    if digest != origin["digest"]:
        raise EngineChanged(f"the model's digest was {origin['digest']!r}, is {digest!r}")


def _agreed(gate: Gate, origin: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of vectors that stand beside those of the snapshot."""
    different = reusable.found_differences(origin, found)
    if different:
        raise EngineChanged("; ".join(different))
    moved = made_with.moved(origin, found)
    if not moved:
        return _still(gate, origin)
    if gate.accept:
        accepted = (
            f"{_computes_otherwise(origin, found)}: {len(moved)} of the canary's texts have moved, "
            f"the farthest to a cosine of {moved[0][1]:.4f}; accepted"
        )
        return {**found, ACCEPTED: [*origin.get(ACCEPTED, ()), accepted]}
    if gate.optional:
        raise EngineChanged(_computes_otherwise(origin, found))
    told = ", ".join(f"{text!r} ({cosine:.4f})" for text, cosine in moved[:SHOWN])
    more = f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
    raise RefusedError(
        f"{_computes_otherwise(origin, found)}: "
        f"{len(moved)} of the canary's texts have moved (cosine below {made_with.LEAST_COSINE}): "
        f"{told}{more}. Go back to the old server, or embed everything anew (--reembed), or mix "
        "both on purpose (--accept-engine-change, which is recorded)"
    )


def _still(gate: Gate, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return an origin with what may change without another vector: the prefix of queries."""
    asked = gate.tokens.query_prefix
    same = origin.get("query_prefix", "") == asked
    return dict(origin) if same else {**origin, "query_prefix": asked}


def _computes_otherwise(origin: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    return (
        f"{found['endpoint']} {found['endpoint_version']} computes otherwise than "
        f"{origin['endpoint']} {origin['endpoint_version']} did for the vectors that are there"
    )


def _check_losses(gate: Gate, ids: NDArray[np.uint64], known_ids: NDArray[np.uint64]) -> None:
    """Refuse a corpus that has lost more of the snapshot's documents than is believed."""
    known = np.unique(known_ids[:, 0])
    gone = len(known) - int(np.isin(known, ids[:, 0]).sum())
    if gone > gate.max_deleted_fraction * len(known):
        raise RefusedError(
            f"{gone:,} of the {len(known):,} documents of the current snapshot are not in the "
            f"corpus any more, and would be deleted: more than store.max_deleted_fraction "
            f"({gate.max_deleted_fraction}) allows. See whether the corpus is whole; if it is, "
            "run once with --set job.store.max_deleted_fraction=1"
        )
