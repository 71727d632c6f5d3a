"""Keys: known values, and no two tuples with the same one."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.keys import key

PARTS = st.lists(st.text(st.characters(codec=None), max_size=5), max_size=4)


def test_the_key_of_nothing_is_the_sha256_of_nothing() -> None:
    assert key() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_each_part_is_preceded_by_its_length_in_bytes() -> None:
    expected = hashlib.sha256(b"\0" * 8 + b"\0\0\0\0\0\0\0\x03a\xc3\xa9").hexdigest()
    assert key("", "aé") == expected


def test_a_lone_surrogate_has_a_key_of_its_own() -> None:
    assert len({key("\ud800"), key("\ud801"), key("?"), key("\\ud800")}) == 4


@given(PARTS, PARTS)
def test_two_tuples_have_the_same_key_only_if_they_are_equal(a: list[str], b: list[str]) -> None:
    assert (key(*a) == key(*b)) == (a == b)
