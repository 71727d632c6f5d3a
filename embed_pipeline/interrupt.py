"""Ask the process to stop, from a signal handler, and let its loops and waits notice.

The flag is process-wide. A queue wakes the waits because its `put` may be called by a signal
handler at any moment; an Event may deadlock there, as the interrupted code can hold its lock.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stop:
    """Hold the signal that asked to stop, and a token that wakes every wait in turn."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.wakeups: SimpleQueue[None] = SimpleQueue()


_stop = _Stop()


def request_stop(signal_number: int) -> None:
    """Ask the process to stop; the first signal is the one that is remembered."""
    if _stop.signal_number is None:
        _stop.signal_number = int(signal_number)
        _stop.wakeups.put(None)


def stop_requested() -> int | None:
    """Return the number of the signal that asked to stop, or None."""
    return _stop.signal_number


def clear() -> None:
    """Forget a request to stop, before another job starts in this process."""
    global _stop  # noqa: PLW0603 (the flag is process-wide by purpose)
    _stop = _Stop()


def wait(seconds: float) -> bool:
    """Sleep, but end at once when a stop is asked for.

    Args:
        seconds: How long to sleep; nothing happens where it is not positive.

    Returns:
        Whether a stop was asked for.
    """
    stop = _stop
    if stop.signal_number is not None or seconds <= 0:
        return stop.signal_number is not None
    try:
        stop.wakeups.get(timeout=seconds)
    except Empty:
        return stop.signal_number is not None
    stop.wakeups.put(None)  # wakes the next one
    return True


@contextmanager
def stop_on_signals(
    *, at_once: bool = False, seconds: float | None = None
) -> Iterator[Callable[[], None]]:
    """Turn SIGINT and SIGTERM into a request to stop, and restore the old handlers at the end.

    Yields a function that takes the signals back, where others have put handlers of their own.

    A SIGINT after that raises KeyboardInterrupt. Outside the main thread, where Python allows no
    handlers, nothing is installed.

    Args:
        at_once: Raise KeyboardInterrupt at the first signal as well, because the work is done in
            processes that do not see the request.
        seconds: After so long a SIGALRM asks to stop as well; None: never.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handle = _raise if at_once else _handle
    numbers = _SIGNALS if seconds is None else (*_SIGNALS, signal.SIGALRM)

    def take() -> None:
        for number in numbers:
            signal.signal(number, handle)

    old = {number: signal.getsignal(number) for number in numbers}
    take()
    try:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        yield take
    finally:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)


def _raise(signal_number: int, _frame: FrameType | None) -> None:
    request_stop(signal_number)
    raise KeyboardInterrupt


def _handle(signal_number: int, _frame: FrameType | None) -> None:
    if signal_number == signal.SIGINT and _stop.signal_number is not None:
        raise KeyboardInterrupt
    request_stop(signal_number)
