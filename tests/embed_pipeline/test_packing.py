"""Neighbors that are brought together."""

import pytest

from embed_pipeline.packing import packed

Sized = list[tuple[str, int, bool]]


@pytest.mark.parametrize(
    ("sized", "groups"),
    [
        ([], []),
        ([("a", 4, False), ("b", 6, False)], [["a", "b"]]),
        ([("a", 4, False), ("b", 7, False), ("c", 3, False)], [["a"], ["b", "c"]]),
        ([("a", 1, False), ("b", 1, True), ("c", 1, False)], [["a"], ["b"], ["c"]]),
        ([("a", 12, False), ("b", 1, False)], [["a"], ["b"]]),
    ],
)
def test_neighbors_share_a_group_of_ten_unless_they_stay_alone(
    sized: Sized, groups: list[list[str]]
) -> None:
    assert packed(sized, 10) == groups
