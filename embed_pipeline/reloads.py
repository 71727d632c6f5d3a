"""Whether a request met a model that had to be loaded, told from its answer's load_duration."""

import threading
from collections import deque
from statistics import median_low

LEAST_NS = 20_000_000  # a shorter load is not worth telling
TIMES_SHORTEST = 25  # times the shortest load_duration of a loaded model
TIMES_USUAL = 10  # times the usual one
SHORTEST_NS = 5_000_000  # that of a usual server, until ours is known
REMEMBERED = 31  # requests that tell the usual one


class Reloads:
    """Watch the load_durations of one endpoint's answers; threads may share it.

    A load_duration is never nothing: it spans the server's handler up to the moment the model is
    there, so reading the request counts, and with some servers a ping of the model. Measured with
    all-minilm on two processors, in milliseconds: where the model was loaded, with one client and
    nothing else to do, and with ten beside two busy processes; and where it was not.

        a server of Ollama's kind, 0.24:  5-10;   6-207, half of them below 27;  292-366
        the embedded endpoint:            0-0.1;  0-0.1;                         55-616

    So no fixed bound fits both, and a busy server's answers spread. A request met a load where its
    load_duration exceeds 20 ms, 25 times the shortest of the loaded model and 10 times the usual
    one (the median of the last 31 that met none). Larger models take seconds to load, with the same
    few milliseconds otherwise. What this gets wrong: forty clients that all begin at once can reach
    280 ms at such a server without a load; and a load before any answer of the loaded model is not
    told if it took less than 125 ms.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shortest = SHORTEST_NS
        self._usual: deque[int] = deque(maxlen=REMEMBERED)
        self._last = (0.0, 0.0)  # from when to when the last load was waited for

    def saw(self, load_ns: int, sent: float | None = None) -> bool:
        """Take in one answer; tell whether it met a load that no earlier call told of.

        Args:
            load_ns: The answer's load_duration, in nanoseconds; 0 where it does not say.
            sent: When the request was sent, in seconds of time.monotonic; None where requests never
                overlap. Of those that waited for the same load, one is told.
        """
        if load_ns <= 0:
            return False
        with self._lock:
            if load_ns <= self._bound():
                self._learn(load_ns)
                return False
            return sent is None or self._is_new(sent, sent + load_ns / 1e9)

    def _bound(self) -> float:
        """Return the longest load_duration a loaded model has, in nanoseconds."""
        usual = median_low(self._usual) if self._usual else 0
        return max(LEAST_NS, TIMES_SHORTEST * self._shortest, TIMES_USUAL * usual)

    def _learn(self, load_ns: int) -> None:
        """Remember how long it takes where the model is loaded."""
        if not self._usual and load_ns > LEAST_NS:
            return  # which may have been a short load
        self._shortest = min(self._shortest, load_ns) if self._usual else load_ns
        self._usual.append(load_ns)

    def _is_new(self, sent: float, there: float) -> bool:
        """Tell whether a wait for the model does not overlap the last one."""
        began, ended = self._last
        if sent >= ended or there <= began:
            self._last = (sent, there)
            return True
        self._last = (min(began, sent), max(ended, there))
        return False
