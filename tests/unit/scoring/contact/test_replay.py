"""A contact made anew from its events is what it was, however it came about and whoever was merged into it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.consume.batch import Batch
from services.scoring.domain.contact.contact import ContactState, decode_state, encode_state
from services.scoring.domain.contact.machine import judged
from services.scoring.domain.contact.replay import Part, Rebuilt, close, differences, rebuild
from services.scoring.domain.interests import bought_in
from shared.errors import Permanent
from shared.events.envelope import Decoded
from shared.events.identity import Identity
from shared.events.types import Consent, PurchaseRefunded
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_feedback,
    a_lead,
    a_purchase,
    a_touch,
    after,
    an_engagement,
    an_event,
    an_identification,
    minutes,
)
from tests.unit.scoring.test_batch import histories


@dataclass
class Stored:
    """What the tables hold after a history that came in batches of some events each."""

    batch: Batch
    came: list[Decoded] = field(default_factory=list)
    whose: dict[UUID, UUID] = field(default_factory=dict)
    parts: dict[UUID, Part] = field(default_factory=dict)  # the earliest merge first
    into: dict[UUID, UUID] = field(default_factory=dict)

    def survivor(self, contact: UUID) -> UUID:
        while contact in self.into:
            contact = self.into[contact]
        return contact

    def rebuilt(self) -> Iterator[tuple[ContactState, Rebuilt]]:
        for contact, state in self.batch.states.items():
            merged = [part for part in self.parts.values() if self.survivor(part.id) == contact]
            mine = [each for each in self.came if self.survivor(self.whose[each.event.id]) == contact]
            root = Part(contact, NOW, state.foreign)
            yield state, rebuild(root, merged, mine, returned(self.batch, contact), MODEL)


def returned(batch: Batch, but: UUID) -> dict[Any, Any]:
    others = [orders for contact, orders in batch.orders.items() if contact != but]
    return {key: order for orders in others for key, order in orders.items() if not order.paid}


def stored(history: list[Decoded], at_once: int) -> Stored:
    ids = iter(range(1, 1000))

    def a_batch(*, then: Batch | None = None) -> Batch:
        new_id = lambda: UUID(int=next(ids))  # noqa: E731
        if then is None:
            return Batch(MODEL, NOW, {}, {}, new_id)
        return Batch(MODEL, NOW, then.states, then.keys, new_id, orders=then.orders)

    world = Stored(a_batch())
    for n, decoded in enumerate(history):
        if n and n % at_once == 0:
            world.batch = a_batch(then=world.batch)
        before = dict(world.batch.states)
        keys = dict(world.batch.keys)
        try:
            done = world.batch.fold(decoded)
        except Permanent:
            continue
        for loser in done.absorbed:
            had = {each.event.id for each in world.came if world.survivor(world.whose[each.event.id]) == loser}
            theirs = {key for key, contact in keys.items() if contact == loser}
            gone = before[loser]
            world.parts[loser] = Part(loser, gone.created, gone.foreign, frozenset(had), frozenset(theirs))
            world.into[loser] = done.state.id
        world.came.append(decoded)
        world.whose[decoded.event.id] = done.state.id
    return world


@given(histories(), st.integers(1, 15))
def test_rebuilt_from_its_events_every_contact_is_what_it_was(history: list[Decoded], at_once: int) -> None:
    world = stored(history, at_once)
    for state, made in world.rebuilt():
        again = decode_state(encode_state(made.state))
        assert differences(decode_state(encode_state(state)), again) == []
        assert made.orders == world.batch.orders.get(state.id, {})
        assert again.version == state.version
        things = {
            item
            for event, data in world.came
            if world.survivor(world.whose[event.id]) == state.id
            for item in bought_in(event, data)
        }
        assert made.items == things
        assert all(key in world.batch.keys for key in made.keys), "what points to somebody is known"
        assert {key for key in state.keys if world.batch.keys.get(key) == state.id} <= made.keys


def test_consents_of_two_who_turned_out_to_be_one_are_heard_as_they_were() -> None:
    """Of a form's yes, said for a contact that it made itself, before a trusted sender joined the two."""
    ada, bea = {"email": "ada@example.com"}, {"email": "bea@example.com"}
    history = [
        a_lead(**ada, event="ada"),
        a_lead(**bea, event="bea", trust="public", consent=Consent(email=True)),
        an_identification(**ada, user_id="u", event="one"),
        an_identification(**bea, user_id="u", event="two"),
    ]
    ((state, made),) = stored(history, 1).rebuilt()
    assert "consent:email" in state.known
    assert made.state.known == state.known


def test_what_went_back_of_an_order_before_anybody_told_who_bought_it_counts() -> None:
    """A shop's refund that names the order alone, then the order with its buyer, then another refund."""
    told = a_purchase(order_id="A-1")
    bought = msgspec.structs.replace(told.data, identity=Identity(email="ada@example.com", order="A-1"))
    history = [
        an_event(PurchaseRefunded(identity=Identity(order="A-1"), order_id="A-1", amount="10.00", currency="EUR")),
        told._replace(data=bought),
        an_event(PurchaseRefunded(identity=Identity(order="A-1"), order_id="A-1", amount="20.00", currency="EUR")),
    ]
    world = stored(history, 1)
    for state, made in world.rebuilt():
        assert differences(state, made.state) == []
        assert made.orders == world.batch.orders[state.id]


def test_who_tells_of_somebody_else_s_order_is_not_the_buyer_afterwards_either() -> None:
    def telling(who: str) -> Decoded:
        told = a_purchase(order_id="A-1", event=who)
        return told._replace(
            data=msgspec.structs.replace(told.data, identity=Identity(email=f"{who}@example.com", order="A-1"))
        )

    ((state, made),) = stored([telling("ada"), telling("bea")], 1).rebuilt()
    assert "email:bea@example.com" not in state.keys
    assert made.state.keys == state.keys
    assert "email:bea@example.com" not in made.keys


def test_what_is_planted_is_found_by_its_kind() -> None:
    ((state, made),) = stored([a_lead(), an_engagement(), a_feedback(), a_touch()], 2).rebuilt()
    wrong: dict[str, dict[str, Any]] = {
        "words": {"known": {}},
        "identities": {"keys": ()},
        "times": {"captured": 1.0},
        "orders": {"past": 5},
        "engagement": {"engaged": {}},
    }
    for kind, changes in wrong.items():
        assert differences(msgspec.structs.replace(state, **changes), made.state) == [kind]
    assert close({"a": (1.0, 0.1 + 0.2)}, {"a": (1.0, 0.3)})
    assert not close({"a": (1.0, 0.1)}, {"a": (1.0, 0.3)})


def test_a_machine_made_anew_keeps_what_was_said_before_it_was_judged_and_nothing_that_it_did() -> None:
    said = [
        a_lead(name="Ada", traits={"size": 60}, consent=Consent(email=True), event="lead"),
        an_engagement(kind="meeting_booked", at=NOW + minutes(1), event="meeting"),
        a_purchase(at=NOW + minutes(2), event="order"),
    ]
    later = [a_lead(name="Bot", at=NOW + minutes(9), event="later"), an_engagement(at=NOW + minutes(9), event="visit")]
    since = (NOW + minutes(5)).timestamp()
    state = after(a_contact(), *said).state
    machine = after(judged(state, said, since, MODEL), *later).state
    root = Part(machine.id, machine.created, machine=since)
    anew = rebuild(root, [], [*said, *later], {}, MODEL).state
    assert anew.known == machine.known
    assert anew.get("name") == "Ada"
    assert differences(msgspec.structs.replace(anew, keys=machine.keys), machine) == []
