"""Names and values below each other."""

import io

from rich.console import Console

from embed_pipeline.pipelines.pairs import print_pairs


def test_values_stand_below_each_other_whole_and_as_they_are() -> None:
    out = io.StringIO()
    pairs = [("a", "[red]x[/red]"), ("long", "y" * 100), ("", "more")]
    print_pairs(Console(file=out, width=20), pairs)
    assert out.getvalue() == f"a     [red]x[/red]\nlong  {'y' * 100}\n      more\n"


def test_control_characters_are_shown_not_obeyed() -> None:
    out = io.StringIO()
    print_pairs(Console(file=out, width=20), [("a\x9b", "\x1b[2J\u202e")])
    assert out.getvalue() == "a\\x9b  \\x1b[2J\\u202e\n"
