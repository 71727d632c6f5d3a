"""A point of the map: small, and of simple values only."""

import numpy as np

from embed_pipeline.points import CUT, DRAWN, Point, head, is_cut, order, point, single, vectors
from embed_pipeline.records import Document
from tests.support.scripted import vector_of


def test_a_point_has_two_bytes_a_value_and_the_head_of_its_text() -> None:
    vector = vector_of("a text", 64)
    found = point(7, Document("id", "a text"), vector)
    assert (found.rank, found.text, found.attributes) == (7, "a text", {})
    assert len(found.vector) == 128
    (one,), (back,) = vectors([found], 64)
    assert one is found
    assert np.abs(back - vector).max() < 1e-3


def test_attributes_of_simple_types_are_kept_and_strings_cut() -> None:
    attributes = {
        "flag": True,
        "year": np.int64(2024),
        "share": 0.5,
        "title": "t" * 65,
        "short": "t" * 64,
        "none": None,
        "nan": float("nan"),
        "list": [1],
        "bytes": b"x",
    }
    assert point(1, Document("id", "x", attributes), vector_of("x")).attributes == {
        "flag": True,
        "year": 2024,
        "share": 0.5,
        "title": "t" * 55 + CUT + "e8fda0ee",
        "short": "t" * 64,
    }


def test_long_values_that_are_alike_at_first_stay_different() -> None:
    def kept(text: str) -> str:
        return str(point(1, Document("id", "x", {"a": text}), vector_of("x")).attributes["a"])

    one, two = kept("X" * 300 + "0"), kept("X" * 300 + "1")
    assert one != two
    assert len(one) == len(two) == 64
    assert is_cut(one)
    assert not is_cut("t" * 64)
    assert not is_cut("short" + CUT)


def test_the_head_of_a_text_is_one_line_of_80_characters() -> None:
    assert head("one\n two\t three ") == "one two three"
    assert head("x" * 80) == "x" * 80
    assert head("x" * 1_000_000) == "x" * 79 + CUT


def test_vectors_of_another_dimension_are_left_out() -> None:
    found = [point(n, Document("id", "x"), vector_of("x", 4 + 4 * n)) for n in range(2)]
    fitting, matrix = vectors(found, 8)
    assert fitting == found[1:]
    assert matrix.shape == (1, 8)


def test_no_points_are_a_matrix_of_no_rows() -> None:
    assert vectors([], 8)[1].shape == (0, 8)


def test_points_are_in_the_order_of_their_ranks() -> None:
    found = [point(rank, Document("id", "x"), vector_of("x")) for rank in (3, 1, 2)]
    assert [one.rank for one in sorted(found, key=order)] == [1, 2, 3]


def ranked(*ranks: int) -> list[Point]:
    return [Point(rank, b"", str(place), {}) for place, rank in enumerate(ranks)]


def test_points_of_one_rank_are_left_out() -> None:
    assert [one.rank for one in single(ranked(1, 2, 2, 3, 3, 3, 4))] == [1, 4]


def test_a_point_whose_twin_may_be_the_first_that_was_not_drawn_is_left_out() -> None:
    every = ranked(*range(DRAWN))
    assert single(every) == every[:-1]
    assert single(every[1:]) == every[1:]
