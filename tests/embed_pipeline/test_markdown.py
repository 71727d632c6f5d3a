"""Names and values from outside in Markdown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.markdown import block, code, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("all-minilm", "`all-minilm`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        (" a", "`  a `"),
        ("", "`  `"),
        ("a\nb\tc", r"`a\nb\tc`"),
        ("a\u202eb\ud800", r"`a\u202eb\ud800`"),
        ("<b>*é*</b>", "`<b>*é*</b>`"),
        ("a\\|b", r"`a\\x7cb`"),
    ],
)
def test_inline_code_shows_a_text_as_it_is_on_one_line(text: str, shown: str) -> None:
    assert code(text) == shown


@given(st.text())
def test_nothing_leaves_its_inline_code(text: str) -> None:
    shown = code(text)
    found = re.fullmatch("(`+)((?!`).*[^`]|[^`])(`+)", shown)
    assert found is not None
    assert found[1] == found[3]
    assert found[1] not in re.findall("`+", found[2])


def test_a_block_of_code_is_fenced_longer_than_what_it_holds() -> None:
    assert block("sh", "\nls\n") == "```sh\nls\n```"
    assert block("python", 'a = "```"') == '````python\na = "```"\n````'


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(("a", "b"), [(code("x|y"), "1")]) == "| a | b |\n| --- | --- |\n| `x\\|y` | 1 |"
