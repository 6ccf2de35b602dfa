"""Figures that are added up in between: moving one of Prometheus' costs more than all else that is counted."""

import asyncio
from abc import abstractmethod
from collections import Counter as Counts
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.registry import Collector

_EVERY_S: Final = 0.2


class Gathered(Collector):
    """Moves its figures a few times a second, and before they are read.

    A collector of nothing, made before its figures: the registry asks in this order. Of several workers another one
    may be asked, so that reading alone is not enough.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._at: asyncio.TimerHandle | None = None
        registry.register(self)

    def gathering(self) -> None:
        """There is something to move."""
        if self._at is None:
            self._at = asyncio.get_running_loop().call_later(_EVERY_S, self._flush)

    @abstractmethod
    def move(self) -> None:
        """Move the figures by what was gathered."""

    def collect(self) -> Iterable[Metric]:
        self._flush()
        return ()

    def _flush(self) -> None:
        if self._at is not None:
            self._at.cancel()
            self._at = None
        self.move()


class Answers(Gathered):
    """The answers of the hot paths."""

    def __init__(self, registry: CollectorRegistry, paths: Iterable[str]) -> None:
        super().__init__(registry)
        self._counter = Counter(
            "firsthour_ingest_answers", "Answers of the hot paths.", ["path", "status"], registry=registry
        )
        self._gathered: Counts[tuple[str, int]] = Counts()
        # Faults begin at 0: Prometheus sees no rise in what has just appeared, and the first refusals of an outage may
        # lie between two of its looks.
        for path in paths:
            for status in ("500", "503"):
                self._counter.labels(path=path, status=status)

    def count(self, path: str, status: int) -> None:
        """Count one."""
        self._gathered[path, status] += 1
        self.gathering()

    def move(self) -> None:
        """Move the figures."""
        gathered, self._gathered = self._gathered, Counts()
        for (path, status), count in gathered.items():
            self._counter.labels(path=path, status=str(status)).inc(count)
