"""Dead letters: how they are written down, and how many are too many."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from shared.db.offsets import DeadLetterRow
from shared.errors import Halted
from shared.kafka.records import DeadLetter, Outgoing

_WINDOW: Final = 1000


@dataclass(slots=True)
class DeadLetterLimit:
    """Halts instead of diverting a whole bad deploy: so many in a row, or too large a share of the last thousand."""

    consecutive: int = 100
    ratio: float = 0.2

    def __post_init__(self) -> None:
        """Start with nothing counted."""
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)

    def count(self, *, records: int, dead: int, reason: str) -> None:
        """Count a batch. Raises Halted past the limit; the batch is then rolled back and nothing is lost."""
        self._recent.extend([False] * min(records - dead, _WINDOW))
        self._recent.extend([True] * min(dead, _WINDOW))
        self._row = self._row + dead if dead == records else dead
        share = sum(self._recent) / _WINDOW
        if self._row >= self.consecutive or share >= self.ratio:
            raise Halted(
                f"{sum(self._recent)} of the last {len(self._recent)} events could not be processed "
                f"(last reason: {reason}); nothing more is consumed until a person has looked and restarted"
            )


def as_row(letter: DeadLetter) -> DeadLetterRow:
    """The dead letter as it is stored with the offset that it ends."""
    record = letter.record
    return DeadLetterRow(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        letter.error_class,
        letter.reason,
    )


def as_message(row: DeadLetterRow, topic: str, consumer: str) -> Outgoing:
    """The dead letter for its topic: the original bytes, and in the headers where from and why."""
    return Outgoing(
        topic,
        row.key,
        row.value,
        (
            ("origin-topic", row.topic.encode()),
            ("origin-partition", str(row.partition).encode()),
            ("origin-offset", str(row.offset).encode()),
            ("consumer", consumer.encode()),
            ("error-class", row.error_class.encode()),
            ("error-message", row.reason.encode()),
        ),
    )
