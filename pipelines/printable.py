"""What comes from outside, on a terminal: its control characters are shown, not obeyed."""

import re

from rich import markup

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tabs and line feeds: ESC moves the cursor, and more
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of what follows
    "\u2028\u2029\ud800-\udfff]"  # break lines; cannot be written
)


def printable(text: str) -> str:
    r"""Return a text with its control characters as escapes, such as \x1b."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def escape(text: str) -> str:
    """Return a text as markup of rich's that prints it, its control characters as escapes."""
    return markup.escape(printable(text))  # noqa: TID251 (all others are to use this one)
