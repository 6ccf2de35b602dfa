"""When a lane halts: the rule that tells a bad deploy from one bad record, or from one who sends bad records.

A deploy that is wrong fails for several senders. What a stranger can do by themselves never halts anything: all senders
that are not trusted count as one, and no sender counts for more than half of what it takes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from shared.kafka.records import Sender

WINDOW: Final = 1000  # records of one lane, the latest
MANY: Final = 20  # of them that raised what nobody foresaw
STREAK: Final = 100  # records of which not one worked
_PUBLIC: Final = Sender("", trusted=False)


def bad_deploy(latest: Sequence[Sender | None]) -> str | None:
    """Why the lane is to halt, or None.

    `latest` holds a lane's latest records, the newest last: for one that raised what nobody foresaw its sender, and
    None for any other, also for a dead letter that was foreseen.
    """
    window = latest[-WINDOW:]
    failed = Counter(sender if sender.trusted else _PUBLIC for sender in window if sender is not None)
    if sum(min(count, MANY // 2) for count in failed.values()) >= MANY:
        return f"{failed.total()} of the last {len(window)} records failed in a way that nobody foresaw"
    streak = latest[-STREAK:]
    if len(streak) == STREAK and all(streak) and sum(s.trusted for s in streak if s is not None) >= MANY // 2:
        return f"not one of the last {STREAK} records worked, in a way that nobody foresaw"
    return None
