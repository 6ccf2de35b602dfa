"""The loop's metrics, by topic, lane and source; the number of sources is bounded."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.clock import utc_now
from shared.db.tables.dead_letters import DeadLetterRow
from shared.db.tables.offsets import TopicPartition
from shared.events.lanes import Lane
from shared.kafka.loop.lag import Waits
from shared.kafka.records import Kind, Record

_SOURCES: Final = 50  # further ones count as `other`


class LoopMetrics:
    """Records, batches, dead letters, lag and halts of one loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register under `firsthour_consumer_…`."""
        self._records = Counter("firsthour_consumer_records", "Records settled.", registry=registry)
        self._dead = Counter(
            "firsthour_consumer_dead_letters",
            "Records that cannot work: foreseen (permanent) or not (unforeseen).",
            ["kind", "source"],
            registry=registry,
        )
        self._sources: set[str] = set()
        self._waits = Waits()
        self._lag = Gauge("firsthour_consumer_lag", "Records not yet consumed.", ["topic"], registry=registry)
        self._lag_seconds = Gauge(
            "firsthour_consumer_lag_seconds",
            "Age of the oldest record not yet consumed, looked at every ten seconds.",
            ["topic"],
            registry=registry,
        )
        self._batch_records = Histogram(
            "firsthour_consumer_batch_records",
            "Records of a batch.",
            registry=registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
        )
        self._halted = Gauge(
            "firsthour_consumer_halted", "1 while a person has to say go on.", ["lane"], registry=registry
        )
        self._seconds = Histogram(
            "firsthour_consumer_batch_seconds",
            "From a batch read to its commit, in seconds.",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        for kind in get_args(Kind):  # a counter that starts with its first dead letter hides that one from `increase`
            self._dead.labels(kind, "other")
        self.halted(())

    @contextmanager
    def batch(self, records: Sequence[Record]) -> Iterator[None]:
        """Time one batch and count its records once it is settled; otherwise they still wait."""
        self._waits.read(records)
        with self._seconds.time():
            yield
        self._waits.settled(records)
        self._records.inc(len(records))
        self._batch_records.observe(len(records))

    def dead(self, letters: Iterable[DeadLetterRow]) -> None:
        """Count dead letters that are committed."""
        for letter in letters:
            known = letter.source in self._sources or len(self._sources) < _SOURCES
            if known:
                self._sources.add(letter.source)
            self._dead.labels(letter.kind, letter.source if known else "other").inc()

    def lag(self, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int]) -> None:
        """Set the lag of each topic from the log's ends and the next offsets."""
        records: dict[str, int] = defaultdict(int)
        seconds: dict[str, float] = defaultdict(float)
        waits = self._waits.look(ends, positions, utc_now().timestamp())
        for partition, end in ends.items():
            topic, _ = partition
            records[topic] += max(0, end - positions[partition])
            seconds[topic] = max(seconds[topic], waits[partition])
        for topic, behind in records.items():
            self._lag.labels(topic=topic).set(behind)
            self._lag_seconds.labels(topic=topic).set(seconds[topic])

    def halted(self, lanes: Iterable[Lane]) -> None:
        """Which lanes are halted now."""
        halted = set(lanes)
        for lane in get_args(Lane):
            self._halted.labels(lane).set(lane in halted)
