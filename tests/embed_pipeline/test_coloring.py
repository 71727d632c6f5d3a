"""What the map is colored by: the attribute that tells most rows apart in few colors."""

from typing import Any

import pytest

from embed_pipeline.coloring import NULL, OTHER, check_color, colored
from embed_pipeline.errors import ConfigError
from embed_pipeline.points import CUT


def points(**columns: list[Any]) -> list[dict[str, Any]]:
    """Return the attributes of points; None is no value."""
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]


def test_the_attribute_with_the_fewest_nulls_of_those_of_few_values_is_taken() -> None:
    found = colored(
        points(
            a=["x", "x", "y", "y", None, None],
            b=["de", "en", "en", None, "de", "en"],
            same=["z"] * 6,
            number=[1, 2, 3, 4, 5, 6],
        ),
        None,
    )
    assert found == ("b", ["en", "de"], [1, 0, 0, NULL, 1, 0])


def test_the_first_by_name_is_taken_among_equals() -> None:
    assert colored(points(b=[1, 1, 2, 2], a=[1, 2, 2, 1]), None).by == "a"


@pytest.mark.parametrize(
    "column",
    [
        [1] * 20,  # one value
        [*range(9), *range(9)],  # too many
        [1, 2, 3],  # no value twice, as of a title
        ["x" * 55 + CUT + "0123abcd", "y"] * 10,  # a text that was cut
        [None] * 20,
    ],
)
def test_an_attribute_that_tells_nothing_is_not_taken(column: list[Any]) -> None:
    assert colored(points(it=column), None) == (None, [], [NULL] * len(column))


def test_where_a_piece_was_cut_out_is_no_color() -> None:
    assert colored(points(chunk_index=[0, 1] * 9), None).by is None


def test_no_points_have_no_color() -> None:
    assert colored([], None) == (None, [], [])
    assert colored([], "lang") == ("lang", [], [])


def test_the_seven_most_frequent_values_of_many_and_the_others_together() -> None:
    column = [value for value in range(10) for _ in range(10 - value)]
    found = colored(points(year=column), "year")
    assert found.categories == ["0", "1", "2", "3", "4", "5", "6", OTHER]
    assert found.category[-1] == 7
    assert found.category.count(7) == 3 + 2 + 1


def test_values_are_told_in_words() -> None:
    found = colored(points(flag=[True, False, True], share=[0.5, 2.0, 2.0]), "flag")
    assert found.categories == ["true", "false"]
    assert colored(points(share=[0.5, 2.0, 2.0]), "share").categories == ["2", "0.5"]


def test_an_attribute_that_is_asked_for_is_taken_whatever_it_is() -> None:
    assert colored(points(a=[1, 1, 2, 2], b=["x", None, None, None]), "b") == (
        "b",
        ["x"],
        [0, NULL, NULL, NULL],
    )


def test_an_attribute_that_there_is_not_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"report_color: .* 'langauge'; did you mean 'language'"):
        check_color("langauge", {"language": "string", "year": "int64"})
    with pytest.raises(ConfigError, match="the corpus has no attributes"):
        check_color("language", {})


def test_any_attribute_or_none_may_be_asked_for() -> None:
    check_color("year", {"year": "int64"})
    check_color(None, {})
