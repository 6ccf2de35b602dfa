"""Rate limits. Each process counts for itself: with two workers a limit is up to twice as high."""

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from services.ingest.config.source import Source
from services.ingest.domain.rate import Rate, take
from services.ingest.http.client_address import sender
from shared.http.problems import Problem

_MOST: Final = 100_000  # senders remembered; beyond it the least recent one is forgotten
_GUESSES: Final = Rate(1 / 6, 20)  # wrong keys per address: 20 at once, then 10 a minute


class Limits:
    """Per source, per address within a source, and wrong keys per address."""

    def __init__(self, clock: Callable[[], float], registry: CollectorRegistry) -> None:
        """`clock`: a monotonic clock, in seconds."""
        self._clock = clock
        self._due: OrderedDict[Hashable, float] = OrderedDict()
        self._limited = Counter("firsthour_ingest_limited", "Requests answered 429.", ["limit"], registry=registry)

    def admit(self, source: Source, address: str) -> None:
        """Count one request of the source. Raises Problem 429 when source or address exceed their limit.

        An address of a private network is not counted (see `sender`).
        """
        limits = source.limits
        if limits.address is not None and (who := sender(address)) is not None:
            self._count((source.name, who), limits.address, "address")
        if limits.source is not None:
            self._count(source.name, limits.source, "source")

    def leads(self, source: Source, address: str, count: int) -> None:
        """Count leads, however many requests they come in. Raises Problem 429."""
        limit = source.limits.forms
        if limit is not None and count and (who := sender(address)) is not None:
            self._count((source.name, who, "form"), limit, "forms", count)

    def guessing(self, address: str) -> None:
        """Raises Problem 429, before the key is checked, if the address has sent too many wrong ones.

        Private addresses are exempt: behind an unconfigured proxy, one who guesses would lock out everybody.
        """
        who = sender(address) if self._due else None
        if who is not None and who in self._due:
            _, wait = take(self._due[who], _GUESSES, self._clock())
            if wait:
                raise self._too_many("keys", wait)

    def guessed_wrong(self, address: str) -> None:
        """Count one wrong key of the address. Raises Problem 429 when there were too many."""
        self._count(sender(address) or address, _GUESSES, "keys")

    def _count(self, who: Hashable, rate: Rate, limit: str, count: int = 1) -> None:
        due, wait = take(self._due.get(who, 0.0), rate, self._clock(), count)
        if wait:
            raise self._too_many(limit, wait)
        self._remember(who, due)

    def _remember(self, who: Hashable, due: float) -> None:
        self._due[who] = due
        self._due.move_to_end(who)
        if len(self._due) > _MOST:
            self._due.popitem(last=False)

    def _too_many(self, limit: str, wait: float) -> Problem:
        self._limited.labels(limit=limit).inc()
        seconds = str(math.ceil(wait))
        return Problem(
            429,
            "Too many requests",
            f"Send it again in {seconds} s.",
            headers={"Retry-After": seconds, "X-RateLimit-Reset": seconds},
        )
