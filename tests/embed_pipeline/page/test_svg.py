"""Plots as SVG within a page: its colors, its font, its ids, nothing else."""

import re

import matplotlib as mpl

from embed_pipeline.page.svg import PAINT, drawing, inline


def points(name: str, titles: list[str]) -> str:
    """Return a plot of so many points."""
    with drawing() as figure:
        axes = figure.subplots()
        places = range(len(titles))
        axes.scatter(places, places, c=[PAINT["c1"]] * len(titles), gid="points", clip_on=False)
        axes.set_xlabel("x, $y$ & z")
        return str(inline(figure, name, 'A "label" <b>', titles))


def test_it_names_no_address_and_brings_no_style_of_its_own() -> None:
    found = points("one", ["a", "b"])

    assert "http" not in found
    assert not re.search(r"<style|<metadata|font-family|<script|<\?xml|<!DOCTYPE", found)


def test_it_has_the_colors_of_the_page() -> None:
    found = points("one", ["a", "b"])

    assert "fill:var(--c1)" in found
    assert "stroke:var(--line)" in found
    assert not re.search(r"#0000\w\w\b", found)


def test_its_label_and_text_are_text_and_escaped() -> None:
    found = points("one", ["a"])

    assert 'role="img" aria-label="A &quot;label&quot; &lt;b&gt;"' in found
    assert ">x, $y$ &amp; z</text>" in found


def test_ids_are_the_plot_s_own_and_all_that_is_referred_to_is_there() -> None:
    found = points("one", ["a", "b"])
    ids = re.findall(r' id="([^"]+)"', found)

    assert ids
    assert all(one.startswith("one-") for one in ids)
    assert set(re.findall(r'href="#([^"]+)"', found)) == set(ids)


def test_each_point_has_its_title_whatever_their_number() -> None:
    for titles in (["<one>"], ["a", "b", "c"], [f"t{number}" for number in range(50)]):
        found = re.findall(r"<title>(.*?)</title>", points("one", titles))
        assert found == [title.replace("<", "&lt;").replace(">", "&gt;") for title in titles]


def test_a_drawing_is_the_same_each_time_whatever_the_user_s_style_is() -> None:
    first = points("one", ["a", "b"])
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "axes.grid": True}):
        assert points("one", ["a", "b"]) == first
        assert mpl.rcParams["font.size"] == 30
