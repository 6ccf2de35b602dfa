"""How long a live lead takes to each hop: all services measure from one moment, the lead's own time.

For a public sender, or one that names no time, that is its receipt. So the hop at which the figures jump is the slow
one, and a late sender shows as such.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Histogram

Hop: TypeAlias = Literal["received", "acknowledged", "scored", "enrolled", "attempted", "delivered"]
LEAD: Final = "lead.captured"
# Milliseconds for our own work, then the deadlines that workflows promise: 2, 5, 15, 60 minutes.
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)


class BatchHistogram(Histogram):
    """One that takes many observations for the price of one: the library's own costs 2 µs each, ours 0.3."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Each as by `observe`."""
        self._sum.inc(sum(amounts))
        for bucket, count in Counter(bisect_left(self._upper_bounds, each) for each in amounts).items():
            self._buckets[bucket].inc(count)


class Hops:
    """The histogram of one service, for the hops that happen in it."""

    def __init__(self, seconds: BatchHistogram, hops: Iterable[Hop]) -> None:
        """Every hop has its series from the start, so that `rate` sees the first lead."""
        self._of = {hop: seconds.labels(hop) for hop in hops}

    def passed(self, hop: Hop, happened: Iterable[datetime], now: datetime) -> None:
        """Leads of these times have passed the hop now."""
        self.all_passed(hop, ((at, now) for at in happened))

    def all_passed(self, hop: Hop, leads: Iterable[tuple[datetime, datetime]]) -> None:
        """Leads that happened then have passed the hop at that time."""
        self._of[hop].observe_all([max(0.0, (passed - happened).total_seconds()) for happened, passed in leads])


class LeadHops(Hops):
    """Those of leads."""

    def __init__(self, registry: CollectorRegistry, *hops: Hop) -> None:
        seconds = BatchHistogram(
            "firsthour_lead_hop_seconds",
            "From when a live lead happened to when it had passed this hop.",
            ["hop"],
            buckets=SECONDS,
            registry=registry,
        )
        super().__init__(seconds, hops)


class CanaryHops(Hops):
    """Those of canaries (shared/canary.py), kept apart: they are nobody's leads."""

    def __init__(self, registry: CollectorRegistry, *hops: Hop) -> None:
        seconds = BatchHistogram(
            "firsthour_canary_hop_seconds",
            "From when a canary lead was sent to when it had passed this hop.",
            ["hop"],
            buckets=SECONDS,
            registry=registry,
        )
        super().__init__(seconds, hops)
