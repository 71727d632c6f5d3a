"""Pieces of a text: they fit, they cover it, and they end where a reader would end them."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import regex
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from embed_pipeline.errors import BadCharacter
from embed_pipeline.pieces import Span, pieces, split
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.tokens import applied
from tests.support.tokenizing import byte_level, wordpiece

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ZALGO = "Z\u0351\u0343\u034a\u0328\u0325\u033b\u0330" * 3
FRAGMENTS = st.sampled_from(
    [
        *("The quick brown fox. ", "Does it jump? ", "naïve café ", "e\u0301le\u0300ve ", "3.14, "),
        *(
            "これは文章です。",
            "「本当？」",
            "漢字",
            "ウィキペディア",
            "สวัสดีชาวโลก",
            "नमस्ते दुनिया। ",
            "مرحبا؟ ",
        ),
        *(FAMILY, "🇩🇪🇫🇷🇮🇹", "👍🏽", "❤️ ", ZALGO, "क्षि", "각", "ᄀᄀᄀ각ᆨ", "\u0301", "\u200d"),
        *(
            "def f(x):\n    return x[0]\n",
            "a" * 130,
            "Donaudampfschifffahrtsgesellschaft",
            "_" * 40,
        ),
        *(
            " ",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            " " * 70,
            " \n" * 20,
            "\u3000",
            "\xa0",
            "\u200b",
            "\x1c",
        ),
        *("[CLS]", "[SEP] ", "[UNK]", "<s>", "http://example.org/a?b=c#d ", '"Quoted." '),
    ]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=5), min_size=1, max_size=60).map("".join)
TEXTS = TEXTS.map(lambda text: text.encode("utf-8", "replace").decode().replace("\x00", ""))
PREFIXES = st.sampled_from(["", "search_document: ", "q", "Task: {text}\nQuery:"])
BOTH = st.sampled_from([wordpiece, byte_level])
THOROUGH = settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])

Make = Callable[[], ModelTokenizer]


def cut(text: str, tokenizer: ModelTokenizer, max_tokens: int, overlap: int = 0) -> list[str]:
    return [text[a:b] for a, b in pieces(text, tokenizer, max_tokens, overlap, "")]


def fitting(
    tokenizer: ModelTokenizer, text: str, room: int, share: float, prefix: str
) -> tuple[int, int]:
    """Return bounds that leave so many tokens for the text, and share a part of those."""
    (frame,) = tokenizer.count([applied(prefix, "")])
    return frame + room, int(share * room)


@THOROUGH
@given(TEXTS.filter(str.strip), BOTH, st.integers(8, 80), st.floats(0, 0.9), PREFIXES)
@example("word " * 50 + "a" * 130 + " word" * 50, wordpiece, 20, 0.5, "")
@example(" " * 300 + ZALGO * 9, byte_level, 10, 0.0, "")
@example("a\u0301" * 200, wordpiece, 8, 0.0, "")
@example("漢" + " " * 100 + "\u0301字" * 50, wordpiece, 8, 0.3, "q")
def test_pieces_fit_and_cover_the_text_in_order(
    text: str, make: Make, room: int, share: float, prefix: str
) -> None:
    tokenizer = make()
    max_tokens, overlap = fitting(tokenizer, text, room, share, prefix)

    found = pieces(text, tokenizer, max_tokens, overlap, prefix)

    counts = tokenizer.count([applied(prefix, text[start:end]) for start, end in found])
    assert max(counts) <= max_tokens
    assert all(0 <= start < end <= len(text) for start, end in found)
    before = (-1, 0)
    for start, end in found:
        assert start > before[0]
        assert end > before[1]
        assert not text[before[1] : start].strip()  # only white space is left out
        assert not text[start:end].isspace()
        before = (start, end)
    assert not text[before[1] :].strip()


@THOROUGH
@given(TEXTS.filter(str.strip), st.integers(8, 80), st.floats(0, 0.9), PREFIXES)
def test_where_white_space_costs_nothing_the_pieces_give_the_text_back(
    text: str, room: int, share: float, prefix: str
) -> None:
    max_tokens, overlap = fitting(wordpiece(), text, room, share, prefix)

    found = pieces(text, wordpiece(), max_tokens, overlap, prefix)

    assert (found[0][0], found[-1][1]) == (0, len(text))
    joined = ""
    for start, end in found:
        assert start <= len(joined)
        joined = joined[:start] + text[start:end]
    assert joined == text


@THOROUGH
@given(TEXTS.filter(str.strip), BOTH, st.integers(8, 80))
def test_without_an_overlap_joining_the_pieces_gives_the_text_back(
    text: str, make: Make, room: int
) -> None:
    max_tokens, _ = fitting(make(), text, room, 0, "")

    found = cut(text, make(), max_tokens)

    if make is wordpiece:
        assert "".join(found) == text
    assert "".join("".join(found).split()) == "".join(text.split())


@THOROUGH
@given(TEXTS.filter(str.strip), BOTH, st.integers(8, 80), st.floats(0, 0.9))
def test_only_a_grapheme_that_does_not_fit_by_itself_is_cut(
    text: str, make: Make, room: int, share: float
) -> None:
    tokenizer = make()
    max_tokens, overlap = fitting(tokenizer, text, room, share, "")
    graphemes: list[Span] = [found.span() for found in regex.finditer(r"\X", text)]
    ends = {end for _, end in graphemes} | {0}

    places = {place for span in pieces(text, tokenizer, max_tokens, overlap, "") for place in span}

    for place in places - ends:
        (inside,) = [span for span in graphemes if span[0] < place < span[1]]
        assert tokenizer.count([text[slice(*inside)]])[0] > max_tokens


@THOROUGH
@given(TEXTS.filter(str.strip), BOTH, st.integers(8, 80), st.floats(0, 0.9))
def test_neighbors_share_as_many_tokens_as_allowed_at_most(
    text: str, make: Make, room: int, share: float
) -> None:
    tokenizer = make()
    max_tokens, overlap = fitting(tokenizer, text, room, share, "")

    found = pieces(text, tokenizer, max_tokens, overlap, "")

    (special,) = tokenizer.count([""])
    for (_, end), (start, _) in pairwise(found):
        assert tokenizer.count([text[start:end]])[0] - special <= overlap


@pytest.mark.parametrize("make", [wordpiece, byte_level])
def test_a_text_that_fits_is_one_piece(make: Make) -> None:
    assert pieces(" A fox.\n\nA dog. ", make(), 40, 3, "") == [(0, 16)]


def test_a_text_that_just_fits_is_one_piece_and_one_token_more_makes_two() -> None:
    assert pieces("one two three", wordpiece(), 5, 0, "") == [(0, 13)]
    assert pieces("one two three four", wordpiece(), 5, 0, "") == [(0, 14), (14, 18)]


def test_a_piece_ends_after_a_paragraph_before_a_sentence() -> None:
    text = "One fox runs. Two\nfoxes.\n \nThree foxes sleep. Four eat here."

    assert cut(text, wordpiece(), 14) == [
        "One fox runs. Two\nfoxes.\n \n",
        "Three foxes sleep. Four eat here.",
    ]


def test_a_piece_ends_after_a_sentence_before_a_line() -> None:
    assert cut("One fox runs (fast!) Two\nfoxes sleep", wordpiece(), 11) == [
        "One fox runs (fast!) ",
        "Two\nfoxes sleep",
    ]


def test_a_piece_ends_after_a_line_before_a_word() -> None:
    assert cut("one fox runs\ntwo foxes sleep now", wordpiece(), 7) == [
        "one fox runs\n",
        "two foxes sleep now",
    ]


def test_a_piece_ends_after_a_word_before_a_grapheme() -> None:
    assert cut("Donaudampfschifffahrt Donaudampfschifffahrt", wordpiece(), 16) == [
        "Donaudampfschifffahrt ",
        "Donaudampfschifffahrt",
    ]


def test_a_boundary_in_the_first_half_of_a_piece_does_not_count() -> None:
    assert cut("No.\n\nthe fox runs to the dog and back", wordpiece(), 9)[0] == (
        "No.\n\nthe fox runs to the "
    )


def test_scripts_without_spaces_end_after_their_own_sentences() -> None:
    assert cut("犬は走る。猫は「寝る。」鳥は飛ぶ。", wordpiece(), 9) == [
        "犬は走る。",
        "猫は「寝る。」",
        "鳥は飛ぶ。",
    ]


def test_scripts_without_spaces_or_stops_are_filled_to_the_last_token() -> None:
    assert [len(piece) for piece in cut("漢字" * 20, wordpiece(), 12)] == [10, 10, 10, 10]


def test_white_space_goes_with_the_piece_before_it_and_at_the_start_with_the_first() -> None:
    assert cut("  \n one  \t two\n", wordpiece(), 3) == ["  \n one  \t ", "two\n"]


def test_a_long_run_of_blanks_that_cost_tokens_gives_no_pieces_of_its_own() -> None:
    found = cut("fox" + "\n" * 500 + "dog", byte_level(), 20)

    assert (found[0].strip(), found[-1].strip()) == ("fox", "dog")
    assert all(piece.strip() for piece in found)


def test_neighbors_share_whole_sentences_where_these_are_short_enough() -> None:
    text = "One fox runs. Two foxes sleep. Three foxes eat. Four foxes hide."

    assert cut(text, wordpiece(), 14, 5) == [
        "One fox runs. Two foxes sleep. Three foxes eat. ",
        "Three foxes eat. Four foxes hide.",
    ]


def test_a_prefix_counts_in_every_piece() -> None:
    text = "one two three four five six"

    assert pieces(text, wordpiece(), 8, 0, "a b c ") == [(0, 14), (14, 27)]
    assert pieces(text, wordpiece(), 8, 0, "a {text} b c") == [(0, 14), (14, 27)]


def test_a_piece_is_counted_as_it_is_sent_where_the_prefix_grows_into_its_first_word() -> None:
    assert wordpiece().count(["q", "fox", "qfox"]) == [3, 3, 5]
    assert pieces("fox qu", wordpiece(), 5, 0, "q") == [(0, 4), (4, 6)]


def test_a_word_that_is_one_token_as_a_whole_is_not_split() -> None:
    word = "x" * 500  # the tokenizer takes more than 100 characters for one unknown word

    assert cut(f"{'fox ' * 6}{word} {'dog ' * 6}", wordpiece(), 10) == [
        "fox " * 6 + word + " dog ",
        "dog " * 5,
    ]


def test_a_grapheme_that_does_not_fit_is_cut_between_characters() -> None:
    found = cut(f"fox {'e' + 40 * chr(0x301)} dog", byte_level(), 20)

    assert found[0] == "fox "
    assert "".join(found) == f"fox {'e' + 40 * chr(0x301)} dog"


def test_a_mark_that_costs_no_token_stays_with_its_letter() -> None:
    assert cut("e\u0301 fox dog", wordpiece(), 3) == ["e\u0301 ", "fox ", "dog"]


def test_a_character_that_does_not_fit_is_named_with_its_place_and_the_cure() -> None:
    with pytest.raises(
        BadCharacter,
        match=r"U\+1F98A at character 4 takes 6 tokens .* a piece may have 5; raise chunking",
    ):
        pieces("fox 🦊", byte_level(), 5, 0, "")


def test_the_pieces_of_a_text_that_is_known_not_to_fit_are_the_same() -> None:
    text = "One fox. " * 20

    assert split(text, wordpiece(), 20, 4, "") == pieces(text, wordpiece(), 20, 4, "")


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("fragment", "make"),
    [
        ("The quick brown fox jumps. ", wordpiece),
        ("Thequickbrownfoxjumps.", wordpiece),
        ("漢字", wordpiece),
        ("a", byte_level),
        ("\u0301", byte_level),
        (" ", byte_level),
    ],
)
def test_a_line_of_a_million_characters_is_tokenized_a_few_times_over_at_most(
    fragment: str, make: Make
) -> None:
    class Counting(ModelTokenizer):
        """Count the characters that are tokenized."""

        def __init__(self) -> None:
            self.characters = 0

        def count(self, texts: object) -> list[int]:
            self.characters += sum(map(len, texts))  # type: ignore[call-overload]
            return make().count(texts)  # type: ignore[arg-type]

        def ends(self, text: str) -> list[int]:
            self.characters += len(text)
            return make().ends(text)

    tokenizer = Counting()
    text = "x" + fragment * (MEGABYTE // len(fragment)) + "x"

    pieces(text, tokenizer, 256, 50, "")

    assert tokenizer.characters < 16 * MEGABYTE
