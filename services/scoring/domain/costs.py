"""What a source or campaign cost in a period, and how it is shared by the leads that came of it. Pure.

Each lead of the period has the same share; the cents that are left over go to the first ones, one each (the largest
remainder), so the shares sum to the cost. store/costs.py does the same in SQL.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.scoring.domain.funnel.journey import spelt
from services.scoring.domain.trust import happened
from shared.events.envelope import Event
from shared.events.types import CostRecorded
from shared.money import exactly

_DAY: Final = timedelta(days=1)
_LONGEST: Final = 200  # characters of an id


class Cost(NamedTuple):
    """A cost as it was last told. `source`, `campaign`: None: of any. `until` is not part of the period."""

    key: str
    told_at: datetime
    event_id: UUID
    source: str | None
    campaign: str | None
    since: datetime
    until: datetime
    amount: str
    currency: str


def told(event: Event, data: CostRecorded) -> Cost | None:
    """The cost that the event tells; None of a public sender, whom anybody may be.

    Raises Permanent when its amount is no number.
    """
    exactly(data.amount)
    if event.trust == "public":
        return None
    key = str(event.id) if data.cost_id is None else f"{event.source}:{data.cost_id[:_LONGEST]}"
    at = happened(event)
    since, until = period(data.period_start, data.period_end, at)
    source, campaign = (spelt(name or "") or None for name in (data.source, data.campaign))
    return Cost(key, at, event.id, source, campaign, since, until, data.amount, data.currency)


def period(start: datetime | None, end: datetime | None, told_at: datetime) -> tuple[datetime, datetime]:
    """From when until before when: without an end the month of the start (UTC), and without either that of the event.

    Without a start it is the month that ends there; of one moment its day.
    """
    try:
        return _period(start and start.astimezone(UTC), end and end.astimezone(UTC), told_at)
    except OverflowError:  # it begins or ends where the calendar does
        return _period(None, None, told_at)


def _period(start: datetime | None, end: datetime | None, told_at: datetime) -> tuple[datetime, datetime]:
    if end is None:
        first = _month(start or told_at)
        return start or first, _month(first + 31 * _DAY)
    since, until = sorted((start or _month(end - timedelta(microseconds=1)), end))
    return since, until if until > since else since + _DAY


def shares(amount: int, leads: int) -> list[int]:
    """The share of each of so many leads, the first of them first."""
    each, over = divmod(amount, leads)
    return [each + (place < over) for place in range(leads)]


def _month(at: datetime) -> datetime:
    """Its first moment."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
