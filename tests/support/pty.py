"""A real pseudo-terminal whose other end a test reads."""

import fcntl
import os
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.screen import Screen


class Pty:
    """Collect what is written to a terminal.

    Attributes:
        descriptor: The end that is written to.
        written: What came, with its control sequences.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self._master, self.descriptor = os.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)
        self.written = ""
        self._columns = columns
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for(self, text: str) -> None:
        """Wait until a text was written."""
        with self._came:
            assert self._came.wait_for(lambda: text in self.written, 60), self.written

    def close(self) -> None:
        """Wait for what is on its way; nobody else may have it open any more."""
        os.close(self.descriptor)
        self._thread.join()
        os.close(self._master)

    @property
    def screen(self) -> Screen:
        """Return what stands on the terminal."""
        found = Screen(self._columns)
        found.write(self.written)
        return found

    def _read(self) -> None:
        with suppress(OSError):  # as Linux tells the end
            while found := os.read(self._master, 65_536):
                with self._came:
                    self.written += found.decode()
                    self._came.notify_all()


@contextmanager
def pseudo_terminal(columns: int = 80, lines: int = 24) -> Iterator[Pty]:
    """Open a terminal until the block ends."""
    found = Pty(columns, lines)
    try:
        yield found
    finally:
        found.close()
