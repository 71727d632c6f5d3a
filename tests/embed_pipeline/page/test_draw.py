"""The page of a run: whole, small, without scripts, and nothing in it can act."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from embed_pipeline.page.draw import POLICY, draw
from tests.support import reports

ROOT = Path(__file__).parents[3]
MOST_BYTES = 2_000_000
VOID = {"meta"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section",
    "h1", "h2", "p", "small", "strong", "code", "pre", "bdi", "q", "i", "div", "dl", "dt", "dd",
    "ul", "li", "figure", "figcaption", "details", "summary", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "svg", "defs", "g", "path", "use", "text", "rect", "clippath",
}  # fmt: skip


class Reader(HTMLParser):
    """Hold the tags of a page, and whether each is closed where it should be.

    Attributes:
        tags: Their names.
        attributes: Names and values of their attributes.
        ids: In their order.
        wrong: Tags that end where another one is open.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str | None] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)


PAGES = {
    "20 rows": draw(reports.manifest(20), reports.report(20)),
    "5,000 rows": draw(reports.manifest(5_000, 700), reports.report(5_000, 700)),
    "all failed": draw(reports.manifest(0, 20), reports.report(0, 20)),
    "no statistics": draw(reports.manifest(20), None),
    "nothing": draw(reports.manifest(0, provenance={}, job={}, effort={}, plan=None), None),
    "hostile": draw(*reports.hostile()),
    "largest": draw(*reports.largest()),
}
pages = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@pages
def test_a_page_is_small(page: str) -> None:
    assert len(page.encode()) < MOST_BYTES


@pages
def test_a_page_is_well_formed_and_its_ids_are_unique(page: str) -> None:
    read = Reader(page)

    assert read.wrong == []
    assert len(read.ids) == len(set(read.ids))
    assert read.tags <= KNOWN


@pages
def test_a_page_loads_nothing_and_cannot_act(page: str) -> None:
    read = Reader(page)
    names = {name for name, _ in read.attributes}
    links = [value for name, value in read.attributes if name in ("href", "src")]

    assert ("content", POLICY) in read.attributes
    assert "script" not in POLICY
    assert not {name for name in names if name.startswith("on")}
    assert all((value or "").startswith("#") for value in links)
    assert not re.search(r"url\((?!#)", page)


def test_names_that_are_made_to_break_a_page_stand_in_it_as_text() -> None:
    page = PAGES["hostile"]

    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10
    assert "{0} %s $x_1$" in page


def test_a_page_tells_everything_in_its_order() -> None:
    made = reports.manifest(5_000, 700)
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", PAGES["5,000 rows"])

    assert f"<title>python-docs – report of run {made.run_id}</title>" in PAGES["5,000 rows"]
    assert headings == [
        "What ran", "Over the run", "Where the time went", "Requests and texts",
        "Token counts and truncation", "Failures", "Retries", "Endpoints", "Plan",
        "Map of the vectors", "Files",
    ]  # fmt: skip


def test_a_page_is_the_same_each_time() -> None:
    assert draw(reports.manifest(20), reports.report(20)) == PAGES["20 rows"]


def test_statistics_of_another_run_are_not_shown() -> None:
    other = reports.report(20, run_id="20260101T000000Z-other0")

    assert draw(reports.manifest(20), other) == PAGES["no statistics"]
    assert "there is no report.json of this run" in PAGES["no statistics"]


def test_a_page_without_statistics_needs_no_plots() -> None:
    code = (
        "import sys; from embed_pipeline.page.draw import draw; "
        "from tests.support import reports; draw(reports.manifest(20), None); "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_figures_of_a_run_that_embedded_less_than_there_is_say_so_each() -> None:
    words = "Of this run alone, which embedded 20 texts; the dataset has 2,000 rows."
    went_on = reports.manifest(2_000, effort={"reused": 1_980.0})

    page = draw(went_on, reports.report(20))
    for name in ("rates", "time", "spreads", "endpoints", "map-of"):
        section = page.partition(f'<section aria-labelledby="{name}">')[2].partition("</section>")
        assert words in section[0], name
    assert "Of this run alone" not in draw(reports.manifest(2_000), reports.report(2_000))


def test_figures_of_rows_that_were_dropped_since_say_so() -> None:
    words = "Of all that this run embedded, 40 texts; the dataset has 30 rows."

    assert draw(reports.manifest(30), reports.report(40)).count(words) == 5
