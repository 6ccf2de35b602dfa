"""One batch in memory: the contacts it is about, whom its identities name, and what becomes of both."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from services.scoring.domain import bookings, fold
from services.scoring.domain.consent import heard
from services.scoring.domain.contact import ContactState
from services.scoring.domain.identity import resolve
from services.scoring.domain.model import Model
from shared.clock import new_id
from shared.errors import Permanent
from shared.events.consent import ConsentWord
from shared.events.envelope import Decoded
from shared.events.updates import Booking, Values


@dataclass(frozen=True, slots=True)
class Folded:
    """What one event did: the contact after it, the values before, the bookings, whom it joined in, consents heard."""

    state: ContactState
    before: Values
    bookings: list[Booking]
    absorbed: tuple[UUID, ...]
    consents: tuple[ConsentWord, ...] = ()


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

    def __post_init__(self) -> None:
        """Begin with what is stored."""
        self.states = dict(self.stored)

    def fold(self, decoded: Decoded) -> Folded:
        """Find the contact, join what belongs together, fold, book. Raises Permanent and then changes nothing."""
        event, data = decoded
        identity = data.identity
        strong, weak = identity.strong_keys(event.source), identity.weak_keys()
        if identity.contact_id is not None:
            strong, weak = [], []  # an event of our own names its contact and nothing else
            contact_id: UUID | None = self.survivor(identity.contact_id)
            if contact_id not in self.states:
                raise Permanent("names a contact that does not exist")
            absorbed: tuple[UUID, ...] = ()
        else:
            plan = resolve(strong, weak, self.keys, self.states.__getitem__)
            contact_id, absorbed = plan.contact, plan.absorbed
            if contact_id is None and not plan.keys:
                raise Permanent("names nobody")
        before = self.states[contact_id] if contact_id is not None else ContactState(id=new_id(), created=self.now)
        for loser in absorbed:
            before = fold.merge(before, self.states[loser], self.model)
        if any(key not in before.keys for key in strong):
            before = msgspec.structs.replace(before, keys=tuple(dict.fromkeys((*before.keys, *strong))))
        after = fold.fold(before, event, data, self.model)
        after, booked = bookings.book(before, after, self.model, merged=bool(absorbed))

        # From here on nothing raises: the event is taken.
        if contact_id is None:
            self.created.add(before.id)
        self.states[before.id] = after
        self._absorb(absorbed, before.id)
        self._point(strong, before.id)
        self._point(weak, before.id)
        return Folded(after, Values(before.lead, before.customer), booked, absorbed, heard(before, event, data))

    def survivor(self, contact_id: UUID) -> UUID:
        """What the contact has become within this batch."""
        while contact_id in self.merges:
            contact_id = self.merges[contact_id]
        return contact_id

    def _absorb(self, absorbed: tuple[UUID, ...], survivor: UUID) -> None:
        for loser in absorbed:
            del self.states[loser]
            self.merges[loser] = survivor
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
        """New contacts that still stand at the end of the batch, and those that were joined into another at once."""
        return [self.states[i] for i in sorted(self.created) if i in self.states]

    def to_update(self) -> list[ContactState]:
        """Stored contacts that changed, in the order in which they were locked."""
        return [
            state
            for i, state in sorted(self.states.items())
            if i not in self.created and state is not self.stored.get(i)
        ]

    def stored_merges(self) -> dict[UUID, UUID]:
        """Stored contacts that are now part of another; one made in this very batch never reaches the database."""
        return {loser: self.survivor(loser) for loser in self.merges if loser in self.stored}
