"""What becomes of a delivery after one attempt. The deadline wins over every retry."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan
from typing import Final, Literal, TypeAlias

from services.nurture.domain.deliveries.delivery import StoredDelivery

_SLOW_DOWN: Final = frozenset({429, 502, 503, 504})  # Standard Webhooks: the receiver asks for less
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DENSE: Final = 10  # tries within the first hour
_LONGEST_ASKED_S: Final = 15 * _MINUTE  # within the first hour, and for a whole endpoint always
_LONGEST_ASKED_LATER_S: Final = _HOUR
_SPREAD: Final = 0.1  # jitter only shortens waits, so that the last dense retry stays within the hour


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver answered over HTTP. `retry_after`: seconds, from its header."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The mail server took the message."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """It certainly did not arrive, for reasons unrelated to it: no connection, or the server refuses us."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """It certainly did not arrive: this one is refused for now (SMTP 4xx to the recipient or the message)."""

    reason: str


@dataclass(frozen=True, slots=True)
class MaybeSent:
    """It was sent and no response came, or our process died (`ours`): it may have arrived."""

    reason: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Impossible:
    """It can never work: refused for good (SMTP 5xx to the recipient or the message), no address, a broken template."""

    reason: str


GivenUp: TypeAlias = Literal["failed", "expired"]
Outcome: TypeAlias = Answered | Accepted | NotSent | Deferred | MaybeSent | Impossible


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Seconds to wait before each attempt, the first included."""

    waits: tuple[float, ...]


# Ten attempts within the first hour, then the long tail; about 76 hours in all.
STANDARD_PLAN: Final = RetryPlan(
    waits=(
        0.0, 5.0, 15.0, 30.0,
        1 * _MINUTE, 2 * _MINUTE, 4 * _MINUTE, 8 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE,
        2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
    )
)  # fmt: skip

PATIENCE_S: Final = sum(STANDARD_PLAN.waits)  # after which deliveries to a dead endpoint fail


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done. State `delivered`."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Pending again, due at `at`. `slow_until`: nothing more goes to this endpoint before then."""

    at: datetime
    reason: str
    slow_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The end, in `state`. `fall_back`: make the fallback's delivery now (`fallback_of`), in the same transaction.

    `slow_until`: as in RetryAt.
    """

    state: GivenUp
    reason: str
    fall_back: bool
    slow_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DisableEndpoint:
    """The receiver answered 410, Gone: disable the endpoint, alert a person, and end this delivery as `then`."""

    reason: str
    then: GiveUp


AfterAttempt: TypeAlias = Delivered | RetryAt | GiveUp | DisableEndpoint


def after_attempt(  # noqa: PLR0911 - one line per outcome reads best
    outcome: Outcome,
    delivery: StoredDelivery,
    plan: RetryPlan,
    *,
    now: datetime,
    jitter: float,
    repeats_unknown: bool = True,
) -> AfterAttempt:
    """What becomes of the delivery, whose `tries` do not count this attempt yet.

    `now` is when the attempt ended, `jitter` in [0, 1) is the caller's dice.

    What may have arrived is repeated where its channel allows that: a receiver that knows its id drops the copy.
    """
    match outcome:
        case Accepted():
            return Delivered()
        case Answered(status=status) if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
            return Delivered()
        case Answered(status=410):
            reason = "the receiver answered 410: it wants nothing more"
            return DisableEndpoint(reason, _end("failed", reason, delivery))
        case Impossible(reason):
            return _end("failed", reason, delivery)
        case MaybeSent(reason) if not repeats_unknown:
            return _end("failed", f"maybe sent, so not repeated: {reason}", delivery)
        case Answered(status, retry_after):
            asked_s = _asked_s(status, retry_after)
            return _again(f"answered {status}", delivery, plan, now=now, jitter=jitter, asked_s=asked_s)
        case NotSent(reason) | Deferred(reason) | MaybeSent(reason):
            return _again(reason, delivery, plan, now=now, jitter=jitter, asked_s=None)


def answers(outcome: Outcome) -> bool | None:
    """Whether the receiver is reachable and accepts us; None: the outcome does not tell."""
    match outcome:
        case NotSent() | MaybeSent(ours=False):
            return False
        case MaybeSent() | Impossible():
            return None
    return True


def at_expiry(delivery: StoredDelivery, now: datetime) -> GiveUp | None:
    """What to do with a delivery that is still pending (or a task still open): None while there is time left."""
    if delivery.expires_at is None or now < delivery.expires_at:
        return None
    return _end("expired", "not done in time", delivery)


def _asked_s(status: int, retry_after: float | None) -> float | None:
    """For how many seconds the receiver wants no requests; None if it does not say, or unreadably."""
    if retry_after is not None and not isnan(retry_after):
        return max(retry_after, 0.0)
    return 5.0 if status in _SLOW_DOWN else None


def _again(
    reason: str,
    delivery: StoredDelivery,
    plan: RetryPlan,
    *,
    now: datetime,
    jitter: float,
    asked_s: float | None,
) -> RetryAt | GiveUp:
    """The next try. Retry-After is honoured within bounds: it may be off by days, or malicious."""
    slow_until = None if asked_s is None else now + timedelta(seconds=min(asked_s, _LONGEST_ASKED_S))
    tries = delivery.tries + 1
    if tries >= len(plan.waits):
        return _end("failed", f"{reason}; no attempt is left", delivery, slow_until)
    wait_s = plan.waits[tries] * (1 - _SPREAD * jitter)
    longest_s = _LONGEST_ASKED_S if tries < _DENSE else _LONGEST_ASKED_LATER_S
    at = now + timedelta(seconds=max(wait_s, min(asked_s or 0.0, longest_s)))
    if delivery.expires_at is not None and at >= delivery.expires_at:
        return _end("expired", f"{reason}; the next try would come too late", delivery, slow_until)
    return RetryAt(at, reason, slow_until)


def _end(state: GivenUp, reason: str, delivery: StoredDelivery, slow_until: datetime | None = None) -> GiveUp:
    return GiveUp(state, reason, fall_back=delivery.fallback is not None, slow_until=slow_until)
