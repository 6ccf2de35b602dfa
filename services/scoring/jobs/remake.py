"""One contact of a replay: made anew from its events, compared with what is stored, and what is to take its place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from services.scoring.domain import bookings
from services.scoring.domain.contact import fold
from services.scoring.domain.contact.contact import FORM, ContactState, decode_state, encode_state
from services.scoring.domain.contact.replay import Part, Rebuilt, close, differences, rebuild
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.funnel.places import Moves, moved
from services.scoring.domain.model.model import Model
from services.scoring.store.bought import MOST_ITEMS
from services.scoring.store.contacts.batch import CONTACT_COLUMNS, BookingRow, contact_row
from services.scoring.store.contacts.replay import Booked
from services.scoring.store.contacts.shadow import Verdict
from shared import log
from shared.errors import Permanent
from shared.events.envelope import Decoded, decode

_LOG = log.get(__name__)
_FACTOR: Final = "replay"
_OF_THE_MODEL: Final = {"engagement", "journey", "orders"}  # kinds that a changed model changes, too
_NOT_COMPARED: Final = {"updated_at", "state"}
_FACTS: Final = {"words", "identities", "times", "journey", "orders", "engagement", "state"}


class Found(NamedTuple):
    """A contact as it is stored."""

    row: Mapping[str, Any]
    state: ContactState | None  # None: it cannot be read
    parts: Sequence[Mapping[str, Any]]
    bodies: Sequence[bytes]
    orders: Mapping[OrderKey, Order]
    items: set[str]
    sums: Booked

    @property
    def sure(self) -> bool:
        """Whether it is known which event was whose: nobody was parted, nor merged by a version that kept no note."""
        parted = self.state is not None and bool(self.state.foreign)
        return not parted and all(part["events"] is not None for part in self.parts)


@dataclass(slots=True)
class Made:
    """What goes into the shadow."""

    verdicts: list[Verdict] = field(default_factory=list)
    contacts: list[tuple[Any, ...]] = field(default_factory=list)
    orders: dict[UUID, Mapping[OrderKey, Order]] = field(default_factory=dict)
    bookings: list[BookingRow] = field(default_factory=list)
    identities: dict[str, UUID] = field(default_factory=dict)
    bought: list[tuple[UUID, str]] = field(default_factory=list)
    stands: dict[UUID, Moves] = field(default_factory=dict)  # where each stands in the funnel

    def judged(self, verdict: Verdict, state: ContactState | None) -> None:
        """`state`: the contact as it will be; None: nobody can read it."""
        self.verdicts.append(verdict)
        if state is not None:
            self.stands[verdict.contact_id] = moved([(None, state)])


class _Kept(Exception):  # noqa: N818 - reads as what happened; never leaves this module
    """The contact cannot be made anew, and stays as it is."""


@dataclass(frozen=True, slots=True)
class Remaking:
    """What is needed for it. `returned`: orders of which only a refund is known, with whose they are."""

    model: Model
    returned: Mapping[OrderKey, tuple[UUID, Order]]
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]

    def rebuilt(self, found: Found) -> Rebuilt | str:
        """The contact anew, or why it stays as it is."""
        who = found.row["id"]
        try:
            return self._from_events(found)
        except _Kept as kept:
            return str(kept)
        except Exception as error:  # noqa: BLE001 - its neighbours go on
            _LOG.error("contact_not_replayed", contact_id=str(who), error=type(error).__name__)
            return "failed"

    def _from_events(self, found: Found) -> Rebuilt:
        stored = found.state
        if found.sums.compacted or not found.bodies or _some_are_gone(found):
            raise _Kept("events are no longer stored")
        try:
            events = [decode(body) for body in found.bodies]
            root = Part(
                found.row["id"],
                found.row["created_at"] if stored is None else stored.created,
                () if stored is None else stored.foreign,
                machine=None if stored is None else stored.machine,
            )
            merged = [_part(row) for row in found.parts]
            return rebuild(root, merged, events, self._refunded_before(root.id, events), self.model)
        except Permanent as error:
            raise _Kept("events that today's rules refuse") from error

    def _refunded_before(self, who: UUID, events: Iterable[Decoded]) -> dict[OrderKey, Order]:
        """What went back of its orders, told of somebody else."""
        if not self.returned:
            return {}
        keys = {fold.order_key(event, data) for event, data in events}
        return {
            key: order
            for key in keys
            if key is not None
            for whose, order in [self.returned.get(key, (who, None))]
            if whose != who and order is not None
        }

    def judge(self, found: Found, anew: Rebuilt | str, known: set[str], made: Made) -> None:
        """Compare, and put what differs into the shadow."""
        who, seen, events = found.row["id"], found.row["seen"], len(found.bodies)
        if isinstance(anew, str):
            made.judged(Verdict(who, seen, events, "kept", [f"kept: {anew}"]), found.state)
            return
        stored = found.state
        waits = stored is not None and (stored.model != self.model.version or stored.form < FORM)
        state = self._as_stored_where_nobody_knows(found, anew.state)
        lost = {key for key in anew.keys if key not in known} if found.sure else set()
        kinds = self._kinds(found, anew, state, waits=waits)
        if lost:
            kinds = sorted({*kinds, "identities"})
        if not kinds:
            kept = ["kept: wait for the model in force"] if waits else []
            made.judged(Verdict(who, seen, events, "kept" if waits else "equal", kept), stored)
            return
        try:
            valued, booked = self._valued(found, state, same=not waits and not {*kinds} & _FACTS)
        except Exception as error:  # noqa: BLE001 - its neighbours go on
            _LOG.error("contact_not_replayed", contact_id=str(who), error=type(error).__name__)
            made.judged(Verdict(who, seen, events, "kept", ["kept: failed"]), stored)
            return
        made.judged(Verdict(who, seen, events, "different", kinds), valued)
        made.contacts.append(contact_row(valued, self.clock()))
        made.orders[who] = anew.orders
        made.bookings += booked
        made.identities.update(dict.fromkeys(lost, who))
        if "bought" in kinds:
            made.bought += [(who, item) for item in sorted(anew.items)]

    def _kinds(self, found: Found, anew: Rebuilt, state: ContactState, *, waits: bool) -> list[str]:
        stored, row = found.state, found.row
        if stored is None:
            return ["state"]
        kinds = {*differences(stored, state)} - (_OF_THE_MODEL if waits else set())
        if found.orders != anew.orders:
            kinds.add("orders")
        if len(found.items) < MOST_ITEMS - 1 and found.items != anew.items:
            kinds.add("bought")
        if (found.sums.lead, found.sums.customer) != (stored.lead, stored.customer):
            kinds.add("bookings")
        as_columns = dict(zip(CONTACT_COLUMNS, contact_row(stored, row["updated_at"]), strict=True))
        if any(row[name] != value for name, value in as_columns.items() if name not in _NOT_COMPARED):
            kinds.add("columns")
        if not kinds and not waits and not self._value_holds(stored):
            kinds.add("values")
        return sorted(kinds)

    def _value_holds(self, stored: ContactState) -> bool:
        """Whether the values are those of the facts; what customers are to buy moves with time, and is the sweep's."""
        new, _ = bookings.revalue(stored, self.model)
        same = new.lead == stored.lead
        if stored.open_lead:  # where a customer waits follows a value that moves with time, too
            same = same and (new.worth, new.curve) == (stored.worth, stored.curve)
        # What the model has learnt online since reaches a lead with its next event or sweep.
        same = same or (stored.open_lead and stored.step != self.model.step)
        return same and (self.model.learnt.customer is not None or new.customer == stored.customer)

    def _as_stored_where_nobody_knows(self, found: Found, state: ContactState) -> ContactState:
        """What no event tells stays; of whom nobody knows which event was whose, what was believed then does too."""
        state = msgspec.structs.replace(state, version=max(state.version, found.row["version"]))
        stored = found.state
        if stored is not None:
            state = msgspec.structs.replace(
                state,
                version=max(state.version, stored.version),
                swept=stored.swept,
                tier=stored.tier,
                qualified=stored.qualified,
                cost=stored.cost,
                referred=stored.referred,
            )
            if not found.sure:
                state = msgspec.structs.replace(state, known=stored.known, keys=stored.keys, claimed=stored.claimed)
            if stored.half_lives == state.half_lives and close(stored.engaged, state.engaged):
                state = msgspec.structs.replace(state, engaged=stored.engaged)
        return decode_state(encode_state(state))

    def _valued(self, found: Found, state: ContactState, *, same: bool) -> tuple[ContactState, list[BookingRow]]:
        """The contact at the values of its facts; the bookings that bring what is booked there."""
        facts = found.state if same and found.state is not None else state
        facts = msgspec.structs.replace(facts, lead=found.sums.lead, customer=found.sums.customer)
        valued, booked = bookings.revalue(facts, self.model)
        booking_id, now = self.new_id(), self.clock()
        return valued, [
            BookingRow(valued.id, booking_id, line, each.account, _FACTOR, each.amount, each.model, now)
            for line, each in enumerate(booked)
        ]


def read_state(state: bytes) -> ContactState | None:
    """The state as stored; None when it cannot be read."""
    try:
        return decode_state(bytes(state))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _some_are_gone(found: Found) -> bool:
    """Whether the contact was made of more events than are stored. Of one that was parted its version does not tell."""
    stored = found.state
    return stored is not None and not stored.foreign and len(found.bodies) < stored.version


def _part(row: Mapping[str, Any]) -> Part:
    state = read_state(row["state"])
    return Part(
        row["id"],
        row["created_at"] if state is None else state.created,
        () if state is None else state.foreign,
        frozenset(row["events"] or ()),
        frozenset(row["keys"] or ()),
        None if state is None else state.machine,
    )
