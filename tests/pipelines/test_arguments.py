"""What several commands make of their arguments."""

import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.arguments import named_endpoint, shortened


def test_the_flags_name_an_endpoint() -> None:
    found = named_endpoint("http://127.0.0.1:9", "all-minilm")
    assert (found.url, found.model) == ("http://127.0.0.1:9", "all-minilm")


def test_an_address_that_is_none_is_told_with_the_flags() -> None:
    with pytest.raises(ConfigError, match=r"--url, --model.* is not an address"):
        named_endpoint("nowhere", "all-minilm")


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\n\t b ", "a b"), ("x" * 9, "x" * 9), ("x" * 10, "x" * 10), ("x" * 11, "x" * 9 + "…")],
)
def test_a_text_is_shown_as_one_line_of_so_many_characters_at_most(text: str, line: str) -> None:
    assert shortened(text, 10) == line
