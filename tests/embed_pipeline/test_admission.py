"""The gate of a refresh: what is refused before the first text is sent, and what is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_pipeline import interrupt
from embed_pipeline.admission import Gate, Tally, admit
from embed_pipeline.corpus import Corpus
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import CANARY_TEXTS
from embed_pipeline.errors import EngineChanged, InterruptedJobError, RefusedError
from embed_pipeline.known import read_marks
from embed_pipeline.provenance import ACCEPTED
from embed_pipeline.schema import id_hash
from embed_pipeline.tokens import Tokens
from tests.support.marked import SPLIT, layout, part, piece
from tests.support.scripted import ScriptedEndpoint

NONE = np.empty((0, 2), np.uint64)


def hashes(*ids: str) -> Any:
    return np.frombuffer(b"".join(map(id_hash, ids)), "<u8").reshape(-1, 2)


def tally(*ids: str, **counts: int) -> Tally:
    values = {"todo": 0, "copies": 0, "forgotten": 0, "failed": 0, "given_up": 0}
    values |= {"kept_documents": 0, "documents": len(ids), **counts}
    return Tally(ids=b"".join(map(id_hash, ids)), kept=b"", **values)


def gate(endpoint: ScriptedEndpoint, origin: dict[str, Any] | None = None, **how: Any) -> Gate:
    values: dict[str, Any] = {
        "max_deleted_fraction": 0.5,
        "accept": False,
        "always": False,
        "digest": "",
        "tokens": Tokens(),
        **how,
    }
    return Gate(
        corpus=Corpus(files="f.jsonl"),
        files=[],
        endpoint=Endpoint(url=endpoint.url, model="all-minilm"),
        batching=Batching(),
        retry=Retry(attempts=1),
        origin=origin,
        **values,
    )


@pytest.fixture
def origin(endpoint: ScriptedEndpoint) -> dict[str, Any]:
    """Return what made the snapshot's vectors: the endpoint as it is."""
    found = admit(gate(endpoint), [tally("a", todo=1)], NONE)
    endpoint.exchanges.clear()
    endpoint.requests.clear()
    return found


def paths(endpoint: ScriptedEndpoint) -> list[str]:
    return [one.path for one in endpoint.exchanges]


def test_the_first_refresh_finds_out_what_makes_the_vectors(endpoint: ScriptedEndpoint) -> None:
    found = admit(gate(endpoint), [tally("a", todo=1)], NONE)
    assert (found["digest"], found["dimension"], found["context"]) == (endpoint.digest, 8, 256)
    assert set(CANARY_TEXTS) <= set(endpoint.texts)


