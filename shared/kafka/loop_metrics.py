"""What the loop counts: labels are topics only."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class LoopMetrics:
    """Records, batches, dead letters and lag of one loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register under `firsthour_consumer_…`."""
        self._records = Counter("firsthour_consumer_records", "Records settled.", registry=registry)
        self._dead = Counter("firsthour_consumer_dead_letters", "Records that can never work.", registry=registry)
        self._lag = Gauge("firsthour_consumer_lag", "Records not yet consumed.", ["topic"], registry=registry)
        self._seconds = Histogram(
            "firsthour_consumer_batch_seconds",
            "From a batch read to its commit, in seconds.",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )

    @contextmanager
    def batch(self, records: int) -> Iterator[None]:
        """Time one batch and count its records once it is settled."""
        with self._seconds.time():
            yield
        self._records.inc(records)

    def dead(self, letters: int) -> None:
        """Count dead letters."""
        if letters:
            self._dead.inc(letters)

    def lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Set the lag of each topic."""
        topics: dict[str, int] = defaultdict(int)
        for partition, behind in lag.items():
            topics[partition.topic] += behind
        for topic, behind in topics.items():
            self._lag.labels(topic=topic).set(behind)
