"""The circuit of a whole job: no text may fail for ever while none succeeds."""

import threading

from embed_pipeline import errors


class Stall:
    """Measure how long texts have been sent without one getting a vector; threads may share it.

    Only time in which a request was under way counts, so that a source may pause as long as it
    likes.

    Args:
        seconds: How long that may last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._without = 0.0
        self._until = 0.0

    def succeeded(self, now: float) -> None:
        """Take note that a text got its vector, at that moment; seconds from any point on."""
        with self._lock:
            self._without = 0.0
            self._until = max(self._until, now)

    def failed(self, began: float, ended: float, error: errors.EndpointError) -> None:
        """Take note of texts that were sent, none of which got a vector.

        Args:
            began: When the request was sent; seconds from any point on.
            ended: When its texts were given up.
            error: The last one's.

        Raises:
            NothingSucceeds: This has lasted too long.
        """
        with self._lock:
            self._without += max(0.0, ended - max(began, self._until))
            self._until = max(self._until, ended)
            if self._without < self._seconds:
                return
        raise errors.NothingSucceeds(
            f"no text has got a vector for {self._seconds:.0f} s (retry.stalled_seconds), so the "
            f"job stops instead of failing one text after the other; the last error: {error}",
            error.status,
        )
