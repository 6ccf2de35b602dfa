"""How long the oldest unconsumed record has been waiting: lag in seconds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.db.tables.offsets import TopicPartition
from shared.kafka.records import Record

_MOST_LOOKS: Final = 256  # per partition; beyond it every second one is dropped


class Waits:
    """Per partition: the timestamp of the next record if it was fetched, and where the log ended at earlier polls.

    A fetched record says exactly how old it is. One that was not fetched (its lane is halted, or the other lane goes
    first) has waited since the first poll that saw the log reach beyond it: the error is the time between polls.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._in_hand: dict[TopicPartition, float] = {}
        self._looks: dict[TopicPartition, list[tuple[int, float]]] = {}

    def read(self, records: Sequence[Record]) -> None:
        """These are the next ones of their partitions."""
        for record in reversed(records):
            self._in_hand[record.topic, record.partition] = record.timestamp / 1000

    def settled(self, records: Iterable[Record]) -> None:
        """They are consumed."""
        for record in records:
            self._in_hand.pop((record.topic, record.partition), None)

    def look(
        self, ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int], now: float
    ) -> dict[TopicPartition, float]:
        """Seconds for each partition, 0 where nothing waits. `now` and the records' times are Unix time."""
        self._in_hand = {each: at for each, at in self._in_hand.items() if each in ends}
        self._looks = {each: looks for each, looks in self._looks.items() if each in ends}
        return {each: self._waited(each, end, positions[each], now) for each, end in ends.items()}

    def _waited(self, partition: TopicPartition, end: int, position: int, now: float) -> float:
        looks = [look for look in self._looks.get(partition, []) if look[0] > position]
        if end > position and (not looks or looks[-1][0] < end):
            looks.append((end, now))
        if len(looks) > _MOST_LOOKS:
            looks = looks[::2]
        self._looks[partition] = looks
        if end <= position:
            return 0.0
        return max(0.0, now - min(self._in_hand.get(partition, now), looks[0][1]))
