"""Which events of a batch to fold: each once, and none about somebody erased after it was received."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.identity.identity import named
from services.scoring.domain.identity.marks import mark, mark_of_contact
from services.scoring.domain.trust import happened
from services.scoring.store.contacts import erase, finding
from services.scoring.store.contacts.batch import EventRow
from services.scoring.store.contacts.finding import Found
from shared import canary
from shared.errors import Permanent
from shared.events.envelope import Decoded, Event, decode
from shared.events.types import ReferralMade
from shared.kafka.records import DeadLetter, Record

_CLOCKS: Final = timedelta(seconds=5)  # the most by which the clocks of ingest and Postgres may differ
Come: TypeAlias = tuple[Record, Decoded]


class Named(NamedTuple):
    """Whom an event is about: a contact of ours, or whoever has these keys."""

    contact_id: UUID | None
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Arrived:
    """The events not folded yet, each once, with whom each names and what is stored of them.

    Separately, those that were on their way when somebody they name was erased.
    """

    fresh: list[Come]
    erased: list[Come]
    named: dict[UUID, Named]
    found: Found


async def come(
    conn: AsyncConnection,
    records: Sequence[Record],
    dead: list[DeadLetter],
    canaries: list[Come],
    *,
    with_states: bool = False,
) -> Arrived:
    """What has arrived; unreadable events go to `dead`, canaries to `canaries`. `with_states`: of whom they name."""
    readable: dict[UUID, Come] = {}
    for record in records:
        try:
            decoded = decode(record.value)
        except Permanent as error:
            dead.append(DeadLetter(record, "Permanent", str(error)))
            continue
        if decoded.event.source == canary.SOURCE:
            canaries.append((record, decoded))
        else:
            readable.setdefault(decoded.event.id, (record, decoded))
    if not readable:
        return Arrived([], [], {}, Found())
    whom = {event_id: _named(*decoded) for event_id, (_, decoded) in readable.items()}
    keys = sorted({key for each in whom.values() for key in each.keys})
    contacts = sorted({each.contact_id for each in whom.values() if each.contact_id is not None})
    found = await finding.find(conn, readable, keys, contacts, with_states=with_states)
    fresh = [each for event_id, each in readable.items() if event_id not in found.events]
    fresh, erased = await _without_erased(conn, fresh) if found.any_erased else (fresh, [])
    return Arrived(fresh, erased, whom, found)


def _named(event: Event, data: Any) -> Named:
    identity = getattr(data, "identity", None)
    if identity is None:
        return Named(None, ())
    if identity.contact_id is not None and event.trust == "trusted":
        return Named(identity.contact_id, ())
    return Named(None, named(identity, event.source, event.trust).keys)


async def _without_erased(conn: AsyncConnection, fresh: list[Come]) -> tuple[list[Come], list[Come]]:
    marks = [_marks(decoded) for _, decoded in fresh]
    erased = await erase.suppressed(conn, sorted(set().union(*marks)))
    late = [
        any(erased[mark] >= decoded.event.receivedtime - _CLOCKS for mark in of if mark in erased)
        for (_, decoded), of in zip(fresh, marks, strict=True)
    ]
    return (
        [each for each, is_late in zip(fresh, late, strict=True) if not is_late],
        [each for each, is_late in zip(fresh, late, strict=True) if is_late],
    )


def _marks(decoded: Decoded) -> set[str]:
    event, data = decoded
    identity = getattr(data, "identity", None)
    if identity is None:
        return set()
    of = [identity, data.referred] if isinstance(data, ReferralMade) else [identity]
    return {
        each
        for one in of
        for each in (
            [mark_of_contact(one.contact_id)]
            if one.contact_id is not None
            else map(mark, named(one, event.source, event.trust).keys)
        )
    }


def event_row(record: Record, event: Event, contact_id: UUID | None) -> EventRow:
    """An event as it is stored."""
    place = (record.topic, record.partition, record.offset)
    return EventRow(event.id, contact_id, event.type, happened(event), *place, record.value)


def erased_row(record: Record, decoded: Decoded) -> EventRow:
    """Of an event about an erased person only the id is kept, so that a copy is recognised."""
    return event_row(record, decoded.event, None)._replace(type="erased", body=b"")
