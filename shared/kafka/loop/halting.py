"""When a lane halts: the rule that tells a bad deploy from one bad record, or from one bad sender.

A bad deploy fails for several senders. A stranger alone can never halt a lane: all untrusted senders count as one, and
no sender counts for more than half of what it takes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from shared.kafka.records import Sender

WINDOW: Final = 1000  # latest records of one lane
MANY: Final = 20  # unforeseen failures among them
STREAK: Final = 100  # records in a row that all failed
_PUBLIC: Final = Sender("", trusted=False)


def bad_deploy(latest: Sequence[Sender | None]) -> str | None:
    """Why the lane is to halt, or None.

    `latest` holds a lane's latest records, newest last: the sender of each unforeseen failure, and None for every other
    record, including foreseen dead letters.
    """
    window = latest[-WINDOW:]
    failed = Counter(sender if sender.trusted else _PUBLIC for sender in window if sender is not None)
    if sum(min(count, MANY // 2) for count in failed.values()) >= MANY:
        return f"{failed.total()} of the last {len(window)} records failed in a way that nobody foresaw"
    streak = latest[-STREAK:]
    if len(streak) == STREAK and all(streak) and sum(s.trusted for s in streak if s is not None) >= MANY // 2:
        return f"not one of the last {STREAK} records worked, in a way that nobody foresaw"
    return None
