"""The parts a report's page is put together from: tables, pairs, figures, and numbers in words.

What comes from outside is an argument of `Markup.format`, which escapes it; `told` takes out of it
what no page can hold.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

LONGEST = 200  # characters of one value on the page
NOTHING = Markup("")
MOST_ROWS = 60  # of one table, so that a page stays small whatever the run
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


class Column(NamedTuple):
    """Say what heads a column, and whether it holds numbers or sentences."""

    name: str
    is_number: bool = False
    is_prose: bool = False


def told(value: object) -> Markup:
    """Return a value from outside: escaped, cut, apart from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(shown(value))


def shown(value: object) -> str:
    """Return a value from outside as text, not escaped: cut, and without what no page can hold."""
    text = _UNSHOWABLE.sub("\ufffd", str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def prose(text: str) -> Markup:
    """Return our own words, with what stands in backticks as code."""
    plain = str(Markup("{}").format(_LINK.sub(r"\1", text)))
    return Markup(_CODE.sub(r"<code>\1</code>", plain))  # noqa: S704 (escaped on the line above)


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], caption: str) -> Markup:
    """Return a table; the first cell of a row is its heading. Beyond MOST_ROWS it says how many.

    Args:
        columns: Their names.
        rows: Cells; what is no Markup is escaped.
        caption: What a screen reader says of it.
    """
    head = joined(
        Markup('<th scope="col"{}>{}</th>').format(_kind(one), one.name) for one in columns
    )
    body = joined(_row(columns, row) for row in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        body += Markup('<tr><td colspan="{}" class="more">{:,} more</td></tr>').format(
            len(columns), len(rows) - MOST_ROWS
        )
    return Markup(
        '<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table class="{kind}">'
        '<caption class="unseen">{caption}</caption>'
        "<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    ).format(
        caption=caption,
        kind="sentences" if any(one.is_prose for one in columns) else "plain",
        head=head,
        body=body,
    )


def _row(columns: Sequence[Column], row: Sequence[object]) -> Markup:
    cells = [
        Markup("<td{}>{}</td>").format(_kind(column), cell)
        for column, cell in zip(columns[1:], row[1:], strict=True)
    ]
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(row[0], joined(cells))


def _kind(column: Column) -> Markup:
    if column.is_number:
        return Markup(' class="n"')
    return Markup(' class="long"') if column.is_prose else Markup("")


def pairs(found: Iterable[tuple[str, object]]) -> Markup:
    """Return names with values."""
    each = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in found)
    return Markup('<dl class="pairs">{}</dl>').format(joined(each))


def section(title: str, *parts: Markup, name: str) -> Markup:
    """Return a part of the page with its heading; nothing where it has no parts."""
    body = joined(parts)
    if not body:
        return body
    return Markup(
        '<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>'
    ).format(name=name, title=title, body=body)


def figure(title: str, plot: Markup, *below: Markup) -> Markup:
    """Return a plot with its title and what stands below it."""
    return Markup("<figure><figcaption>{}</figcaption>{}{}</figure>").format(
        title, plot, joined(below)
    )


def grid(*parts: Markup) -> Markup:
    """Return parts beside each other, as far as there is room."""
    return Markup('<div class="grid">{}</div>').format(joined(parts))


def numbers(content: Markup) -> Markup:
    """Return the numbers behind a plot, to be opened."""
    return Markup("<details><summary>Numbers</summary>{}</details>").format(content)


def paragraph(text: str, *values: object, kind: str = "") -> Markup:
    """Return a paragraph; the text is ours, its {} are filled with values."""
    return Markup('<p class="{}">{}</p>').format(kind, prose(text).format(*values))


def swatch(color: str) -> Markup:
    """Return a patch in one of the page's colors, beside what it stands for."""
    return Markup('<i class="swatch" style="background:var(--{})"></i>').format(color)


def bar(share: float) -> Markup:
    """Return a bar as long as a share of all."""
    width = f"{100 * min(max(share, 0), 1):.1f}"
    return Markup('<i class="bar"><i style="width:{}%"></i></i>').format(width)


def joined(parts: Iterable[Markup]) -> Markup:
    """Return parts one after the other."""
    return Markup("").join(parts)


def percent(part: float, whole: float) -> str:
    """Return a share: with a digit after the point, and never as none or all where it is not."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %" if 0 < share < 100 else f"{share:.0f} %"


def rate(count: float, seconds: float) -> str:
    """Return how much was done in a second."""
    if seconds <= 0:
        return "–"
    value = count / seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a time in the units that suit it."""
    if 0 < seconds < 0.005:
        return "< 0.01 s"
    if seconds < 60:
        digits = 0 if seconds >= 10 or seconds == int(seconds) else 1 if seconds >= 1 else 2
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,.0f} bytes"


def moment(rfc3339: str) -> str:
    """Return a time, to the second; what is none, as it is."""
    try:
        return f"{datetime.fromisoformat(rfc3339).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return rfc3339


def span(began: str, ended: str) -> str:
    """Return two times; the day once where it is the same."""
    first, last = moment(began), moment(ended)
    if first[:10] == last[:10]:
        return f"{first.removesuffix(' UTC')} to {last[11:]}"
    return f"{first} to {last}"
