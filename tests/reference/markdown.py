"""Tables in Markdown, and the regions of a document that are made of the code."""

import re
from collections.abc import Iterable, Mapping, Sequence

_BEGIN, _END = "<!-- made:{} -->\n", "<!-- made:end -->"
_REGION = re.compile(rf"^{_BEGIN.format('([^>]+)')}(.*?)^{_END}$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`[^`]+`)")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; what is in backticks is code, everything else stands as it is."""
    cells = [[_cell(text) for text in line] for line in (header, *rows)]
    head, *body = [f"|{'|'.join(f' {text} ' if text else ' ' for text in line)}|" for line in cells]
    return "\n".join([head, "|---" * len(header) + "|", *body, ""])


def _cell(text: str) -> str:
    """Escape what Markdown would take for markup, or for the end of the cell."""
    parts = _CODE.split(" ".join(text.split()))
    parts[::2] = [re.sub(r"([*<\[\]\\])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).replace("|", "\\|")


def renewed(document: str, regions: Mapping[str, str]) -> str:
    """Return a document with its regions made anew.

    A region begins with a line `<!-- made:NAME -->` and ends with `<!-- made:end -->`.

    Raises:
        ValueError: The document lacks one of the regions, or has one that nothing is made of.
    """
    found = [name for name, _ in _REGION.findall(document)]
    lacking = [_BEGIN.format(name) + _END for name in regions if name not in found]
    if lacking:
        raise ValueError(
            "it has no place for what is made of the code; add:\n" + "\n".join(lacking)
        )
    unknown = [name for name in found if name not in regions or found.count(name) > 1]
    markers = (document.count(_END), document.count(_BEGIN.partition("{")[0]))
    if unknown or markers != (len(found), 2 * len(found)):
        raise ValueError(f"regions of another name, twice, or without an end: {unknown}")
    return _REGION.sub(
        lambda region: f"{_BEGIN.format(region[1])}{regions[region[1]]}{_END}", document
    )
