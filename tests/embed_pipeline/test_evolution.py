"""The schema of a store from one night to the next."""

from typing import Any

import pytest

from embed_pipeline.attributes import AttributeType, AttributeTypes
from embed_pipeline.corpus import Corpus
from embed_pipeline.errors import RefusedError
from embed_pipeline.evolution import evolved
from embed_pipeline.scan import Scan


def after(
    known: AttributeTypes,
    found: AttributeTypes,
    *,
    exact: bool = True,
    nulls: tuple[str, ...] = (),
    **corpus: Any,
) -> tuple[list[tuple[str, AttributeType]], tuple[str, ...]]:
    settings = Corpus.model_validate({"files": "f.jsonl", **corpus})
    types, notes = evolved(known, Scan(found, 3, exact, frozenset(nulls)), settings)
    return list(types.items()), notes


def test_what_has_not_changed_keeps_its_place_and_is_not_told_of() -> None:
    assert after({"b": "int64", "a": "string"}, {"a": "string", "b": "int64"}) == (
        [("b", "int64"), ("a", "string")],
        (),
    )


def test_a_new_attribute_comes_last() -> None:
    assert after({"b": "int64"}, {"a": "bool", "b": "int64"}) == (
        [("b", "int64"), ("a", "bool")],
        ("the attribute 'a' (bool) is new",),
    )


def test_an_attribute_that_no_row_has_is_dropped() -> None:
    assert after({"a": "int64", "b": "int64"}, {"b": "int64"}) == (
        [("b", "int64")],
        ("the attribute 'a' is gone",),
    )


def test_an_attribute_that_the_sample_may_have_missed_stays() -> None:
    assert after({"a": "int64"}, {}, exact=False) == ([("a", "int64")], ())


@pytest.mark.parametrize("attributes", [["-a"], ["b"], {"b": "int64"}, []])
def test_an_attribute_that_is_not_asked_for_any_more_is_dropped(attributes: Any) -> None:
    types, notes = after(
        {"a": "int64", "b": "int64"}, {"b": "int64"}, exact=False, attributes=attributes
    )
    assert types[-1:] == [("b", "int64")]
    assert "the attribute 'a' is gone" in notes


@pytest.mark.parametrize("corpus", [{"id": "a"}, {"text": "a"}])
def test_an_attribute_that_has_become_id_or_text_is_dropped(corpus: dict[str, Any]) -> None:
    assert after({"a": "string"}, {}, exact=False, **corpus)[0] == []


def test_integers_that_become_floats_are_widened() -> None:
    assert after({"a": "int64"}, {"a": "double"}) == (
        [("a", "double")],
        ("the attribute 'a' was int64, is double",),
    )


def test_floats_stay_floats_where_there_are_only_integers() -> None:
    assert after({"a": "double"}, {"a": "int64"}) == ([("a", "double")], ())


def test_strings_have_room_for_everything() -> None:
    assert after({"a": "string"}, {"a": "bool"}) == ([("a", "string")], ())


@pytest.mark.parametrize("exact", [True, False])
def test_an_attribute_that_is_always_null_keeps_its_type(exact: bool) -> None:
    found = after({"a": "int64"}, {"a": "string"}, exact=exact, nulls=("a",))
    assert found == ([("a", "int64")], ())


@pytest.mark.parametrize(
    ("before", "now"),
    [("int64", "string"), ("double", "string"), ("bool", "int64"), ("int64", "bool")],
)
def test_a_contradiction_is_refused_and_names_both_types(
    before: AttributeType, now: AttributeType
) -> None:
    with pytest.raises(RefusedError, match=rf"'a' is {before} .*, but {now} in the corpus"):
        after({"a": before}, {"a": now})
