"""What the database holds about the contacts of a batch's events: locked, or only seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.consume.come import Arrived, Named
from services.scoring.consume.refold import refold
from services.scoring.domain.contact.contact import FORM, ContactState
from services.scoring.domain.contact.fold import order_key
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.model.model import Model
from services.scoring.store.contacts import batch as store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is stored about the contacts of the events."""

    now: datetime
    states: dict[UUID, ContactState]
    keys: Mapping[str, UUID]
    merges: Mapping[UUID, UUID]
    orders_named: set[tuple[UUID, OrderKey]]
    refolded: Mapping[UUID, Mapping[OrderKey, Order]]


class _Asked(NamedTuple):
    """Whom the events name, and which orders."""

    keys: dict[str, UUID]
    became: dict[UUID, UUID]
    orders: Sequence[tuple[OrderKey, Named]]

    @property
    def contacts(self) -> set[UUID]:
        return {*self.keys.values(), *self.became.values()}

    @property
    def merges(self) -> dict[UUID, UUID]:
        return {asked: survivor for asked, survivor in self.became.items() if asked != survivor}


async def locked(conn: AsyncConnection, arrived: Arrived, model: Model, now: datetime) -> Ground:
    """Lock the contacts of the events, and read what else is stored of them."""
    asked = _asked(arrived)
    states = await store.lock_contacts(conn, sorted(asked.contacts)) if asked.contacts else {}
    of_whom = {(asked.keys[key], order) for order, theirs in asked.orders for key in theirs.keys if key in asked.keys}
    of_whom |= {
        (asked.became[whose.contact_id], order) for order, whose in asked.orders if whose.contact_id in asked.became
    }
    old = {contact_id: state for contact_id, state in states.items() if state.form < FORM}
    refolding = await refold(conn, old, model) if old else {}
    # As it is stored it is in no sum of the funnel yet: who values it anew counts it there.
    states |= {contact_id: replace(each.whole, journey=None) for contact_id, each in refolding.items()}
    return Ground(
        now=now,
        states=states,
        keys=asked.keys,
        merges=asked.merges,
        orders_named={each for each in of_whom if each[0] not in old},
        refolded={contact_id: each.orders for contact_id, each in refolding.items()},
    )


def seen(arrived: Arrived, now: datetime) -> Ground | None:
    """The contacts of the events as they were seen; None where that is not enough to fold them."""
    asked = _asked(arrived)
    found = arrived.found.seen
    if asked.orders or not asked.contacts <= found.keys():
        return None
    states = {contact_id: found[contact_id].state for contact_id in asked.contacts}
    if any(state.form < FORM for state in states.values()):
        return None
    return Ground(now=now, states=states, keys=asked.keys, merges=asked.merges, orders_named=set(), refolded={})


def _asked(arrived: Arrived) -> _Asked:
    all_known, all_became = arrived.found.keys, arrived.found.became
    asked = _Asked({}, {}, orders := [])
    for _, (event, data) in arrived.fresh:
        theirs = arrived.named[event.id]
        asked.keys.update((key, all_known[key]) for key in theirs.keys if key in all_known)
        if theirs.contact_id in all_became:
            asked.became[theirs.contact_id] = all_became[theirs.contact_id]
        if (order := order_key(event, data)) is not None:
            orders.append((order, theirs))
    return asked
