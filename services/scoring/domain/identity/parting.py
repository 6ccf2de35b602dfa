"""Splits a merged contact into the two people it is: what belongs to whom, folded separately. Pure."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.scoring.domain.contact import fold
from services.scoring.domain.contact.bounds import bounded
from services.scoring.domain.contact.contact import ContactState, new_contact
from services.scoring.domain.contact.machine import judged
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.identity.identity import hold, named
from services.scoring.domain.identity.marks import mark, own
from services.scoring.domain.model.model import Model
from services.scoring.domain.trust import happened, robot
from shared.events.envelope import Decoded

_replace: Final = msgspec.structs.replace


class Person(NamedTuple):
    """A contact folded again, with its orders."""

    state: ContactState
    orders: dict[OrderKey, Order]


class Parted(NamedTuple):
    """The two people: the one merged away (`theirs` are the ids of that one's events), and the `survivor`."""

    loser: Person
    survivor: Person
    theirs: list[UUID]


def part(
    loser: ContactState,
    survivor: ContactState,
    events: Sequence[Decoded],
    known: Collection[UUID],
    their_keys: Collection[str],
    model: Model,
) -> Parted:
    """Undo a merge. `events` are those of both, `known` those that were the loser's before, `their_keys` its keys.

    An event since the merge is the loser's when its strongest key is, and none of its keys is the survivor's. An event
    that names both stays with the survivor, without the loser's keys.
    """
    mine_alone = {
        key
        for each in events
        if each.event.id not in known and not _first_of(each, their_keys)
        for key in _keys(each)
        if key not in their_keys
    }

    def is_theirs(each: Decoded) -> bool:
        if each.event.id in known:
            return True
        return _first_of(each, their_keys) and not any(key in mine_alone for key in _keys(each))

    theirs = [each for each in events if is_theirs(each)]
    mine = [each for each in events if not is_theirs(each)]
    # A number of both (a switchboard) belongs to neither alone.
    shared = {
        key
        for each in mine
        for key in _keys(each)
        if key.startswith("phone:") and not any(other in their_keys for other in _keys(each) if other != key)
    }
    her = folded(loser.id, loser.created, theirs, model, loser.foreign)
    not_mine = {mark(key) for key in (*their_keys, *her.state.keys) if key not in shared}
    foreign = tuple(sorted({*survivor.foreign, *not_mine} - {mark(key) for key in mine_alone}))
    his = folded(survivor.id, survivor.created, mine, model, foreign)
    not_hers = {mark(key) for key in his.state.keys if key not in her.state.keys}
    her = her._replace(state=_replace(her.state, foreign=tuple(sorted({*her.state.foreign, *not_hers}))))
    version = max(survivor.version, loser.version) + 1  # newer than anything published before
    her, his = _judged(her, loser, theirs, model), _judged(his, survivor, mine, model)
    return Parted(_at(her, version), _at(his, version), [each.event.id for each in theirs])


def _judged(person: Person, before: ContactState, events: Sequence[Decoded], model: Model) -> Person:
    """A person, or a machine still if somebody said so."""
    if before.machine is None:
        return person
    return person._replace(state=judged(person.state, events, before.machine, model))


def folded(
    contact_id: UUID, created: datetime, events: Iterable[Decoded], model: Model, foreign: tuple[str, ...] = ()
) -> Person:
    """A contact folded from its events in the order of their times. `foreign`: marks of keys that are not its own."""
    state = _replace(new_contact(contact_id, created), foreign=foreign)
    orders: dict[OrderKey, Order] = {}
    for event, data in sorted(events, key=lambda each: (happened(each.event), each.event.id)):
        held = tuple(key for key in named(data.identity, event.source, event.trust).held if mark(key) not in foreign)
        state = hold(state, held, claimed=event.trust == "public" or robot(data))
        state = fold.fold(state, event, own(data, foreign), model.scorecard.half_lives)
        key = fold.order_key(event, data)
        if key is not None:
            before = orders.get(key)
            after = fold.order_after(before, event, data)
            state = pricing.reckon(state, before, after, model)
            if after is not None:
                orders[key] = after
    known, _ = bounded(state.known)
    return Person(_replace(state, known=known), orders)


def _keys(each: Decoded) -> tuple[str, ...]:
    return named(each.data.identity, each.event.source, each.event.trust).keys


def _first_of(each: Decoded, keys: Collection[str]) -> bool:
    """Whether the event's strongest key is among these."""
    names = _keys(each)
    return bool(names) and names[0] in keys


def _at(person: Person, version: int) -> Person:
    return person._replace(state=_replace(person.state, version=version))
