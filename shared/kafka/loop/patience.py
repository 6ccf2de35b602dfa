"""How long the broker may hold a fetch that finds nothing: longer at rest, so that both sides sleep.

While there is traffic it is short: a fetch leaves out partitions that are still being consumed, and what arrives for
those waits until it ends. At rest a fetch covers all partitions, and the first record ends it at once.
"""

from typing import Final

from aiokafka import AIOKafkaConsumer

SOON_MS: Final = 100
AT_REST_MS: Final = 2000
_LOOK_MS: Final = 500  # how long the loop waits at rest before it looks around
_RESTS_AFTER_S: Final = 5.0  # without a record


class Patience:
    """The patience of one consumer that was started with `SOON_MS`."""

    def __init__(self, consumer: AIOKafkaConsumer, now: float) -> None:
        """`now`, here and below: by the event loop's clock."""
        self._consumer = consumer
        self._last = now
        self.rests = False
        self.ms = SOON_MS

    def read(self, records: int, now: float) -> None:
        """So many were read."""
        if records:
            self._last = now
        self.rests = now - self._last > _RESTS_AFTER_S
        self.ms = _LOOK_MS if self.rests else SOON_MS
        # aiokafka takes it only at start, but its fetcher rereads it for each fetch.
        self._consumer._fetcher._fetch_max_wait_ms = AT_REST_MS if self.rests else SOON_MS  # noqa: SLF001