def test_where_nothing_is_sent_only_the_digest_is_looked_at(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    assert admit(gate(endpoint, origin), [tally("a", kept_documents=1)], hashes("a")) == origin
    assert paths(endpoint) == ["/api/tags"]


def test_where_the_launcher_has_asked_nobody_is_asked_again(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    known = gate(endpoint, origin, digest=endpoint.digest)
    assert admit(known, [tally("a", copies=1)], hashes("a")) == origin
    assert paths(endpoint) == []


def test_a_model_of_another_digest_has_changed_though_nothing_is_sent(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    endpoint.digest = "d2" * 32
    with pytest.raises(EngineChanged, match=r"digest was .* is 'd2d2"):
        admit(gate(endpoint, origin), [tally("a")], NONE)


def test_the_engine_is_looked_at_where_that_is_asked_for(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    assert admit(gate(endpoint, origin, always=True), [tally("a")], NONE) == origin
    assert set(CANARY_TEXTS) <= set(endpoint.texts)


def test_the_same_engine_elsewhere_changes_nothing(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    before = {**origin, "endpoint": "http://elsewhere:1", "endpoint_version": "0.1"}
    assert admit(gate(endpoint, before), [tally("a", todo=1)], NONE) == before


@pytest.mark.parametrize("todo", [0, 1])
def test_another_prefix_of_queries_is_taken_note_of(
    endpoint: ScriptedEndpoint, origin: dict[str, Any], todo: int
) -> None:
    asked = gate(endpoint, origin, tokens=Tokens(query_prefix="query: "))
    found = admit(asked, [tally("a", todo=todo)], NONE)
    assert found == {**origin, "query_prefix": "query: "}


def test_an_engine_that_computes_otherwise_is_refused_with_the_texts_that_moved(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    endpoint.engine = "other"
    with pytest.raises(RefusedError) as caught:
        admit(gate(endpoint, origin), [tally("a", todo=1)], NONE)
    told = str(caught.value)
    assert type(caught.value) is RefusedError
    assert f"{len(CANARY_TEXTS)} of the canary's texts have moved" in told
    assert f" and {len(CANARY_TEXTS) - 8} more" in told
    assert "--reembed" in told
    assert "--accept-engine-change" in told


def test_an_engine_that_computes_otherwise_is_accepted_where_asked_and_recorded(
    endpoint: ScriptedEndpoint, origin: dict[str, Any]
) -> None:
    endpoint.engine = "other"
    found = admit(gate(endpoint, origin, accept=True), [tally("a", todo=1)], NONE)
    assert found["canary"] != origin["canary"]
    assert len(found[ACCEPTED]) == 1


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize(("name", "value"), [("context", 512), ("dimension", 4), ("digest", "x")])
def test_an_engine_of_other_figures_is_another_one_whatever_is_accepted(
    endpoint: ScriptedEndpoint, origin: dict[str, Any], name: str, value: Any, accept: bool
) -> None:
    before = {**origin, name: value}
    with pytest.raises(EngineChanged, match=f"the model's {name} was"):
        admit(gate(endpoint, before, accept=accept), [tally("a", todo=1)], NONE)


def test_a_stop_is_heeded_before_anything_is_judged(endpoint: ScriptedEndpoint) -> None:
    interrupt.request_stop(15)
    with pytest.raises(InterruptedJobError, match="before everything was compared"):
        admit(gate(endpoint), [tally("a", "a")], hashes("x", "y"))
    assert paths(endpoint) == []


def test_ids_that_stand_twice_are_refused_before_anybody_is_asked(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="1 ids stand more than once"):
        admit(gate(endpoint), [tally("a", "b"), tally("c", "a", todo=2)], NONE)
    assert paths(endpoint) == []


@pytest.mark.parametrize(
    ("known", "here", "fraction"),
    [
        ("abcd", "ab", 0.5),
        ("abcd", "", 1),
        ("abcd", "abcdxyz", 0),
        ("", "abc", 0),
        ("", "", 0),
    ],
)
def test_as_many_as_allowed_may_be_gone(
    endpoint: ScriptedEndpoint,
    origin: dict[str, Any],
    known: Sequence[str],
    here: Sequence[str],
    fraction: float,
) -> None:
    asked = gate(endpoint, origin, max_deleted_fraction=fraction, digest="known")
    admit(asked, [tally(*here)], hashes(*known))


@pytest.mark.parametrize(
    ("known", "here", "fraction"), [("abcd", "a", 0.5), ("abcd", "bcd", 0), ("ab", "", 0.9)]
)
def test_more_gone_than_allowed_is_refused_before_anybody_is_asked(
    endpoint: ScriptedEndpoint,
    known: Sequence[str],
    here: Sequence[str],
    fraction: float,
) -> None:
    asked = gate(endpoint, max_deleted_fraction=fraction)
    with pytest.raises(
        RefusedError, match=f"of the {len(known)} documents .* are not in the corpus"
    ):
        admit(asked, [tally(*here, todo=1)], hashes(*known))
    assert paths(endpoint) == []


def test_pieces_of_one_document_are_one_that_is_gone(
    endpoint: ScriptedEndpoint, origin: dict[str, Any], tmp_path: Path
) -> None:
    rows = [piece("a", "uvwxyz", n) for n in range(6)] + [piece("b", "p", 0)]
    known = read_marks(part(layout(tmp_path, SPLIT), *rows))[:, :2]
    admit(gate(endpoint, origin, digest="known"), [tally("b")], known)


def test_many_bundles_count_together(endpoint: ScriptedEndpoint, origin: dict[str, Any]) -> None:
    asked = gate(endpoint, origin, digest="known")
    admit(asked, [tally("a"), tally("b"), tally("c")], hashes("a", "b", "c"))
