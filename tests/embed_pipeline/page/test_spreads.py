"""Latency, batch sizes and token lengths as a report shows them."""

import re

import pytest

from embed_pipeline.page.spreads import spreads
from embed_pipeline.report import Histogram
from tests.support import reports


def drawn(**found: Histogram) -> str:
    nothing = dict.fromkeys(("request_ms", "batch_texts", "token_counts"), Histogram())
    return spreads(reports.report(20).model_copy(update={**nothing, **found}))


def behind(page: str) -> list[tuple[str, str]]:
    """Return the numbers behind the only plot."""
    table = page.partition("<details>")[2].partition("</details>")[0]
    return re.findall(r'<th scope="row">([^<]*)</th><td class="n">([^<]*)</td>', table)


def test_each_is_shown_with_its_quantiles() -> None:
    one = Histogram(edges=[4, 5, 6], counts=[3, 1], sum=17, max=5)
    found = drawn(batch_texts=one)

    row = re.search(r'<th scope="row">texts</th>(.*?)</tr>', found)
    assert row
    assert re.findall(r">([^<]+)</td>", row[1]) == ["4", "5", "5", "5", "4.25", "4"]
    assert "Request latency" not in found


def test_a_bin_of_a_plot_has_the_numbers_from_its_edge_up_to_the_next() -> None:
    one = Histogram(edges=[0, 15, 16, 18, 20], counts=[0, 2, 3, 0], sum=80, max=17)

    assert behind(drawn(batch_texts=one)) == [("15", "2"), ("16 to 17", "3")]


def test_the_texts_that_fill_the_context_are_no_needle_beyond_it() -> None:
    one = Histogram(edges=[224, 240, 256, 288], counts=[10, 20, 7], sum=9000, max=256)
    found = drawn(token_counts=one)

    assert behind(found) == [("224 to 239", "10"), ("240 to 256", "27")]
    assert "context 256" in found


@pytest.mark.parametrize("value", [0, 1, 32, 10**6])
def test_a_single_number_is_drawn(value: int) -> None:
    one = Histogram(edges=[value, value + 1], counts=[1], sum=value, max=value)

    assert behind(drawn(request_ms=one)) == [(f"{value:,}", "1")]


def test_latency_is_told_to_be_that_of_answered_requests() -> None:
    one = Histogram(edges=[4, 5], counts=[3], sum=12, max=4)

    assert "Requests are those that were answered well." in drawn(request_ms=one)


def test_where_nothing_was_sent_there_is_nothing_to_show() -> None:
    assert drawn() == ""
