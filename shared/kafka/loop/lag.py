"""How long the oldest record that is not consumed has been waiting: lag as people feel it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.db.offsets import TopicPartition
from shared.kafka.records import Record

_MOST_LOOKS: Final = 256  # of a partition; then every second one is forgotten


class Waits:
    """Knows two things of each partition: the time of the record in hand, and where the log ended at earlier looks.

    What is in hand says exactly how old it is. What was never fetched (its lane is halted, or the other lane has to go
    first) has waited since the first look at which the log reached beyond it: the error is the pause between looks.
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
