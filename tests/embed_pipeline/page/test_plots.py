"""The plots of a report: what is drawn of which numbers, also of very few."""

import re

import pytest

from embed_pipeline.page import plots
from embed_pipeline.page.plots import Bins, short


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_rate_is_drawn_by_the_second_in_a_unit_that_suits_its_length() -> None:
    hours = plots.rates("a", "", counts=[3600] * 100, width_s=120, marked=[])
    minutes = plots.rates("a", "", counts=[10, 20, 30], width_s=60, marked=[0, 0, 0])

    assert "hours since the first text" in texts(hours)
    assert {"0", "1", "2", "3"} <= set(texts(hours))
    assert "minutes since the first text" in texts(minutes)
    assert "0.4" in texts(minutes)


@pytest.mark.parametrize("counts", [[5], [0, 0, 0], [1, 0, 10**12]])
def test_a_rate_of_one_step_of_nothing_or_of_very_much_is_drawn(counts: list[int]) -> None:
    assert "<path" in plots.rates("a", "", counts=counts, width_s=1, marked=[1] * len(counts))


def test_a_tick_stands_where_requests_failed() -> None:
    def ticks(marked: list[int]) -> int:
        found = plots.rates("a", "", counts=[5] * 9, width_s=1, marked=marked)
        return len(re.findall(r"<use[^>]*stroke:var\(--bad\)", found))

    assert ticks([0, 2, 0, 0, 0, 1, 0, 0, 9]) == 3
    assert ticks([]) == 0


def heights(svg: str) -> list[float]:
    """Return how high the bars of a histogram stand above its axis."""
    path = re.search(r'<path d="([^"]*)"[^>]*style="fill:var\(--accent\)[^"]*"', svg)
    assert path
    ys = [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path[1])]
    return sorted({round(max(ys) - y, 1) for y in ys} - {0.0})


def test_a_bar_is_as_large_as_its_share_whatever_its_width() -> None:
    even = plots.spread("a", "", Bins([8, 9, 10, 14], [5, 5, 20]), shares={}, unit="x")
    twice = plots.spread("a", "", Bins([8, 9, 10, 14], [10, 10, 20]), shares={}, unit="x")

    assert len(heights(even)) == 1
    low, high = heights(twice)
    assert high / low == pytest.approx(2, rel=0.02)


def test_a_bar_of_single_texts_has_its_number_at_the_axis() -> None:
    found = plots.spread("a", "", Bins([1, 2, 32, 33], [1, 0, 9]), shares={"p50": 32}, unit="texts")

    assert [one for one in texts(found) if one.isdigit()] == [
        "1",
        "5",
        "10",
        "15",
        "20",
        "25",
        "30",
    ]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 2), (0, 3), (2, 4)])
def test_no_axis_begins_below_zero(low: int, high: int) -> None:
    found = plots.spread("a", "", Bins([low, high], [5]), shares={"p50": low}, unit="ms")

    texts = re.findall(r"<text[^>]*>(.*?)</text>", found)
    assert "0" in texts
    assert not [one for one in texts if one.startswith(("-", "−"))]


def test_a_long_tail_is_drawn_on_a_logarithmic_scale() -> None:
    bins = Bins([0, 1, 2, 64, 30_000], [1, 9, 9, 1])
    far = plots.spread("a", "", bins, shares={"p50": 20}, unit="ms")
    near = plots.spread("a", "", Bins([1, 50, 100], [5, 5]), shares={"p50": 50}, unit="ms")

    assert {"1", "10", "100", "1,000"} <= set(texts(far))
    assert {"20", "40", "60", "80"} <= set(texts(near))


def test_a_limit_beyond_all_numbers_is_in_view() -> None:
    found = plots.spread(
        "a", "", Bins([1, 9], [5]), shares={"p50": 5}, unit="x", limit=("context 8,192", 8192)
    )

    assert "context 8,192" in texts(found)
    assert "1,000" in texts(found)


def test_quantiles_that_are_near_each_other_are_named_once() -> None:
    bins = Bins([0, 50, 100], [5, 5])
    apart = plots.spread("a", "", bins, shares={"p50": 50, "p95": 90}, unit="x")
    near = plots.spread("a", "", bins, shares={"p50": 89, "p95": 90}, unit="x")

    assert [text for text in texts(apart) if text[0] == "p"] == ["p50", "p95"]
    assert [text for text in texts(near) if text[0] == "p"] == ["p50"]


def scattered(x: list[float], y: list[float], category: list[int]) -> str:
    return plots.scatter(
        "a", "", points=(x, y), category=category, names=("first", "second"), titles=[]
    )


@pytest.mark.parametrize("count", [1, 2, 400])
def test_points_that_are_all_the_same_are_drawn(count: int) -> None:
    found = scattered([0.5] * count, [0.5] * count, [])

    assert len(re.findall(r"<use[^>]*fill:var\(--accent\)", found)) == count


def test_points_have_the_colors_of_their_categories() -> None:
    found = scattered([1, 2, 3, 4], [1, 2, 3, 4], [0, 7, 7, -1])

    assert re.findall(r"<use[^>]*fill:var\(--([\w-]+)\)", found) == ["c0", "c7", "c7", "none-c"]


def test_a_bar_of_parts_that_are_all_zero_is_drawn() -> None:
    assert "<svg" in plots.stacked("a", "", [0.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.25, "0.25"), (12.34, "12.3"), (1234, "1,234"), (12_345, "12.3k"),
     (2e6, "2M"), (3e9, "3G")],
)  # fmt: skip
def test_numbers_at_an_axis_are_short(value: float, words: str) -> None:
    assert short(value) == words
