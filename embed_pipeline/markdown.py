"""Names and values from outside in Markdown: shown as they are, and never read as markup."""

import re
from collections.abc import Iterable, Sequence

_BAR = r"\|"  # even in inline code, a bar would end the cell


def code(text: str) -> str:
    """Return a text as inline code on one line; what cannot be printed is escaped."""
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    ).replace("\\|", r"\\x7c")  # after a backslash, `table` could not escape the bar
    fence = "`" * (_longest_run(shown) + 1)
    space = " " if shown != shown.strip(" `") or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def block(language: str, lines: str) -> str:
    """Return lines as a block of code, whatever they hold."""
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"{fence}{language}\n{lines.strip()}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown themselves, without line breaks."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |" for cells in lines
    )


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
