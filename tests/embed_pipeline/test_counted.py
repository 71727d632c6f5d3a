"""Numbers of things, in words."""

from embed_pipeline.counted import counted


def test_one_thing_is_no_plural() -> None:
    assert [counted(count, "row") for count in (0, 1, 1_200)] == ["0 rows", "1 row", "1,200 rows"]
