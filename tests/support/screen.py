"""A terminal, as far as what we print needs one: what stands on it after all was written."""

import re

_TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """Take what is written to a terminal.

    Attributes:
        rows: What stands there, without colors.
        cursor_is_hidden: Whether the cursor is not shown.
    """

    def __init__(self, width: int) -> None:
        self.rows = [""]
        self.cursor_is_hidden = False
        self._width = width
        self._row = self._column = 0

    def write(self, text: str) -> None:
        """Show a text and follow the control sequences in it."""
        for numbers, control, line_end, plain in _TOKEN.findall(text):
            if control:
                self._control(control, numbers)
            elif line_end == "\r":
                self._column = 0
            elif line_end:
                self._down()
            for character in plain:
                self._put(character)

    def narrow(self, width: int) -> None:
        """Make the window narrower; what is too wide is wrapped. The cursor is in the last row."""
        rows: list[str] = []
        for row in self.rows[: self._row + 1]:
            rows += [row[at : at + width] for at in range(0, max(1, len(row)), width)]
        self.rows, self._width = rows, width
        self._row, self._column = len(rows) - 1, len(rows[-1])

    @property
    def text(self) -> str:
        """Return what stands there, without the empty rows at its end."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip()

    def _control(self, control: str, numbers: str) -> None:
        if control == "A":
            self._row = max(0, self._row - int(numbers or 1))
        elif control == "K":
            assert numbers == "2"
            self.rows[self._row] = ""
        elif control in "hl":
            assert numbers == "?25"
            self.cursor_is_hidden = control == "l"
        else:
            assert control == "m", control

    def _down(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self.rows):
            self.rows.append("")

    def _put(self, character: str) -> None:
        if self._column == self._width:
            self._down()
        row = self.rows[self._row].ljust(self._column)
        self.rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1
