"""What comes from outside, on a terminal: nothing of it is obeyed."""

import io

import pytest
from rich.console import Console

from embed_pipeline.pipelines.printable import escape, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m\x7f\x00\r\b", r"\x9b31m\x7f\x00\r\x08"),
        ("a\u202etxt.exe\u2069\u2028", r"a\u202etxt.exe\u2069\u2028"),
        ("\udc80", r"\udc80"),
        ("two\nlines\tand é 日本\u3000語 👩\u200d🚀", "two\nlines\tand é 日本\u3000語 👩\u200d🚀"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_the_others_as_they_are(
    text: str, shown: str
) -> None:
    assert printable(text) == shown


def test_markup_is_printed_as_it_is_too() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(escape("[red]\x1b[31m"))
    assert out.getvalue() == "[red]\\x1b[31m\n"
