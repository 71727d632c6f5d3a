"""The audit along the run: which texts with one vector are noticed, and how much is remembered."""

import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from embed_pipeline import audit as module
from embed_pipeline.audit import ONE_IN, RECENT, Audit, Suspect, marks_of

MARK = 1_065_353_216  # of a vector that begins with 1 and 0, as float32


def rows(*angles: float) -> NDArray[np.float32]:
    """Return vectors of unit length at these angles, in degrees, with two more values."""
    radians = np.radians(angles)
    flat = np.zeros_like(radians)
    return np.stack([np.cos(radians), np.sin(radians), flat, flat], axis=1).astype(np.float32)


def taken(audit: Audit, texts: list[str], vectors: NDArray[np.float32]) -> list[Suspect]:
    """Let an audit look at texts and remember them; return those that are suspect."""
    marks = marks_of(vectors)
    found = audit.suspects(texts, marks)
    audit.remember(texts, marks)
    return found


def others(audit: Audit, number: int) -> None:
    """Let an audit take in so many other texts, with vectors of their own."""
    for place in range(number):
        taken(audit, [f"other {place}"], rows(10 + 0.01 * place))


def test_texts_with_vectors_of_their_own_are_not_suspect() -> None:
    audit = Audit()
    assert taken(audit, ["a", "b"], rows(0, 1)) == []
    assert taken(audit, ["c", "d"], rows(2, 3)) == []


def test_two_texts_of_a_request_with_one_vector_are_suspect() -> None:
    assert taken(Audit(), ["a", "b", "c"], rows(0, 1, 0)) == [Suspect("c", "a", False, MARK)]


def test_a_text_of_a_request_and_one_of_an_earlier_request_are_suspect() -> None:
    audit = Audit()
    taken(audit, ["a", "b"], rows(0, 1))
    assert taken(audit, ["c", "d"], rows(2, 0)) == [Suspect("d", "a", True, MARK)]


def test_each_of_several_texts_with_one_vector_is_held_against_the_first() -> None:
    found = taken(Audit(), ["a", "b", "c"], rows(0, 0, 0))
    assert found == [Suspect("b", "a", False, MARK), Suspect("c", "a", False, MARK)]


def test_one_text_again_is_not_suspect() -> None:
    audit = Audit()
    assert taken(audit, ["a", "b", "a"], rows(0, 1, 0)) == []
    assert taken(audit, ["a"], rows(0)) == []


def test_vectors_that_are_nearly_the_same_are_not_suspect() -> None:
    vectors = rows(0, 0)
    vectors[1, 1] = 1e-4
    assert taken(Audit(), ["a", "b"], vectors) == []


def test_vectors_of_one_value_are_not_looked_at() -> None:
    assert taken(Audit(), ["a", "b"], np.ones((2, 1), np.float32)) == []


def test_a_vector_that_is_shared_rightly_is_not_suspect_again() -> None:
    audit = Audit()
    taken(audit, ["a", "b"], rows(0, 0))
    audit.rightly_shared(MARK)
    assert taken(audit, ["c"], rows(0)) == []


def test_no_more_pairs_are_asked_for_than_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 2)
    audit = Audit()
    assert [audit.may_ask() for _ in range(4)] == [True, True, False, False]


def test_what_was_only_looked_at_is_not_remembered() -> None:
    audit = Audit()
    assert audit.suspects(["a"], [MARK]) == []
    assert audit.suspects(["b"], [MARK]) == []


def test_vectors_have_one_mark_where_their_first_values_are_the_same() -> None:
    assert marks_of(rows(0, 1, 0)) == [MARK, *marks_of(rows(1)), MARK]


@pytest.mark.parametrize(("value", "is_of"), [(1.0, True), (0.999995, True), (0.99998, False)])
def test_a_vector_computed_anew_is_known_again_within_a_tolerance(
    value: float, is_of: bool
) -> None:
    vector = np.array([value, 0.0, 0.5], np.float32)
    assert Suspect("a", "b", True, MARK).is_of(vector) is is_of


# What is remembered


def remembered(audit: Audit, angle: float) -> bool:
    """Tell whether an audit remembers a vector."""
    return audit.suspects(["another text"], marks_of(rows(angle))) != []


def test_the_latest_are_remembered_one_and_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ONE_IN", 2**64)
    for place in range(RECENT):
        audit = Audit()
        others(audit, place)
        taken(audit, ["a"], rows(0))
        others(audit, RECENT - place % 7)
        assert remembered(audit, 0), place


def test_of_older_ones_only_a_sample_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ONE_IN", 2**64)
    audit = Audit()
    taken(audit, ["a"], rows(0))
    others(audit, 2 * RECENT)
    assert not remembered(audit, 0)


def test_whether_a_vector_is_in_the_sample_depends_on_its_values_only() -> None:
    audit = Audit()
    angles = np.linspace(0, 9, 5_000).tolist()
    for place, angle in enumerate(angles):
        taken(audit, [f"text {place}"], rows(angle))
    others(audit, 2 * RECENT)
    found = [remembered(audit, angle) for angle in angles[:500]]
    assert found == [not mark % ONE_IN for mark in marks_of(rows(*angles[:500]))]
    assert 1 <= sum(found) <= 30


class Text(str):
    """Be a text that can be watched."""

    __slots__ = ("__weakref__",)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 8)
    monkeypatch.setattr(module, "KEPT_CHARS", 200)
    monkeypatch.setattr(module, "ONE_IN", 1)
    audit, most = Audit(), 0
    held: weakref.WeakSet[Text] = weakref.WeakSet()
    for number in range(500):
        text = Text(f"text {number:05}")
        held.add(text)
        taken(audit, [text], rows(0.01 * number))
        most = max(most, len(held))
    assert most <= 8 + 8 + 200 // 10
    assert remembered(audit, 0.01 * 480)
    assert not remembered(audit, 0.01 * 470)


def test_a_text_larger_than_all_that_is_remembered_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT_CHARS", 10)
    monkeypatch.setattr(module, "ONE_IN", 1)
    audit = Audit()
    taken(audit, ["a" * 11], rows(0))
    others(audit, 2 * RECENT)
    assert not remembered(audit, 0)
