"""How much is sent at once, as far as the endpoint can bear it: less after trouble, slowly more."""

STEP = 0.1  # of one more, for each success


class Pace:
    """Hold how much of a setting is used: halved on trouble, recovering slowly, never above it.

    Additive increase, multiplicative decrease, as TCP does it against congestion (RFC 5681). Not
    locked: who shares it holds a lock.

    Args:
        most: The setting; 1 at least.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = float(most)

    @property
    def now(self) -> int:
        """Return how much may be used now; 1 at least."""
        return int(self._used)

    @property
    def is_slowed(self) -> bool:
        """Tell whether that is less than the setting."""
        return self.now < self._most

    def halve(self) -> None:
        """Use half as much from here on."""
        self._used = max(1.0, self.now / 2)

    def recover(self) -> None:
        """Use a little more, after a success."""
        self._used = min(float(self._most), self._used + STEP)
