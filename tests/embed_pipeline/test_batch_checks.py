"""What is said of the vectors that came for the same texts, together and alone."""

import numpy as np
import pytest

from embed_pipeline.batch_checks import (
    FEW_TEXTS,
    TEXTS,
    Answers,
    Vectors,
    batch_against_single,
    determinism,
    each_alone,
    order,
    vectors,
)
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from tests.support.scripted import ScriptedEndpoint, vector_of

GOOD: Vectors = np.stack([vector_of(text) for text in TEXTS])


def slightly_off(found: Vectors, angle: float) -> Vectors:
    """Return unit vectors, each turned by an angle, in radians."""
    away = np.stack([vector_of(text + "!") for text in TEXTS[: len(found)]])
    away -= np.einsum("ij,ij->i", away, found)[:, None] * found
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    off: Vectors = (np.cos(angle) * found + np.sin(angle) * away).astype(np.float32)
    return off


def test_every_text_in_its_place_is_order() -> None:
    found = order(Answers(GOOD, GOOD))
    assert found[:3] == ("order", "holds", "18 texts of one request got their own vectors")


@pytest.mark.parametrize(
    ("places", "text"), [([1, 0, 2], 1), ([2, 1, 0], 1), ([0, 2, 1], 2), ([1, 2, 0], 1)]
)
def test_two_of_three_texts_tell_every_wrong_order(places: list[int], text: int) -> None:
    few = GOOD[:3]
    found = order(Answers(few[places], few[:2]))
    assert found.verdict == "broken"
    assert found.detail.startswith(f"in a request of 3, text {text} got the vector of another")
    assert "batching.max_texts: 1" in found.detail


def test_a_wrong_order_is_not_held_against_the_vectors() -> None:
    assert batch_against_single(Answers(GOOD[::-1], GOOD)).verdict == "holds"


def test_one_vector_for_all_texts_is_no_order() -> None:
    found = order(Answers(GOOD[[0, 1, 2, 1]], GOOD))
    assert found.verdict == "broken"
    assert found.detail.startswith("texts 2 and 4 of 4 share a vector, but differ; ")


def test_of_vectors_that_a_batch_spoils_the_order_is_not_known() -> None:
    answers = Answers(slightly_off(GOOD, 0.1), GOOD)
    assert order(answers).verdict == "not known"
    spoiled = batch_against_single(answers)
    assert spoiled.verdict == "broken"
    assert spoiled.detail.startswith("cosine 0.995004 at least, values ")


def test_rounding_breaks_no_promise() -> None:
    answers = Answers(slightly_off(GOOD, 0.01), GOOD)
    assert order(answers).verdict == "holds"
    found = batch_against_single(answers)
    assert found.verdict == "holds"
    assert found.detail.startswith("cosine 0.999950 at least, values ")
    assert found.detail.endswith("apart at most (cosine 0.999 is enough)")


@pytest.mark.parametrize(
    ("step", "verdict", "said"),
    [
        (0.0, "holds", "bit by bit"),
        (5e-7, "holds", "values lie 5e-07 apart (1e-06 is allowed)"),
        (1e-4, "broken", "values lie 1e-04 apart (1e-06 is allowed); runs cannot be compared"),
    ],
)
def test_the_same_request_brings_the_same_vectors(step: float, verdict: str, said: str) -> None:
    flat = np.zeros((1, 4), np.float32)
    found = determinism(flat, flat + np.float32(step))
    assert found.verdict == verdict
    assert said in found.detail


@pytest.mark.parametrize(("factor", "verdict"), [(1.0005, "holds"), (1.002, "broken")])
def test_norms_are_one_within_a_thousandth(factor: float, verdict: str) -> None:
    assert vectors(GOOD * np.float32(factor)).verdict == verdict


def test_texts_are_sent_alone(endpoint: ScriptedEndpoint) -> None:
    with Client(Endpoint(url=endpoint.url, model="all-minilm")) as client:
        found = each_alone(client, ["a cat", "nine"])
    assert [request["input"] for request in endpoint.requests] == [["a cat"], ["nine"]]
    assert found.tolist() == [vector_of("a cat").tolist(), vector_of("nine").tolist()]


def test_the_texts_stand_in_no_order_an_endpoint_may_sort_them_by() -> None:
    for texts in (TEXTS, FEW_TEXTS):
        for key in (str, len):
            ascending = sorted(texts, key=key)
            assert list(texts) not in (ascending, ascending[::-1])
