"""Where a text may be cut: each kind of boundary, in the scripts of the world."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.boundaries import (
    after_blanks,
    first_boundary,
    first_grapheme,
    last_boundary,
    last_grapheme,
)


def last(text: str, floor: int = 0) -> str:
    """Return a text up to its last boundary before its last character."""
    return text[: last_boundary(text, 0, floor, len(text) - 1)]


@pytest.mark.parametrize(
    "text",
    [
        "One. Two.\n\n|Three. Four five",
        "One. Two.\n \t\n  |Three. Four five",
        "One. Two.\r\n\r\n|Three. Four five",
        "One. Two.\u2029|Three. Four five",
    ],
)
def test_a_paragraph_goes_before_everything(text: str) -> None:
    head, _, tail = text.partition("|")
    assert last(head + tail) == head


@pytest.mark.parametrize(
    "text",
    [
        "Foxes run. |Dogs\nsleep now",
        "Foxes run! |Dogs sleep",
        "foxes run? |dogs sleep",
        "Foxes run… |Dogs sleep",
        "(Foxes run.) |Dogs sleep",
        'He said "run!" |dogs sleep',
        "Er sagte „Lauf!“ |Hunde schlafen",
        "« Courez ! » ici. |Les chiens",
        "狐は走る。|犬は寝る",
        "狐は「走る。」|犬は寝る",
        "狐は走る！？|犬は寝る",
        "الثعالب تجري؟ |الكلاب",
        "लोमड़ी दौड़ती है। |कुत्ते सोते",
        "ቀበሮ ይሮጣል። |ውሾች",
    ],
)
def test_a_sentence_goes_before_lines_and_words(text: str) -> None:
    head, _, tail = text.partition("|")
    assert last(head + tail) == head


@pytest.mark.parametrize(
    "text", ["it costs 3.14 |dollars", "approx. five |foxes", "see a.b.c |there", "e.g. a |fox"]
)
def test_a_stop_within_a_sentence_ends_none(text: str) -> None:
    head, _, tail = text.partition("|")
    assert last(head + tail) == head


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\n   "])
def test_a_line_goes_before_words(end: str) -> None:
    assert last(f"foxes run{end}dogs sleep") == f"foxes run{end}"


@pytest.mark.parametrize("space", [" ", "\t", "   ", "\u3000", "\u200b"])
def test_a_word_goes_before_graphemes(space: str) -> None:
    assert last(f"foxes{space}run") == f"foxes{space}"


def test_without_white_space_a_grapheme_ends_the_piece() -> None:
    assert last("狐走犬寝") == "狐走犬"


def test_a_boundary_before_the_floor_does_not_count() -> None:
    assert last("One. Two three four", floor=6) == "One. Two three "
    assert last("One. Two three four", floor=5) == "One. "


def test_white_space_that_carries_a_mark_is_no_boundary() -> None:
    assert last("foxes run \u0301dogs") == "foxes "


def test_no_grapheme_before_the_limit_gives_no_boundary() -> None:
    assert last_boundary("e\u0301\u0301\u0301", 0, 0, 2) is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("run. Foxes sleep. Dogs eat all day", 5),
        ("a fox runs and sleeps all day long", 2),
        ("走る狐。犬は寝る猫は食べる鳥は飛ぶ", 4),
        ("走る狐走る狐", 0),
        ("\u0301a走る狐走る狐", 1),
    ],
)
def test_what_is_shared_starts_at_the_first_boundary_of_the_best_kind(
    text: str, start: int
) -> None:
    assert first_boundary(text, 0, 0 if start != 1 else 1, len(text)) == start


def test_what_is_shared_starts_in_its_first_half_or_at_a_grapheme() -> None:
    text = "internationalization of foxes"
    assert first_boundary(text, 0, 5, len(text)) == 5


def test_what_is_shared_starts_behind_white_space() -> None:
    assert first_boundary("fox   abcdefghijklmnop", 0, 3, 12) == 6
    assert first_boundary("fox      ", 0, 3, 9) == 9


def test_what_is_shared_starts_at_no_mark() -> None:
    assert first_boundary("狐e\u0301\u0301走る", 0, 2, 6) == 4


def test_white_space_ends_at_the_next_character_or_the_limit() -> None:
    assert after_blanks("a \n\u3000b", 1) == 4
    assert after_blanks("a    b", 1, 3) == 3
    assert after_blanks("ab", 1) == 1


def test_a_grapheme_ends_where_it_ends_or_at_the_limit() -> None:
    assert first_grapheme("ae\u0301\u0301b", 1, 5) == 4
    assert first_grapheme("ae\u0301\u0301b", 1, 3) == 3


GRAPHEMES = st.lists(
    st.sampled_from(
        [
            "a",
            " ",
            "\r\n",
            "\r",
            "e\u0301",
            "漢",
            "🇩🇪",
            "🇫",
            "👨\u200d👩",
            "👍🏽",
            "क्षि",
            "각",
            "ᄀ",
            "\u0600",
        ]
    ),
    min_size=1,
    max_size=30,
).map("".join)


@given(GRAPHEMES, st.data())
def test_the_last_grapheme_is_found_as_reading_from_the_start_finds_it(
    text: str, data: st.DataObject
) -> None:
    limit = data.draw(st.integers(0, len(text)))
    ends = [found.end() for found in regex.finditer(r"\X", text) if found.end() <= limit]

    assert last_grapheme(text, 0, limit) == (ends[-1] if ends else None)


@pytest.mark.parametrize("fragment", ["🇩🇪", "\u0301", "👨\u200d", " ", "a. "])
def test_a_boundary_in_a_long_text_is_looked_for_nearby(fragment: str) -> None:
    text = fragment * 300_000

    for place in range(len(text) - 3000, len(text) - 1000, 10):  # seconds each, if from the start
        last_boundary(text, place - 100 - (place - 100) % 6, place - 50, place)
        first_boundary(text, place - 100 - (place - 100) % 6, place - 50, place)
