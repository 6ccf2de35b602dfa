"""The figures of ingest's intake. Labels are names from the configuration, never anything about a person."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.accept.spool import Spool
from services.ingest.gathered import Gathered
from shared.clock import utc_now
from shared.lead_hops import LeadHops

_SECONDS_OF_WRITE: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(slots=True)
class _Sums:
    """What a source sent since the figures moved: of its live leads, when they happened, came and were safe."""

    events: int = 0
    leads: list[datetime] = field(default_factory=list)
    received: list[datetime] = field(default_factory=list)
    safe: list[datetime] = field(default_factory=list)


class IntakeMetrics(Gathered):
    """Accepted events, and the state of the spool and its disk."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """One of each for the process; of several workers, `/metrics` adds up or takes the worst."""
        self._sums: dict[str, _Sums] = {}
        super().__init__(registry)
        self._accepted = Counter("firsthour_ingest_events", "Events accepted.", ["source"], registry=registry)
        self._leads = Counter("firsthour_ingest_leads", "Leads among them.", ["source"], registry=registry)
        self._last_lead = Gauge(
            "firsthour_ingest_last_lead_timestamp_seconds",
            "When the last lead of the source was accepted (Unix time).",
            ["source"],
            registry=registry,
            multiprocess_mode="max",
        )
        self._of_source: dict[str, tuple[Counter, Counter, Gauge]] = {}  # a label look-up costs more than counting
        self._hops = LeadHops(registry, "received", "acknowledged")
        self._spooled = Counter("firsthour_ingest_spooled_events", "Events that went to the spool.", registry=registry)
        self._pending = Gauge(
            "firsthour_ingest_spool_pending", "Events in the spool.", registry=registry, multiprocess_mode="livesum"
        )
        self._bytes = Gauge(
            "firsthour_ingest_spool_bytes", "Bytes in the spool.", registry=registry, multiprocess_mode="livesum"
        )
        self._limit = Gauge(
            "firsthour_ingest_spool_limit_bytes",
            "Bytes that the spool takes at most.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._age = Gauge(
            "firsthour_ingest_spool_age_seconds",
            "How long there has been something in the spool.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._damaged = Gauge(
            "firsthour_ingest_spool_damaged",
            "Damaged spool files, for a person to look at.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._written = Histogram(
            "firsthour_ingest_spool_write_seconds",
            "Writing one group of events to the spool, with its fsync.",
            buckets=_SECONDS_OF_WRITE,
            registry=registry,
        )
        self._disk_free = Gauge(
            "firsthour_ingest_disk_free_bytes",
            "Room left on the disk of the spool.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._disk_size = Gauge(
            "firsthour_ingest_disk_size_bytes",
            "Size of the disk of the spool.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def accepted(self, source: str, events: int, leads: Sequence[datetime], received: datetime) -> None:
        """Count events of this source that came together and are safe now; `leads`: when its live leads happened."""
        sums = self._sums.get(source)
        if sums is None:
            sums = self._sums[source] = _Sums()
            self.gathering()
        sums.events += events
        if leads:
            sums.leads += leads
            sums.received += [received] * len(leads)
            sums.safe += [utc_now()] * len(leads)

    def move(self) -> None:
        """Move the figures."""
        sums_of, self._sums = self._sums, {}
        for source, sums in sums_of.items():
            events, leads, last = self._figures(source)
            events.inc(sums.events)
            if sums.leads:
                leads.inc(len(sums.leads))
                last.set(sums.safe[-1].timestamp())
                self._hops.all_passed("received", zip(sums.leads, sums.received, strict=True))
                self._hops.all_passed("acknowledged", zip(sums.leads, sums.safe, strict=True))

    def _figures(self, source: str) -> tuple[Counter, Counter, Gauge]:
        figures = self._of_source.get(source)
        if figures is None:
            figures = self._of_source[source] = (
                self._accepted.labels(source),
                self._leads.labels(source),
                self._last_lead.labels(source),
            )
        return figures

    def spooled(self, events: int) -> None:
        """Count events that went to the spool."""
        self._spooled.inc(events)

    def written(self, seconds: float) -> None:
        """The spool has written a group of events."""
        self._written.observe(seconds)

    def spool(self, spool: Spool) -> None:
        """Update the spool's gauges."""
        self._pending.set(spool.pending)
        self._bytes.set(spool.bytes)
        self._limit.set(spool.max_bytes)
        self._age.set(0 if spool.since is None else max(0.0, utc_now().timestamp() - spool.since))
        self._damaged.set(spool.damaged)

    def disk(self, folder: Path) -> None:
        """How full the disk is on which this folder lies. Raises OSError."""
        found = os.statvfs(folder)
        self._disk_free.set(found.f_bavail * found.f_frsize)
        self._disk_size.set(found.f_blocks * found.f_frsize)
