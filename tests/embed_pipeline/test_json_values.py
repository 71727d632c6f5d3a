"""Values as JSON: objects by field names, nothing as its repr."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.coders import registry
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.timestamp import Timestamp

from embed_pipeline.json_values import as_json, readable_json


class Place(NamedTuple):
    city: str
    zip: int | None


class Strange:
    def __str__(self) -> str:
        return "strange"


PLACE = Place("Łódź", None)
WRITTEN = {"city": "Łódź", "zip": None}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (PLACE, WRITTEN),
        ([PLACE, {"at": PLACE}], [WRITTEN, {"at": WRITTEN}]),
        (beam.Row(x=1, inner=beam.Row(y=[beam.Row(z=2)])), {"x": 1, "inner": {"y": [{"z": 2}]}}),
        ({"a": 2**70, "b": PLACE, "c": 1}, {"a": str(2**70), "b": WRITTEN, "c": 1}),
        ((1, (2,)), [1, [2]]),
        ([np.float32(0.5), np.int64(3), np.bool_(True), np.array([1, 2])], [0.5, 3, True, [1, 2]]),
        (math.nan, None),
        (
            [date(2024, 1, 2), datetime(2024, 1, 2, 3, tzinfo=UTC), Timestamp(0)],
            ["2024-01-02", "2024-01-02T03:00:00+00:00", "1970-01-01T00:00:00Z"],
        ),
        ([Decimal("1.50"), timedelta(seconds=1), 2**64], ["1.50", "0:00:01", str(2**64)]),
        ({3: "a"}, {"3": "a"}),
    ],
)
def test_what_has_json_loses_nothing(value: Any, expected: Any) -> None:
    assert json.loads(as_json(value)) == expected
    assert readable_json(value) == as_json(value)


def test_a_row_that_was_shuffled_is_an_object_by_its_field_names() -> None:
    inner = RowTypeConstraint.from_fields([("x", int)])
    coder = registry.get_coder(RowTypeConstraint.from_fields([("id", str), ("inner", inner)]))
    row = coder.decode(coder.encode(beam.Row(id="a", inner=beam.Row(x=1))))
    assert as_json(row.inner) == '{"x":1}'
    assert as_json([row, 2**70]) == '[{"id":"a","inner":{"x":1}},"1180591620717411303424"]'


@pytest.mark.parametrize(
    ("value", "why", "shown"),
    [
        (b"abc", "a value of type bytes", "YWJj"),
        ({"a": [b"\xff"]}, "a value of type bytes", {"a": ["/w=="]}),
        ({"a": 1, b"b": 2}, "a value of type bytes", {"a": 1, "Yg==": 2}),
        ({"a": PLACE, "b": {1}}, "a value of type set", {"a": WRITTEN, "b": "{1}"}),
        ([Strange(), 2**70], "a value of type Strange", ["strange", str(2**70)]),
        (["a\ud800"], "a string with a lone surrogate", ["a\\ud800"]),
    ],
)
def test_what_has_none_is_refused_or_shown_to_people(value: Any, why: str, shown: Any) -> None:
    with pytest.raises(TypeError, match=f"{why} has no place in JSON"):
        as_json(value)
    assert json.loads(readable_json(value)) == shown
