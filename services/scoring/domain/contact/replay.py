"""A contact made anew from its stored events, one after the other as they came. Pure.

Who is who stands as it was decided and told: by merges, each where it happened, and by a person who parted two. What
follows from that (facts, orders, keys) is folded again, by the same rules as the first time.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.scoring.domain.contact import fold
from services.scoring.domain.contact.bounds import bounded
from services.scoring.domain.contact.consent import unsaid
from services.scoring.domain.contact.contact import ContactState, Counts, new_contact
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.identity.identity import Named, hold, named
from services.scoring.domain.identity.marks import mark, own
from services.scoring.domain.interests import bought_in
from services.scoring.domain.model.model import Model
from services.scoring.domain.trust import robot
from shared.events.envelope import Decoded
from shared.events.types import PurchaseCompleted, PurchaseRefunded

_replace: Final = msgspec.structs.replace
_ORDER: Final = "order:"
_CLOSE: Final = 1e-9  # sums of floats, whose last bits depend on the order in which they were added


@dataclass(frozen=True, slots=True)
class Part:
    """What a contact was made of: itself, or one that was merged into it, with the events and keys it had by then."""

    id: UUID
    created: datetime
    foreign: tuple[str, ...] = ()
    events: frozenset[UUID] = frozenset()
    keys: frozenset[str] = frozenset()
    machine: float | None = None


class Rebuilt(NamedTuple):
    """A contact with its orders, what it bought, and the keys that its events let point to it."""

    state: ContactState
    orders: dict[OrderKey, Order]
    items: frozenset[str]
    keys: frozenset[str]


@dataclass(slots=True)
class _Tree:
    """The parts of one contact, joined again where they were."""

    root: Part
    merged: Mapping[UUID, Part]
    returned: Mapping[OrderKey, Order]
    model: Model
    whose: Mapping[UUID, UUID]
    left: Counter[UUID]  # events still to come
    by_key: dict[str, list[UUID]] = field(default_factory=dict)
    states: dict[UUID, ContactState] = field(default_factory=dict)
    orders: dict[UUID, dict[OrderKey, Order]] = field(default_factory=dict)
    into: dict[UUID, UUID] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)

    def take(self, decoded: Decoded) -> None:
        """One event, as consume/batch.py takes it. Raises Permanent when it can no longer be folded."""
        event, data = decoded
        of = named(data.identity, event.source, event.trust)
        self.left[self.whose[event.id]] -= 1
        who = self._now(self.whose[event.id])
        public = event.trust == "public"
        due = [] if robot(data) else self._due(of, who)
        for loser in due:
            self.absorb(who, loser, public=public)
        before, orders = self.begun(who), self.orders.setdefault(who, {})
        held, points = _named(before, of, decoded, orders)
        before = hold(before, held, claimed=public or robot(data))
        said, half_lives = own(data, before.foreign), self.model.scorecard.half_lives
        state = fold.fold(before, event, said, half_lives)
        if before.machine is not None and event.receivedtime.timestamp() < before.machine:
            person = _replace(before, machine=None)  # whose words stayed when it was judged (machine.py)
            state = _replace(state, known=fold.fold(person, event, said, half_lives).known)
        if due or state.known is not before.known:
            state = _replace(state, known=bounded(state.known)[0])
        self.states[who] = self._ordered(state, of, decoded, orders)
        self.items.update(bought_in(event, data))
        self.keys.update(each for each in points if each in state.keys or each not in of.held)

    def _now(self, part: UUID) -> UUID:
        """What the part has become."""
        while part in self.into:
            part = self.into[part]
        return part

    def begun(self, who: UUID) -> ContactState:
        """The state of a part; a new one before its first event."""
        part = self.merged.get(who, self.root)
        return self.states.get(who) or _replace(
            new_contact(part.id, part.created), foreign=part.foreign, machine=part.machine
        )

    def _due(self, of: Named, who: UUID) -> list[UUID]:
        """Who was merged into this one by what names a key of theirs: nothing came of them alone since."""
        theirs = dict.fromkeys(part for key in of.keys for part in self.by_key.get(key, ()))
        return [part for part in theirs if part != who and part not in self.into and not self.left[part]]

    def absorb(self, survivor: UUID, loser: UUID, *, public: bool) -> None:
        """Join one part into another."""
        other = self.states.pop(loser, None)
        self.into[loser] = survivor
        if other is None:
            return
        if public:
            other = _replace(other, known=unsaid(other.known))
        merged = fold.merge(self.begun(survivor), other)
        self.states[survivor], self.orders[survivor] = pricing.join(
            merged, self.orders.get(survivor, {}), self.orders.pop(loser, {}), self.model
        )

    def _ordered(self, state: ContactState, of: Named, decoded: Decoded, orders: dict[OrderKey, Order]) -> ContactState:
        key = fold.order_key(*decoded)
        if key is None:
            return state
        told = orders.get(key)
        if told is None and isinstance(decoded.data, PurchaseCompleted) and _names_an_order(of):
            told = self.returned.get(key)
        order = fold.order_after(told, *decoded)
        state = pricing.reckon(state, orders.get(key), order, self.model)
        if order is not None:
            orders[key] = order
        return state


def rebuild(
    root: Part, merged: Sequence[Part], events: Sequence[Decoded], returned: Mapping[OrderKey, Order], model: Model
) -> Rebuilt:
    """The contact after all of its `events`, in the order in which they came.

    `merged`: who was merged into it, the earliest first. `returned`: what went back of orders, told of another contact
    before anybody told who bought them. `swept` and `tier`, which no event tells, are as of a new contact.
    Raises Permanent when an event can no longer be folded.
    """
    whose = _whose(root, merged, events)
    tree = _Tree(root, {part.id: part for part in merged}, returned, model, whose, Counter(whose.values()))
    for part in merged:
        for key in part.keys:
            tree.by_key.setdefault(key, []).append(part.id)
    for decoded in events:
        tree.take(decoded)
    for part in merged:  # what named them since is no longer stored
        if part.id not in tree.into:
            tree.absorb(root.id, part.id, public=False)
    state, orders = tree.begun(root.id), tree.orders.get(root.id, {})
    if orders:
        state = pricing.all_of(state, orders.values(), model)
    return Rebuilt(state, orders, frozenset(tree.items), frozenset(tree.keys))


def differences(stored: ContactState, made: ContactState) -> list[str]:
    """In which facts the two differ, by kind. Neither values nor what only time and the sweep know are looked at."""
    kinds = {
        "words": stored.known == made.known,
        "identities": set(stored.keys) == set(made.keys) and set(stored.claimed) == set(made.claimed),
        "times": all(getattr(stored, name) == getattr(made, name) for name in _TIMES),
        "journey": stored.journey == made.journey,
        "orders": all(getattr(stored, name) == getattr(made, name) for name in _SUMS),
        "engagement": stored.half_lives == made.half_lives and close(stored.engaged, made.engaged),
    }
    return [kind for kind, same in kinds.items() if not same]


_TIMES: Final = ("clock", "captured", "first_source", "converted", "touched")
_SUMS: Final = ("paid_orders", "past", "unconverted", "days", "earlier")


def close(one: Mapping[str, Counts], other: Mapping[str, Counts]) -> bool:
    """Whether the counts are the same but for the last bits."""
    return one.keys() == other.keys() and all(
        len(counts) == len(other[kind])
        and all(math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE) for a, b in zip(counts, other[kind], strict=True))
        for kind, counts in one.items()
    )


def _whose(root: Part, merged: Sequence[Part], events: Sequence[Decoded]) -> dict[UUID, UUID]:
    """Of which part each event was when it came: the earliest merged one that had it, as later ones had it too."""
    had: dict[UUID, UUID] = {}
    for part in reversed(merged):
        had.update(dict.fromkeys(part.events, part.id))
    return {event.id: had.get(event.id, root.id) for event, _ in events}


def _named(
    state: ContactState, of: Named, decoded: Decoded, orders: Mapping[OrderKey, Order]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that an event lets the contact hold, and those that point to it from then on (see identity.py)."""
    event, data = decoded
    if data.identity.contact_id is not None and event.trust == "trusted":
        return (), ()
    if robot(data):
        return (of.held[:1], of.keys[:1]) if state.version == 0 else ((), ())
    key = fold.order_key(event, data)
    known = None if key is None or not _names_an_order(of) else orders.get(key)
    told_again = known is not None and (isinstance(data, PurchaseRefunded) or known.paid)
    if told_again and _names_somebody_else(of, state):  # it is the buyer's all the same, and tells nothing of them
        return (), ()
    ours = tuple(each for each in of.keys if mark(each) not in state.foreign) if state.foreign else of.keys
    return tuple(each for each in of.held if each in ours), ours


def _names_somebody_else(of: Named, state: ContactState) -> bool:
    """Whether none of the keys is the contact's, and one is where the contact has another of its kind."""
    kinds = {key.partition(":")[0] for key in of.held}
    mine = {key.partition(":")[0] for key in state.keys}
    return bool(kinds & mine) and not any(each in state.keys for each in of.held)


def _names_an_order(of: Named) -> bool:
    return any(key.startswith(_ORDER) for key in of.weak)
