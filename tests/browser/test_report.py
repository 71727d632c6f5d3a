"""The report in a real browser: it renders, fits, takes light and dark, and nothing complains."""

from pathlib import Path

import pytest

from embed_pipeline.manifest import Manifest
from embed_pipeline.page.draw import draw
from embed_pipeline.report import Report
from tests.support import reports
from tests.support.browser import Browser

pytestmark = pytest.mark.browser
WIDTHS = (360, 1280)
A4 = 718  # CSS pixels between the margins
RUNS: dict[str, tuple[Manifest, Report | None]] = {
    "20 rows": (reports.manifest(20), reports.report(20)),
    "200,000 rows": (reports.manifest(200_000, 800), reports.report(200_000, 800)),
    "all failed": (reports.manifest(0, 20), reports.report(0, 20)),
    "none failed": (reports.manifest(5_000), reports.report(5_000)),
    "no statistics": (reports.manifest(5_000, 3), None),
    "as much as there can be": reports.largest(),
    "hostile names": reports.hostile(),
}
PLOTS = {"20 rows": 5, "200,000 rows": 7, "all failed": 0, "none failed": 7, "no statistics": 0,
         "as much as there can be": 7, "hostile names": 5}  # fmt: skip
BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
TOO_WIDE = """
return [...document.querySelectorAll('main *')]
    .filter(one => !one.closest('.wide, pre, svg, .unseen'))
    .filter(one => one.getBoundingClientRect().right > WIDTH)
    .map(one => one.outerHTML.slice(0, 120))
"""
UNREADABLE = """
const seen = [...document.querySelectorAll('svg.plot text')]
return seen.filter(one => one.getBoundingClientRect().height < 7).length
"""
COLORS_OF_TEXT = """
const resolved = name => {
    const probe = document.createElement('i')
    probe.style.color = `var(--${name})`
    document.body.append(probe)
    const color = getComputedStyle(probe).color
    probe.remove()
    return color
}
const known = ['ink', 'muted', 'bad'].map(resolved)
return [...document.querySelectorAll('svg.plot text')]
    .map(one => getComputedStyle(one).fill).filter(color => !known.includes(color))
"""


@pytest.fixture(scope="module", params=RUNS)
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(draw(*RUNS[request.param]), encoding="utf-8")
    return request.param, path


def test_it_renders_without_a_complaint_and_loads_nothing(
    chromium: Browser, page: tuple[str, Path]
) -> None:
    name, path = page
    chromium.look(width=1280)
    chromium.open(path)

    assert chromium.complaints() == []
    assert chromium.run("return performance.getEntriesByType('resource').length") == 0
    assert chromium.run("return document.querySelectorAll('svg.plot').length") == PLOTS[name]
    assert chromium.run("return document.scripts.length") == 0
    assert chromium.run("return document.querySelector('h1').offsetHeight") > 0


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_its_window(chromium: Browser, page: tuple[str, Path], width: int) -> None:
    chromium.look(width=width)
    chromium.open(page[1])

    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.run(TOO_WIDE.replace("WIDTH", str(width))) == []
    assert chromium.run(UNREADABLE) == 0


def test_it_fits_on_paper_and_is_light_there(chromium: Browser, page: tuple[str, Path]) -> None:
    chromium.look(width=A4, dark=True, paper=True)
    chromium.open(page[1])

    assert chromium.run("return document.documentElement.scrollWidth") <= A4
    assert chromium.run(BACKGROUND).startswith("rgb(253, ")


@pytest.mark.parametrize(("dark", "background"), [(False, 253), (True, 22)])
def test_it_is_light_or_dark_as_the_reader_wishes(
    chromium: Browser, page: tuple[str, Path], dark: bool, background: int
) -> None:
    chromium.look(width=1280, dark=dark)
    chromium.open(page[1])

    assert chromium.run(BACKGROUND).startswith(f"rgb({background}, ")
    assert chromium.run(COLORS_OF_TEXT) == []


def test_a_complaint_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    policy = draw(*RUNS["20 rows"]).partition("<title>")[0]
    path.write_text(f"{policy}<script>nothing.here()</script><img src='http://127.0.0.1:1/x'>")
    chromium.open(path)

    told = chromium.complaints()
    assert any("script" in one for one in told)
    assert any("http://127.0.0.1:1/x" in one for one in told)
