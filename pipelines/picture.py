"""A picture on a terminal, each in the place of the one before it."""

import sys
from typing import Self

from rich.console import Console, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment


class Picture:
    """Show something below what is printed, until the block ends; then it is gone.

    What is printed to the console meanwhile appears above it.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = _live(console)
        self._lines: list[int] = []  # how wide each line is
        self._width = console.width

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._erase_wrapped()
        self._live.stop()

    def show(self, what: RenderableType) -> None:
        """Show this instead."""
        self._erase_wrapped()
        lines = self._console.render_lines(what, pad=False)
        self._lines = [Segment.get_line_length(line) for line in lines]
        self._width = self._console.width
        self._live.update(what, refresh=True)

    def _erase_wrapped(self) -> None:
        """Erase what a window that has become narrower has wrapped of the last picture.

        Terminals do that at once, so the picture begins further up than it did.
        """
        width = self._console.width
        if width >= self._width:
            return
        rows = [max(1, -(-line // width)) for line in self._lines]
        more = sum(rows) - len(rows)
        self._live.stop()
        up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)]
        self._console.control(Control(*up * more))
        self._width = width
        self._live = _live(self._console)  # the old one would erase again what it has erased
        self._live.start()


def _live(console: Console) -> Live:
    """Return what shows one picture after the other, where lines stay as they are."""
    return Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # what goes to a file or a pipe stays there
    )
