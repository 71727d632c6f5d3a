"""What several commands make of their arguments."""

import click
import pytest

from embed_pipeline.errors import ConfigError
from embed_pipeline.pipelines.arguments import (
    Folder,
    check_telling,
    named_endpoint,
    shortened,
)


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


def test_to_tell_less_and_more_at_once_is_refused() -> None:
    check_telling(quiet=True, verbose=False)
    check_telling(quiet=False, verbose=True)
    with pytest.raises(click.UsageError, match="exclude each other"):
        check_telling(quiet=True, verbose=True)


def test_a_folder_is_completed_by_the_shell() -> None:
    parameter = click.Argument(["dataset"], type=Folder())
    (found,) = parameter.shell_complete(click.Context(click.Command("x")), "out/")
    assert (found.value, found.type) == ("out/", "dir")
