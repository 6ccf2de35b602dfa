"""One batch in memory: the contacts it is about, whom its identities name, and what becomes of both."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.scoring.domain import bookings, fold
from services.scoring.domain.bounds import bounded
from services.scoring.domain.consent import heard, unsaid
from services.scoring.domain.contact import ContactState
from services.scoring.domain.identity import Plan, hold, named, resolve
from services.scoring.domain.model import Model
from services.scoring.domain.trust import robot
from shared.clock import new_id
from shared.errors import Permanent
from shared.events.consent import ConsentWord
from shared.events.envelope import Decoded, Event
from shared.events.types import ContactTouched
from shared.events.updates import Booking, Values


@dataclass(frozen=True, slots=True)
class Folded:
    """What one event did: the contact after it, the values before, the bookings, whom it joined in, consents heard."""

    state: ContactState
    before: Values
    bookings: list[Booking]
    absorbed: tuple[UUID, ...]
    consents: tuple[ConsentWord, ...] = ()
    fallen: int = 0  # words for which the contact had no room


@dataclass(slots=True)
class Batch:
    """Starts as what the database holds (`stored`, `keys`); `fold` moves it on; the rest says what to write."""

    model: Model
    now: datetime
    stored: dict[UUID, ContactState]
    keys: dict[str, UUID]
    states: dict[UUID, ContactState] = field(default_factory=dict)
    created: set[UUID] = field(default_factory=set)
    new_keys: set[str] = field(default_factory=set)
    moved_keys: set[str] = field(default_factory=set)
    merges: dict[UUID, UUID] = field(default_factory=dict)
    tombstones: dict[UUID, ContactState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what is stored."""
        self.states = dict(self.stored)

    def fold(self, decoded: Decoded) -> Folded:
        """Find the contact, join what belongs together, fold, book. Raises Permanent and then changes nothing."""
        event, data = decoded
        plan = self._plan(event, data)
        before = self.states[plan.contact] if plan.contact is not None else ContactState(id=new_id(), created=self.now)
        for loser in plan.absorbed:
            other = self.states[loser]
            if event.trust == "public":
                other = msgspec.structs.replace(other, known=unsaid(other.known))
            before = fold.merge(before, other, self.model)
        before = hold(before, plan.held, claimed=event.trust == "public" or robot(data))
        after = fold.fold(before, event, data, self.model)
        fallen = 0
        if plan.absorbed or after.known is not before.known:
            known, fallen = bounded(after.known)
            after = msgspec.structs.replace(after, known=known)
        after, booked = bookings.book(before, after, self.model, merged=bool(plan.absorbed))

        # From here on nothing raises: the event is taken.
        if plan.contact is None:
            self.created.add(before.id)
        self.states[before.id] = after
        self._absorb(plan.absorbed, before.id)
        self._point((key for key in plan.keys if key in after.keys or key not in plan.held), before.id)
        heard_of = heard(before, event, data)
        return Folded(after, Values(before.lead, before.customer), booked, plan.absorbed, heard_of, fallen)

    def _plan(self, event: Event, data: Any) -> Plan:
        if data.identity.contact_id is not None and event.trust == "trusted":
            contact_id = self.survivor(data.identity.contact_id)  # an event of our own names this and nothing else
            if contact_id not in self.states:
                raise Permanent("names a contact that does not exist")
            return Plan(contact_id)
        of = named(data.identity, event.source, event.trust)
        if not of.keys:
            raise Permanent("names nobody")
        return resolve(
            of,
            self.keys,
            self.states.__getitem__,
            trust=event.trust,
            robot=robot(data),
            touch=isinstance(data, ContactTouched),
        )

    def survivor(self, contact_id: UUID) -> UUID:
        """What the contact has become within this batch."""
        while contact_id in self.merges:
            contact_id = self.merges[contact_id]
        return contact_id

    def _absorb(self, absorbed: tuple[UUID, ...], survivor: UUID) -> None:
        for loser in absorbed:
            gone = self.states.pop(loser)
            self.merges[loser] = survivor
            if loser in self.created:
                self.tombstones[loser] = gone
        if absorbed:
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
        """New contacts, also those that were joined into another at once: their ids are published already."""
        made = self.states | self.tombstones
        return [made[i] for i in sorted(self.created)]

    def to_update(self) -> list[ContactState]:
        """Stored contacts that changed, in the order in which they were locked."""
        return [
            state
            for i, state in sorted(self.states.items())
            if i not in self.created and state is not self.stored.get(i)
        ]

    def merged(self) -> dict[UUID, UUID]:
        """Contacts of the database, as it is with the new ones in it, that are now part of another."""
        return {loser: self.survivor(loser) for loser in self.merges if loser in self.stored or loser in self.created}
