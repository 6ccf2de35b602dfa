"""One batch in memory: its contacts, whom its identities name, and how both change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.scoring.domain import bookings
from services.scoring.domain.contact import fold
from services.scoring.domain.contact.bounds import bounded
from services.scoring.domain.contact.consent import heard, unsaid
from services.scoring.domain.contact.contact import ContactState, new_contact
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.funnel.places import Moves, moved
from services.scoring.domain.identity.identity import Named, Plan, buyer, hold, named, resolve
from services.scoring.domain.identity.marks import own
from services.scoring.domain.model.model import Model
from services.scoring.domain.responses import Bucket, Sums, answer
from services.scoring.domain.trust import robot
from shared.errors import Permanent
from shared.events.consent import ConsentWord
from shared.events.envelope import Decoded, Event
from shared.events.types import ContactTouched, PurchaseRefunded
from shared.events.updates import Booking, Values

_NO_ORDERS: Final[dict[OrderKey, Order]] = {}


class Folded(msgspec.Struct, frozen=True):
    """The effect of one event: the contact after it, the values before, bookings, merged contacts, consents."""

    state: ContactState
    before: Values
    bookings: list[Booking]
    absorbed: tuple[UUID, ...]
    consents: tuple[ConsentWord, ...] = ()
    fallen: int = 0  # words that did not fit the contact's bounds
    answer: tuple[Bucket, Sums] | None = None  # the answer that a waiting lead got


@dataclass(slots=True)
class Batch:
    """Starts from what is stored (`stored`, `keys`, `orders`); `fold` advances it; the rest says what to write.

    `orders` holds every order that the events name, of every contact it may belong to. `new_id` makes contact ids.
    """

    model: Model
    now: datetime
    stored: dict[UUID, ContactState]
    keys: dict[str, UUID]
    new_id: Callable[[], UUID]
    orders: dict[UUID, dict[OrderKey, Order]] = field(default_factory=dict)
    changed_orders: dict[UUID, set[OrderKey]] = field(default_factory=dict)
    states: dict[UUID, ContactState] = field(default_factory=dict)
    created: set[UUID] = field(default_factory=set)
    new_keys: set[str] = field(default_factory=set)
    moved_keys: set[str] = field(default_factory=set)
    merges: dict[UUID, UUID] = field(default_factory=dict)
    tombstones: dict[UUID, ContactState] = field(default_factory=dict)
    lost_keys: dict[UUID, set[str]] = field(default_factory=dict)  # what named each merged contact earlier in the batch

    def __post_init__(self) -> None:
        """Start from what is stored."""
        self.states = dict(self.stored)

    def fold(self, decoded: Decoded) -> Folded:
        """Find the contact, merge what is one person, fold, book. Raises Permanent, having changed nothing."""
        event, data = decoded
        plan = self._plan(event, data)
        before = self.states[plan.contact] if plan.contact is not None else new_contact(self.new_id(), self.now)
        orders = self.orders.get(before.id, _NO_ORDERS)
        for loser in plan.absorbed:
            other = self.states[loser]
            if event.trust == "public":
                other = msgspec.structs.replace(other, known=unsaid(other.known))
            before = fold.merge(before, other)
            before, orders = pricing.join(before, orders, self.orders.get(loser, {}), self.model)
        before = hold(before, plan.held, claimed=event.trust == "public" or robot(data))
        after = fold.fold(before, event, own(data, before.foreign), self.model.scorecard.half_lives)
        fallen = 0
        if plan.absorbed or after.known is not before.known:
            known, fallen = bounded(after.known)
            after = msgspec.structs.replace(after, known=known)
        key, order = fold.order_key(event, data), None
        if key is not None:
            told = orders.get(key) or self._returned_before(named(data.identity, event.source, event.trust), key)
            order = fold.order_after(told, event, data)
            after = pricing.reckon(after, orders.get(key), order, self.model)
        after, booked = bookings.book(before, after, self.model, merged=bool(plan.absorbed))

        # Nothing raises from here on: the event counts.
        if plan.contact is None:
            self.created.add(before.id)
        self.states[before.id] = after
        self._absorb(plan.absorbed, before.id, orders)
        if key is not None and order is not None:
            self.orders.setdefault(before.id, {})[key] = order
            self.changed_orders.setdefault(before.id, set()).add(key)
        self._point((key for key in plan.keys if key in after.keys or key not in plan.held), before.id)
        heard_of = heard(before, event, data)
        answered = answer(before, after, data.who, self.model) if isinstance(data, ContactTouched) else None
        return Folded(after, Values(before.lead, before.customer), booked, plan.absorbed, heard_of, fallen, answered)

    def _plan(self, event: Event, data: Any) -> Plan:
        if data.identity.contact_id is not None and event.trust == "trusted":
            contact_id = self.survivor(data.identity.contact_id)  # our own events name nothing else
            if contact_id not in self.states:
                raise Permanent("names a contact that does not exist")
            return Plan(contact_id)
        of = named(data.identity, event.source, event.trust)
        if not of.keys:
            raise Permanent("names nobody")
        plan = resolve(
            of,
            self.keys,
            self.states.__getitem__,
            trust=event.trust,
            robot=robot(data),
            touch=isinstance(data, ContactTouched),
        )
        return self._of_the_buyer(plan, of, event, data)

    def _of_the_buyer(self, plan: Plan, of: Named, event: Event, data: Any) -> Plan:
        """A refund belongs to the buyer, a repeated order to its first contact, whomever they name."""
        key = fold.order_key(event, data)
        whose = None if key is None else buyer(of, self.keys)
        if key is None or whose is None or whose == plan.contact or whose in plan.absorbed:
            return plan
        known = self.orders.get(whose, _NO_ORDERS).get(key)
        return Plan(whose) if isinstance(data, PurchaseRefunded) or (known is not None and known.paid) else plan

    def _returned_before(self, of: Named, key: OrderKey) -> Order | None:
        """Refunds of an order whose buyer was not known yet."""
        whose = buyer(of, self.keys)
        return None if whose is None else self.orders.get(whose, _NO_ORDERS).get(key)

    def survivor(self, contact_id: UUID) -> UUID:
        """The contact that this one was merged into within the batch, or itself."""
        while contact_id in self.merges:
            contact_id = self.merges[contact_id]
        return contact_id

    def _absorb(self, absorbed: tuple[UUID, ...], survivor: UUID, orders: dict[OrderKey, Order]) -> None:
        if not absorbed:
            return
        changed = self.changed_orders.setdefault(survivor, set())
        for loser in absorbed:
            gone = self.states.pop(loser)
            self.merges[loser] = survivor
            self.lost_keys[loser] = {key for key, contact_id in self.keys.items() if contact_id == loser}
            if loser in self.created:
                self.tombstones[loser] = gone
            changed |= {*self.orders.pop(loser, {}), *self.changed_orders.pop(loser, ())}
        self.orders[survivor] = orders
        for key, contact_id in self.keys.items():
            if contact_id in absorbed:
                self.keys[key] = survivor

    def _point(self, keys: Iterable[str], contact_id: UUID) -> None:
        for key in keys:
            known = self.keys.get(key)
            if known is None:
                self.new_keys.add(key)
            elif known != contact_id and key not in self.new_keys:
                self.moved_keys.add(key)
            self.keys[key] = contact_id

    def to_insert(self) -> list[ContactState]:
        """New contacts, including those merged into another at once: their ids are already published."""
        made = self.states | self.tombstones
        return [made[i] for i in sorted(self.created)]

    def to_update(self) -> list[ContactState]:
        """Stored contacts that changed, in the order in which they were locked."""
        return [
            state
            for i, state in sorted(self.states.items())
            if i not in self.created and state is not self.stored.get(i)
        ]

    def changed(self) -> set[UUID]:
        """Every contact that differs from what is stored, and those merged into another."""
        return {i for i, state in self.states.items() if state is not self.stored.get(i)} | self.merged().keys()

    def moves(self) -> Moves:
        """What changes in the sums of the funnel."""
        return moved((self.stored.get(i), self.states.get(i)) for i in self.changed())

    def moves_the_queue(self) -> bool:
        """Whether a changed contact waits in the queue, or did."""
        both = [of.get(i) for i in self.changed() for of in (self.stored, self.states)]
        return any(each is not None and each.worth is not None for each in both)

    def told(self) -> set[UUID]:
        """Stored contacts about whom something new was said."""
        return {i for i, state in self.states.items() if i in self.stored and state.known is not self.stored[i].known}

    def orders_of_the_stored(self) -> set[tuple[UUID, OrderKey]]:
        """Every named order of a stored contact."""
        return {(i, key) for i, keys in self.changed_orders.items() if i in self.stored for key in keys}

    def orders_to_write(self) -> dict[UUID, dict[OrderKey, Order]]:
        """Changed orders of contacts that were not merged away."""
        return {i: {key: self.orders[i][key] for key in keys} for i, keys in self.changed_orders.items() if keys}

    def merged(self) -> dict[UUID, UUID]:
        """Contacts, stored or new, that are now merged into another."""
        return {loser: self.survivor(loser) for loser in self.merges if loser in self.stored or loser in self.created}
