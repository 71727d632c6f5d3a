"""A picture on a terminal: it takes the place of the last one, and is gone at the end."""

import io

import pytest
from rich.console import Console

from embed_pipeline.pipelines.picture import Picture
from tests.support.screen import Screen


class Terminal(io.StringIO):
    """Be a terminal's stream."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def write(self, text: str) -> int:
        self.screen.write(text)
        return len(text)

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen() -> Screen:
    return Screen(20)


@pytest.fixture
def console(screen: Screen) -> Console:
    return Console(
        file=Terminal(screen), width=20, height=10, color_system=None, _environ={"TERM": "xterm"}
    )


def test_a_picture_takes_the_place_of_the_last_one_and_is_gone_at_the_end(
    screen: Screen, console: Console
) -> None:
    console.print("before")
    with Picture(console) as picture:
        assert screen.cursor_is_hidden
        picture.show("one\ntwo\nthree")
        assert screen.text == "before\none\ntwo\nthree"
        picture.show("four")
        assert screen.text == "before\nfour"
    console.print("after")
    assert screen.text == "before\nafter"
    assert not screen.cursor_is_hidden


def test_what_is_printed_meanwhile_stands_above_it(screen: Screen, console: Console) -> None:
    with Picture(console) as picture:
        picture.show("one\ntwo")
        console.print("a warning that takes two lines", soft_wrap=True)
        assert screen.text == "a warning that takes\n two lines\none\ntwo"
        picture.show("three")
    assert screen.text == "a warning that takes\n two lines"


def test_a_window_that_becomes_narrower_leaves_nothing_behind(
    screen: Screen, console: Console
) -> None:
    console.print("before")
    with Picture(console) as picture:
        picture.show("seventeen letters\nshort\nseventeen letters")
        for width, told in ((10, "ten letter\nand\nso on"), (5, "five"), (4, "end")):
            screen.narrow(width)
            console.width = width
            picture.show(told)
            assert screen.text.replace("\n", "") == f"before{told}".replace("\n", "")
    assert screen.text.replace("\n", "") == "before"


def test_an_error_meanwhile_leaves_nothing_behind(screen: Screen, console: Console) -> None:
    def fail() -> None:
        with Picture(console) as picture:
            picture.show("one\ntwo")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        fail()
    assert (screen.text, screen.cursor_is_hidden) == ("", False)
