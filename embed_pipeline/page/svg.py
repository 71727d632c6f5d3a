"""Plots of matplotlib as SVG that stands within a page and takes the page's colors and font.

A plot is drawn with the colors of PAINT, each of which stands for one of the page's CSS variables;
so one drawing serves light and dark.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

CATEGORIES = 8
PAINT = {
    name: f"#0000{number:02x}"
    for number, name in enumerate(
        (
            "ink",
            "back",
            "muted",
            "line",
            "accent",
            "bad",
            *(f"c{i}" for i in range(CATEGORIES)),
            "none-c",
        ),
        start=1,
    )
}
WIDTH, HEIGHT = 400, 170  # units of the viewBox: what a phone shows is not smaller than read well
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "embed_pipeline",  # ids are the same in every drawing
    "text.parse_math": False,
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": PAINT["line"],
    "axes.labelcolor": PAINT["muted"],
    "axes.axisbelow": True,
    "xtick.color": PAINT["muted"],
    "ytick.color": PAINT["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": PAINT["line"],
    "grid.linewidth": 0.8,
    "text.color": PAINT["ink"],
}
_VARIABLES = {color: f"var(--{name})" for name, color in PAINT.items()}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = ("metadata", "style")
_OWN = re.compile(r"(?:#|url\(#)([\w.-]+)")
_UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
_LONG = re.compile(r"(\d+\.\d\d)\d+")


@contextmanager
def drawing(width: int = WIDTH, height: int = HEIGHT) -> Iterator[Figure]:
    """Give a figure in our style, whatever the user's own is."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield Figure(figsize=(width / 72, height / 72), layout="constrained")


def inline(figure: Figure, name: str, label: str, titles: Sequence[str] = ()) -> Markup:
    """Return a figure as an <svg> element; the same for the same figure.

    Args:
        figure: Drawn in the colors of PAINT.
        name: Unique on the page: ids begin with it.
        label: What a screen reader says of it.
        titles: Of the marks of the artist whose gid is "points", in their order.
    """
    FigureCanvasSVG(figure)
    stream = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    root = ET.fromstring(stream.getvalue())  # noqa: S314 (what we have drawn ourselves)
    _give_titles(root, titles)
    _adapt(root, name)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "plot",
        "role": "img",
        "aria-label": label,
    }
    text = ET.tostring(root, encoding="unicode")
    return Markup(text)  # noqa: S704 (made of elements, which escape their text)


def _give_titles(root: ET.Element, titles: Sequence[str]) -> None:
    points = root.find(".//*[@id='points']")
    if points is None or not titles:
        return
    inside_definitions = {mark for defs in points.iter(f"{_SVG}defs") for mark in defs.iter()}
    marks = [
        mark
        for mark in points.iter()
        if mark.tag in (f"{_SVG}use", f"{_SVG}path") and mark not in inside_definitions
    ]
    for mark, title in zip(marks, titles, strict=True):
        ET.SubElement(mark, f"{_SVG}title").text = title


def _adapt(root: ET.Element, name: str) -> None:
    """Leave out what a page does not need, and make ids, colors and fonts fit it."""
    for element in list(root.iter()):
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = None
        if element.tag != "title" and not (element.text or "").strip():
            element.text = None
        for child in list(element):
            if child.tag.removeprefix(_SVG) in _DROPPED:
                element.remove(child)
    used = {
        found
        for one in root.iter()
        for value in one.attrib.values()
        for found in _OWN.findall(value)
    }
    for element in root.iter():
        element.attrib = {
            "href" if key == _LINK else key: _value(key, value, name)
            for key, value in element.attrib.items()
            if not (key == "id" and value not in used) and not _UNTURNED.fullmatch(value)
        }


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "style":
        return _style(value)
    value = _OWN.sub(lambda match: match[0].replace(match[1], f"{name}-{match[1]}"), value)
    return _LONG.sub(r"\1", value).replace("\n", "")


def _style(value: str) -> str:
    """Return declarations without fonts, with the page's colors."""
    kept = [one.strip() for one in value.split(";") if not one.strip().startswith("font-family")]
    text = ";".join(one.replace(": ", ":") for one in kept if one)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return text
