"""Dead letters: how they are written down, and how many are too many."""

from collections import deque
from typing import Final

from shared.db.offsets import DeadLetterRow
from shared.errors import Halted
from shared.kafka.records import DeadLetter, Outgoing

_WINDOW: Final = 1000


class DeadLetterLimit:
    """Halts instead of diverting a whole bad deploy: so many in a row, or too many of the last thousand records."""

    def __init__(self, *, consecutive: int = 100, of_last_thousand: int = 200) -> None:
        """Nothing is counted yet."""
        self._consecutive = consecutive
        self._of_window = of_last_thousand
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)

    def check(self, *, records: int, dead: int, reason: str) -> None:
        """Raises Halted when this batch would pass the limit: it is rolled back, and nothing is lost."""
        row = self._row + dead if dead == records else dead
        window = sum(self._recent) + dead
        if row >= self._consecutive or window >= self._of_window:
            raise Halted(
                f"{max(row, window)} of the last events could not be processed (last reason: {reason}); "
                "nothing more is consumed until a person has looked and restarted"
            )

    def count(self, *, records: int, dead: int) -> None:
        """Count a batch once it is committed."""
        self._row = self._row + dead if dead == records else 0
        self._recent.extend([False] * min(records - dead, _WINDOW))
        self._recent.extend([True] * min(dead, _WINDOW))


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
