"""The parts of a report's page: what comes from outside is escaped, cut and apart."""

import pytest
from markupsafe import Markup

from embed_pipeline.page.tables import (
    LONGEST,
    MOST_ROWS,
    Column,
    bar,
    duration,
    percent,
    prose,
    rate,
    section,
    shown,
    size,
    span,
    table,
    told,
)


def test_a_value_from_outside_is_escaped_and_apart_from_the_text_around_it() -> None:
    assert told("<b>\"'&") == "<bdi>&lt;b&gt;&#34;&#39;&amp;</bdi>"


def test_a_long_value_is_cut() -> None:
    assert shown("x" * 1000) == "x" * (LONGEST - 1) + "…"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x85", "\ud800", "\u202e", "\u2066"])
def test_what_a_page_cannot_hold_or_would_turn_around_is_replaced(character: str) -> None:
    assert shown(f"a{character}b") == "a\ufffdb"


def test_our_own_words_may_have_code_and_lose_their_links() -> None:
    assert prose("Set `a<b`, see [there](x.md).") == "Set <code>a&lt;b</code>, see there."


def test_a_table_has_headings_and_escapes_its_cells() -> None:
    columns = [Column("kind"), Column("n", is_number=True), Column("help", is_prose=True)]
    found = table(columns, [("<a>", 1, Markup("<b>x</b>"))], "What & why")

    assert '<th scope="col" class="n">n</th><th scope="col" class="long">help</th>' in found
    assert (
        '<tr><th scope="row">&lt;a&gt;</th><td class="n">1</td><td class="long"><b>x</b></td></tr>'
        in found
    )
    assert '<caption class="unseen">What &amp; why</caption>' in found


def test_a_table_shows_so_many_rows_and_says_how_many_more_there_are() -> None:
    found = table([Column("x")], [(number,) for number in range(MOST_ROWS + 1200)], "x")

    assert found.count("<tr>") == MOST_ROWS + 2
    assert "1,200 more" in found


def test_a_section_without_parts_is_nothing() -> None:
    assert section("Empty", Markup(""), name="x") == ""


@pytest.mark.parametrize(("share", "width"), [(-1.0, "0.0"), (0.3751, "37.5"), (7.0, "100.0")])
def test_a_bar_stays_within_its_frame(share: float, width: str) -> None:
    assert f"width:{width}%" in bar(share)


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33.3 %"), (1, 10**6, "< 0.1 %"),
     (10**6 - 1, 10**6, "> 99.9 %"), (1, 20, "5.0 %")],
)  # fmt: skip
def test_a_share_is_never_none_or_all_where_it_is_not(part: int, whole: int, words: str) -> None:
    assert percent(part, whole) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.001, "< 0.01 s"), (0.25, "0.25 s"), (2, "2 s"), (2.34, "2.3 s"), (59.7, "60 s"),
     (61, "1 min 01 s"), (3599.7, "1 h 00 min"), (360_000, "100 h 00 min")],
)  # fmt: skip
def test_a_time_in_the_units_that_suit_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "seconds", "words"),
    [(1, 0, "–"), (9, 3, "3"), (1, 3, "0.333"), (12_345, 1, "12,345")],
)
def test_a_rate(count: float, seconds: float, words: str) -> None:
    assert rate(count, seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(12, "12 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e12, "3,000.0 GB")],
)
def test_a_size(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("2026-01-01T00:00:09.900+00:00", "2026-01-01 00:00:00 to 00:00:09 UTC"),
        ("2026-01-02T01:00:00+01:00", "2026-01-01 00:00:00 UTC to 2026-01-02 00:00:00 UTC"),
        ("later", "2026-01-01 00:00:00 UTC to later"),
    ],
)
def test_two_times_of_one_day_name_it_once(ended: str, words: str) -> None:
    assert span("2026-01-01T00:00:00+00:00", ended) == words
