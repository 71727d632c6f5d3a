"""Cutting bytes into lines, whatever the blocks and ranges."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline import lines
from embed_pipeline.errors import UnreadableLine

TEXTS = st.lists(st.sampled_from([b"", b"a", b"\r", b"bc", b"x" * 50, b"\xff"]), max_size=30).map(
    b"\n".join
)


def expected(data: bytes) -> list[tuple[int, bytes]]:
    """Return the lines of data with their positions, the plain way."""
    found, position = [], 0
    for line in data.splitlines(keepends=True) if b"\r" not in data else io.BytesIO(data):
        found.append((position, line.removesuffix(b"\n")))
        position += len(line)
    return found


@given(TEXTS, st.integers(1, 60))
def test_lines_do_not_depend_on_the_size_of_blocks(data: bytes, block_bytes: int) -> None:
    assert list(lines.split_lines(io.BytesIO(data), 0, block_bytes)) == expected(data)


@given(TEXTS, st.lists(st.integers(0, 300), max_size=6), st.integers(1, 60))
def test_ranges_own_every_line_exactly_once(data: bytes, cuts: list[int], block_bytes: int) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [
        line
        for first, last in pairwise(edges)
        for line in lines.lines_in_range(io.BytesIO(data), first, last, block_bytes)
    ]
    assert found == expected(data)


def test_an_overlong_line_is_none_and_the_next_one_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 5)
    data = io.BytesIO(b"short\ntoo long\nlast one")
    assert list(lines.split_lines(data, 0, 4)) == [(0, b"short"), (6, None), (15, None)]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 0), (2, 1), (4, 2), (100, 3)])
def test_count_newlines_stops_at_the_size(size: int, expected: int) -> None:
    assert lines.count_newlines(io.BytesIO(b"a\nb\nc\n"), size) == expected


def test_decode_drops_a_byte_order_mark_at_the_beginning_only() -> None:
    assert lines.decode(0, b"\xef\xbb\xbfa") == "a"
    assert lines.decode(9, b"\xef\xbb\xbfa") == "\ufeffa"


def test_decode_says_which_byte_is_wrong() -> None:
    wrong = lines.decode(0, b"\xef\xbb\xbfab\xff")
    assert isinstance(wrong, UnreadableLine)
    assert str(wrong) == "byte 5: 0xff is not UTF-8; save the file as UTF-8"
    assert "byte 102" in str(lines.decode(100, b"ab\xff"))


def test_decode_says_what_is_too_long() -> None:
    assert str(lines.decode(7, None)) == "byte 7: more than 64 MiB in one piece; cut it up"
