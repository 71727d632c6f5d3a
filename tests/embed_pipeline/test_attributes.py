"""The schema of attributes: what fits, what is converted, what is refused."""

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.attributes import (
    AttributeType,
    AttributeTypes,
    check_names,
    conform,
    from_strings,
    merge,
    row_json,
    type_of,
)
from embed_pipeline.errors import BadAttribute, ConfigError

ALL: AttributeTypes = {"n": "int64", "x": "double", "b": "bool", "s": "string"}


class Place(NamedTuple):
    city: str
    zip: int


def test_fitting_values_pass_in_the_order_of_the_schema() -> None:
    values = {"s": "é", "b": False, "x": 0.5, "n": -(2**63)}
    found = conform(values, ALL)
    assert found == values
    assert list(found) == ["n", "x", "b", "s"]


def test_missing_and_null_values_are_none() -> None:
    assert conform({"n": None}, ALL) == {"n": None, "x": None, "b": None, "s": None}


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (3, "double", 3.0),
        (3.0, "int64", 3),
        (2**64, "string", "18446744073709551616"),
        (True, "string", "true"),
        (0.1, "string", "0.1"),
        ([1, {"a": "é"}], "string", '[1,{"a":"é"}]'),
        ({"day": date(2024, 1, 2)}, "string", '{"day":"2024-01-02"}'),
        ([Decimal("1.50")], "string", '["1.50"]'),
        ([Place("x", 1)], "string", '[{"city":"x","zip":1}]'),
        ([2**64], "string", '["18446744073709551616"]'),
        (np.float32(0.5), "double", 0.5),
        (np.int64(3), "double", 3.0),
        (np.float32(3), "int64", 3),
        (np.int64(3), "int64", 3),
        (np.bool_(True), "bool", True),
        (np.int64(3), "string", "3"),
    ],
)
def test_what_fits_without_loss_is_converted(
    value: Any, wanted: AttributeType, expected: Any
) -> None:
    (found,) = conform({"a": value}, {"a": wanted}).values()
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "shown"),
    [
        ("7", "int64", "a value of type string"),
        (7.5, "int64", "a value of type double"),
        (float("nan"), "int64", "a value of type double"),
        (True, "int64", "a value of type bool"),
        (2**63, "int64", "an integer too large to be kept exactly"),
        (2**53 + 1, "double", "an integer too large to be kept exactly"),
        (True, "double", "a value of type bool"),
        ("x", "double", "a value of type string"),
        (1, "bool", "a value of type int64"),
        ("true", "bool", "a value of type string"),
        ([1], "int64", "a nested value"),
        (np.float32(0.5), "int64", "a value of type double"),
        (b"x", "string", "bytes"),
        ({"a": b"x"}, "string", "a nested value"),
    ],
)
def test_what_does_not_fit_names_attribute_types_and_cure(
    value: Any, wanted: AttributeType, shown: str
) -> None:
    with pytest.raises(BadAttribute) as caught:
        conform({"size": value}, {"size": wanted})
    message = str(caught.value)
    assert f"attribute 'size' holds {shown}, but is" in message
    assert wanted in message
    assert "corpus.attributes" in message


@pytest.mark.parametrize("value", ["a\ud800", ["a\ud800"]])
def test_a_lone_surrogate_is_refused(value: Any) -> None:
    with pytest.raises(BadAttribute, match="'s'"):
        conform({"s": value}, ALL)


def test_an_attribute_that_is_not_in_the_schema_is_refused_with_the_cure() -> None:
    with pytest.raises(BadAttribute, match=r"'late' of type int64 .*\(late: int64\).*\(-late\)"):
        conform({"late": 1}, ALL)


def test_an_unknown_attribute_without_a_value_is_no_loss() -> None:
    assert conform({"late": None}, {"n": "int64"}) == {"n": None}


@given(
    st.fixed_dictionaries(
        {
            "n": st.integers(-(2**63), 2**63 - 1) | st.none(),
            "x": st.floats(allow_nan=False) | st.none(),
            "b": st.booleans() | st.none(),
            "s": st.text(st.characters(exclude_categories=["Cs"])) | st.none(),
        }
    )
)
def test_values_of_the_schema_s_own_types_never_change(values: dict[str, Any]) -> None:
    assert conform(values, ALL) == values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, "bool"), (1, "int64"), (2**63, "string"), (1.0, "double"),
        ("a", "string"), ([], "string"), ({}, "string"),
        (np.int64(1), "int64"), (np.float32(1), "double"), (np.bool_(True), "bool"),
    ],
)  # fmt: skip
def test_the_type_a_value_asks_for(value: Any, expected: str | None) -> None:
    assert type_of(value) == expected


def test_only_numbers_merge_otherwise_the_first_type_wins() -> None:
    assert merge("int64", "double") == merge("double", "int64") == "double"
    assert merge("int64", "string") == "int64"
    assert merge("string", "double") == "string"


def test_strings_are_converted_where_a_type_is_declared() -> None:
    values: dict[str, Any] = {"n": "-7", "x": "1e3", "b": "TRUE", "s": ""}
    from_strings(values, ALL)
    assert values == {"n": -7, "x": 1000.0, "b": True, "s": ""}


def test_empty_strings_are_null_and_unfit_ones_are_left() -> None:
    values: dict[str, Any] = {"n": "", "x": "1_000", "b": "yes"}
    from_strings(values, ALL)
    assert values == {"n": None, "x": "1_000", "b": "yes"}


def test_a_clash_with_a_column_of_the_dataset_names_both_cures() -> None:
    with pytest.raises(ConfigError, match=r"model, vector.*output\.columns.*\[-model, -vector\]"):
        check_names({"vector": "string", "title": "string", "model": "string"}, ["model", "vector"])
    check_names({"title": "string"}, ["id", "text"])


def test_attributes_nobody_declared_are_one_object_and_what_has_no_json_is_named() -> None:
    found = row_json({"place": Place("x", 1), "big": 2**70, "n": np.int64(2)})
    assert found == '{"place":{"city":"x","zip":1},"big":"1180591620717411303424","n":2}'
    assert row_json({}) is None
    with pytest.raises(BadAttribute, match=r"attribute 'raw' .* type bytes .* out \(-raw\)"):
        row_json({"n": 1, "raw": [b"x"]})
