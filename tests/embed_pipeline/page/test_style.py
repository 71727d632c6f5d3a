"""The style of a report's page: it loads nothing, knows its colors, and can be read."""

import re

import pytest

from embed_pipeline.page.style import STYLE
from embed_pipeline.page.svg import PAINT

PALETTES = [dict(re.findall(r"--([\w-]+):(#\w{6})", part)) for part in STYLE.split("@media")[:2]]


def brightness(color: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def test_it_loads_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face|</", STYLE)


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
def test_every_color_that_is_used_is_known(palette: dict[str, str]) -> None:
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) | set(PAINT) <= set(palette)


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "muted", "bad"])
def test_text_can_be_read(palette: dict[str, str], name: str) -> None:
    assert contrast(palette[name], palette["back"]) >= 4.5
    assert contrast(palette[name], palette["card"]) >= 4.5


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark"])
@pytest.mark.parametrize("name", ["accent", "good", "fair", *(f"c{number}" for number in range(8))])
def test_marks_can_be_seen(palette: dict[str, str], name: str) -> None:
    assert contrast(palette[name], palette["back"]) >= 2.2
