"""Rates, the time and the map as a report shows them, each with its numbers."""

import re

from embed_pipeline.page.figures import over_time, vector_map, where_time_went
from embed_pipeline.report import Map, Report, Seconds, Timeline
from tests.support import reports


def cells(page: str) -> list[list[str]]:
    """Return what stands in the rows of a page's tables, as text."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page)
    return [
        [re.sub(r"<[^>]+>", "", one) for one in re.split(r"</t[hd]>", row)[:-1]] for row in rows
    ]


def test_the_rates_are_drawn_and_their_numbers_add_up() -> None:
    counts = {name: [1] * 100 for name in ("texts", "tokens", "failed", "requests", "faults")}
    found = over_time(Report(timeline=Timeline(start=0, width_s=10, **counts)))

    assert found.count("<svg") == 2
    assert "From 1970-01-01 00:00:00 UTC, in steps of 10 s. Red ticks: requests failed." in found
    rows = cells(found)
    assert rows[:2] == [["0 s", "4", "4", "4", "4", "4"], ["40 s", "4", "4", "4", "4", "4"]]
    assert sum(int(row[1]) for row in rows) == 100


def test_a_run_of_one_step_is_told_of_in_words() -> None:
    found = over_time(Report(timeline=Timeline(texts=[9], tokens=[9])))

    assert "over too soon" in found
    assert "<svg" not in found


def test_a_run_without_texts_has_no_rates() -> None:
    assert over_time(Report()) == ""
    assert over_time(Report(timeline=Timeline(texts=[0, 0, 0, 0]))) == ""


def test_the_parts_of_the_time_are_told_in_shares() -> None:
    seconds = Seconds(wall=200, server=120, load=20, waiting=50, own=10)
    rows = cells(where_time_went(Report(seconds=seconds)))

    assert [row[:3] for row in rows] == [
        ["server", "2 min 00 s", "60.0 %"],
        ["loading", "20 s", "10.0 %"],
        ["waiting", "50 s", "25.0 %"],
        ["ours", "10 s", "5.0 %"],
        ["all", "3 min 20 s", ""],
    ]


def test_where_the_endpoint_tells_no_times_waiting_for_it_is_one_part() -> None:
    seconds = Seconds(wall=100, server=0, load=5, waiting=70, own=25, told=False)
    found = where_time_went(Report(seconds=seconds))

    assert [row[:3] for row in cells(found)] == [
        ["endpoint", "1 min 15 s", "75.0 %"],
        ["ours", "25 s", "25.0 %"],
        ["all", "1 min 40 s", ""],
    ]
    assert "The endpoint does not tell how long it computes" in found
    assert "server" not in found


def test_where_no_time_was_measured_nothing_is_shown() -> None:
    assert where_time_went(Report()) == ""


def test_the_map_has_a_legend_with_the_points_of_each_color() -> None:
    found = vector_map(
        Report(
            map=Map(
                of=9, x=[1, 2, 3], y=[1, 2, 3], explained=(0.5, 0.25), color_by="<topic>",
                categories=["<b>", "other"], category=[0, 0, -1],
            )
        )
    )  # fmt: skip

    assert cells(found) == [["&lt;b&gt;", "2"], ["other", "0"], ["no value", "1"]]
    assert "&lt;topic&gt;" in found
    assert "3 of 9 vectors" in found
    assert "1st component, 50.0 % of the variance" in found


def test_a_map_without_an_attribute_has_no_legend() -> None:
    found = vector_map(Report(map=Map(of=1, x=[0], y=[0])))

    assert "<svg" in found
    assert "<table" not in found


def test_a_point_has_no_text_unless_the_report_has_texts() -> None:
    without = vector_map(reports.report(20))
    report = reports.report(20)
    told = report.map.model_copy(update={"texts": ["</title><script>"] * 20})
    with_texts = vector_map(report.model_copy(update={"map": told}))

    assert "<title" not in without
    assert with_texts.count("<title>&lt;/title&gt;&lt;script&gt;</title>") == 20


def test_there_is_no_map_without_points() -> None:
    assert vector_map(Report()) == ""
