"""The queue of one endpoint: its claimed deliveries, its concurrency, its circuit breaker.

Nothing is shared between endpoints, so a dead or slow one delays no other.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Answered, Impossible, Outcome, answers
from shared.backoff import exponential

_BREAK_AFTER: Final = 5  # connections in a row that failed; then one probe at a time
_LONGEST_PAUSE_S: Final = 30.0
_FAST_S: Final = 0.25  # an endpoint that answers within this may have a few deliveries claimed ahead
_HOLD: Final = frozenset({410, 429, 502, 503, 504})
_HOLD_S: Final = 2.0
_AHEAD: Final = 8  # times its concurrency
_SHARE_OF_BULK: Final = 16  # one place in so many is for imports, however much is live
_STALE_S: Final = 5.0  # what was claimed ahead and not sent for so long goes back: others may be more urgent


@dataclass(slots=True)
class EndpointQueue:
    """The deliveries of one endpoint. `send` never raises for what the endpoint does."""

    name: str
    concurrency: int
    send: Send
    claimed: deque[tuple[StoredDelivery, float]] = field(default_factory=deque)  # claimed ahead, with when (loop time)
    busy: int = 0
    failures: int = 0  # in a row
    pause_until: float = 0.0  # loop time; nothing is sent before
    more: bool = False  # the last claim was full, so more may be due
    typical_s: float = 1.0  # how long an attempt takes, lately
    places: int = 0  # asked for so far
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def at_once(self) -> int:
        """How many attempts may be under way."""
        return 1 if self.broken else self.concurrency

    @property
    def idle(self) -> int:
        """How many more deliveries would be sent at once if they were claimed now."""
        return max(0, self.at_once - self.busy - len(self.claimed))

    @property
    def broken(self) -> bool:
        """Whether the breaker is open: connections fail, and one probe at a time is sent."""
        return self.failures >= _BREAK_AFTER

    def room(self, now: float) -> int:
        """How many deliveries to claim now."""
        if now < self.pause_until:
            return 0
        if self.broken:
            return 1 if self.busy == 0 and not self.claimed else 0
        if len(self.claimed) >= self.concurrency:
            return 0  # enough is claimed ahead
        ahead = _AHEAD * self.concurrency if self.typical_s < _FAST_S else 0
        return max(0, self.concurrency + ahead - self.busy - len(self.claimed))

    def reserved(self, most: int) -> int:
        """How many of the next `most` places are reserved for imports, however much is live."""
        before, self.places = self.places, self.places + most
        return self.places // _SHARE_OF_BULK - before // _SHARE_OF_BULK

    def next(self, now: float) -> tuple[StoredDelivery | None, list[StoredDelivery]]:
        """The next delivery to send, if any, and those to put back unsent."""
        late: list[StoredDelivery] = []
        while self.claimed:
            given, claimed_at = self.claimed.popleft()
            if now < self.pause_until or now - claimed_at > _STALE_S:
                late.append(given)
            else:
                return given, late
        return None, late

    def learn(self, outcome: Outcome, seconds: float, now: float, *, jitter: float) -> None:
        """Learn from an attempt."""
        self.typical_s += (seconds - self.typical_s) / 8
        answered = answers(outcome)
        if answered is False:
            self.failures += 1
            if self.broken:
                pause = exponential(self.failures - _BREAK_AFTER, jitter=jitter, first=0.5, longest=_LONGEST_PAUSE_S)
                self.pause_until = now + pause
            return
        if answered:
            self.failures = 0
        if isinstance(outcome, Answered) and outcome.status in _HOLD:
            # The throttle for all processes is being recorded; until then this one pauses by itself.
            self.pause_until = now + _HOLD_S


async def nowhere(_given: StoredDelivery, _begin: Begin) -> Result:
    """The `Send` of an endpoint that the configuration no longer names."""
    return Result(Impossible("the configuration names no such endpoint"))
