"""Rates, the time and the map as a report shows them, each with its numbers."""

import re

import pytest

from embed_pipeline.manifest import Manifest
from embed_pipeline.page.figures import over_time, vector_map
from embed_pipeline.report import Map, Report, Timeline
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


def test_the_map_has_a_legend_with_the_points_of_each_color() -> None:
    found = vector_map(
        reports.manifest(9),
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
    found = vector_map(reports.manifest(3), Report(map=Map(of=3, x=[0, 1, 2], y=[0, 1, 0])))

    assert "<svg" in found
    assert "<table" not in found


def test_a_point_has_no_text_unless_the_report_has_texts() -> None:
    without = vector_map(reports.manifest(20), reports.report(20))
    report = reports.report(20)
    told = report.map.model_copy(update={"texts": ["</title><script>"] * 20})
    with_texts = vector_map(reports.manifest(20), report.model_copy(update={"map": told}))

    assert "<title" not in without
    assert with_texts.count("<title>&lt;/title&gt;&lt;script&gt;</title>") == 20


def test_there_is_no_map_without_points() -> None:
    assert vector_map(reports.manifest(0, 3), Report()) == ""


def dropped(rows: int, count: int) -> Manifest:
    """Return the manifest of a run that dropped rows whose ids stood twice."""
    made = reports.manifest(rows)
    counts = made.counts.model_copy(update={"documents": rows + count, "duplicates_dropped": count})
    return made.model_copy(update={"counts": counts})


def test_a_map_says_why_it_has_fewer_points_than_there_are_rows() -> None:
    drawn = Report(map=Map(of=40, x=[0, 1, 2], y=[0, 1, 0]))

    assert "Rows whose ids stood twice are left out." in vector_map(dropped(30, 10), drawn)
    assert "stood twice" not in vector_map(reports.manifest(40), drawn)


@pytest.mark.parametrize(
    ("made", "points", "why"),
    [
        (reports.manifest(1), [0.0], "it would show fewer than 3 different vectors."),
        (reports.manifest(10), [0.0] * 10, "it would show fewer than 3 different vectors."),
        (reports.manifest(2), [0.0, 1.0], "it would show fewer than 3 different vectors."),
        (dropped(9, 1), [], "rows whose ids stood twice are not shown on it."),
        (reports.manifest(9), [], "which of the vectors are in the dataset is not known."),
        (reports.forgotten(59, 1), [], "documents were forgotten since, and it shows single ones"),
    ],
)
def test_of_fewer_than_three_points_there_is_no_map_but_why(
    made: Manifest, points: list[float], why: str
) -> None:
    found = vector_map(made, Report(map=Map(of=10, x=points, y=points)))

    assert f"There is no map: {why}" in found
    assert "<svg" not in found
