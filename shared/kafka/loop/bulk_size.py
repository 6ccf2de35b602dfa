"""How many bulk records to take at once: few while live ones come in, which wait for the batch under way."""

from typing import Final

_WAIT_S: Final = 0.025  # what a live record may wait for a bulk batch
_LEAST: Final = 20  # fewer cost much more each, and would hardly be quicker together
_QUIET_AFTER_S: Final = 5.0  # without a live record


class BulkSize:
    """Learns from each batch how long the next may be. Times are by the event loop's clock."""

    def __init__(self, most: int) -> None:
        """`most`: records of a batch while nothing live comes in."""
        self._most = most
        self._live_until = float("-inf")
        self._s_a_record = 0.0

    def settled(self, *, live: int, bulk: int, took: float, now: float) -> None:
        """A batch of so many records took so many seconds."""
        if live:
            self._live_until = now + _QUIET_AFTER_S
        if bulk:
            self._s_a_record = took / (live + bulk)

    def records(self, now: float) -> int:
        """The most that the next bulk batch may hold."""
        if now > self._live_until or not self._s_a_record:
            return self._most
        return min(self._most, max(_LEAST, int(_WAIT_S / self._s_a_record)))
