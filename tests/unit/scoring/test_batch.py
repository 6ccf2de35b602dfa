"""A whole batch in memory, whoever it is about: merges move bookings, and every contact's books balance."""

import random
from collections import defaultdict
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.consume.batch import Batch
from services.scoring.domain.identity.identity import named, vouched
from services.scoring.domain.trust import robot
from shared.errors import Permanent
from shared.events.envelope import Decoded
from shared.events.types import ContactIdentified, LeadCaptured
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_lead,
    a_purchase,
    a_refund,
    an_engagement,
    an_id,
    an_identification,
    minutes,
)

_WHO = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from([f"p{n}@example.com" for n in range(3)]),
        "phone": st.sampled_from([f"+44163296096{n}" for n in range(3)]),
        "user_id": st.sampled_from(["u0", "u1"]),
        "anonymous_id": st.sampled_from(["x", "y"]),
    },
).filter(bool)


@st.composite
def histories(draw: st.DrawFn, *, user_ids: bool = True) -> list[Decoded]:
    made = []
    for n in range(draw(st.integers(1, 15))):
        kind = draw(st.sampled_from([a_lead, a_purchase, a_refund, an_engagement, an_identification]))
        given = draw(_WHO) | {"event": n, "at": NOW + minutes(draw(st.integers(0, 10_000)))}
        if not user_ids and given.pop("user_id", None) and not given.keys() & {"email", "phone", "anonymous_id"}:
            given["phone"] = "+441632960961"
        given["trust"] = draw(st.sampled_from(["trusted", "trusted", "public"]))
        given["human_likelihood"] = draw(st.sampled_from([1.0, 1.0, 1.0, 0.1]))
        if kind in (a_lead, an_identification):
            given["name"] = draw(st.sampled_from([None, "Ada", "Bea"]))
        if kind is a_purchase:
            given["order_id"] = draw(st.sampled_from(["A-1", "A-2"]))
        made.append(kind(**given))
    return made


@given(histories(), st.integers(1, 15))
def test_the_books_of_everybody_balance_whoever_turns_out_to_be_whom(history: list[Decoded], batches: int) -> None:
    """Also when the history comes in several batches, each of which begins with what the last one stored."""
    booked: dict[UUID, dict[str, int]] = defaultdict(lambda: {"lead": 0, "customer": 0})
    versions: dict[UUID, int] = defaultdict(int)
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for n, decoded in enumerate(history):
        if n % batches == 0:
            batch = Batch(MODEL, NOW, batch.states, batch.keys, uuid4, orders=batch.orders)
        folded = batch.fold(decoded)
        mine = folded.state.id
        for loser in folded.absorbed:
            for account, amount in booked.pop(loser).items():
                booked[mine][account] += amount
            versions[mine] += versions.pop(loser)
        versions[mine] += 1
        before = dict(booked[mine])
        assert (folded.before.lead, folded.before.customer) == (before["lead"], before["customer"])
        for each in folded.bookings:
            booked[mine][each.account] += each.amount
        for contact_id, state in batch.states.items():
            assert (state.lead, state.customer) == (booked[contact_id]["lead"], booked[contact_id]["customer"])
            assert state.version == versions[contact_id]
    assert set(batch.keys.values()) <= set(batch.states)
    for key, contact_id in batch.keys.items():
        assert key.startswith("anonymous:") or "#public" in key or key in batch.states[contact_id].keys


@given(histories())
def test_a_strong_identity_names_one_contact_ever_after(history: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for event, data in history:
        of = named(data.identity, event.source, event.trust)
        folded = batch.fold(Decoded(event, data))
        if event.trust == "trusted" and not robot(data):
            assert {batch.keys[key] for key in of.keys} == {folded.state.id}
    strong = [key for state in batch.states.values() for key in state.keys if not key.startswith("phone:")]
    assert len(strong) == len(set(strong)), "two contacts never hold the same strong key"


@given(histories(user_ids=False))
def test_no_number_and_no_device_ever_makes_two_addresses_one_person(history: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for decoded in history:
        batch.fold(decoded)
    for state in batch.states.values():
        assert sum(key.startswith("email:") for key in state.keys) <= 1


@given(st.lists(_WHO.map(lambda who: {name: who[name] for name in ("email", "user_id") if name in who}).filter(bool)),
       st.randoms(use_true_random=False))  # fmt: skip
def test_who_is_one_person_by_strong_identities_does_not_depend_on_the_order(
    people: list[dict[str, Any]], dice: random.Random
) -> None:
    def partition(order: list[dict[str, Any]]) -> set[frozenset[str]]:
        batch = Batch(MODEL, NOW, {}, {}, uuid4)
        for n, who in enumerate(order):
            batch.fold(an_identification(**who, event=n))
        return {frozenset(state.keys) for state in batch.states.values()}

    assert partition(people) == partition(dice.sample(people, len(people)))


@given(histories())
def test_a_stranger_joins_nobody_moves_nothing_and_overwrites_no_trusted_word(history: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for decoded in history:
        keys, states = dict(batch.keys), dict(batch.states)
        folded = batch.fold(decoded)
        if decoded.event.trust == "trusted":
            continue
        assert all(not states[each].keys for each in folded.absorbed), "but somebody's visits"
        for key, contact_id in keys.items():
            assert batch.keys[key] == contact_id or contact_id in folded.absorbed
        for contact_id, state in states.items():
            now = batch.states[batch.survivor(contact_id)]
            assert {key for key in state.keys if vouched(state, key)} <= {k for k in now.keys if vouched(now, k)}
            for name, word in state.known.items():
                assert word.public or now.known[name] == word
            for key in now.keys:
                assert key in state.keys or contact_id in folded.absorbed or not vouched(now, key)


@given(histories())
def test_a_robot_joins_nobody_and_changes_nothing_that_is_known(history: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for decoded in history:
        keys, states = dict(batch.keys), dict(batch.states)
        folded = batch.fold(decoded)
        if not robot(decoded.data):
            continue
        assert not folded.absorbed
        assert keys.items() <= batch.keys.items()
        assert len(batch.keys) <= len(keys) + 1
        for contact_id, state in states.items():
            now = batch.states[contact_id]
            assert (now.keys, now.claimed, now.captured) == (state.keys, state.claimed, state.captured)
            if isinstance(decoded.data, LeadCaptured | ContactIdentified):
                assert now.known == state.known


def test_an_event_that_cannot_be_folded_changes_nothing() -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    batch.fold(a_lead(email="ada@example.com"))
    batch.fold(a_lead(phone="+441632960961"))
    before = (dict(batch.states), dict(batch.keys), dict(batch.merges), set(batch.new_keys))
    for bad in (
        a_purchase(email="ada@example.com", phone="+441632960961", amount="much"),
        a_purchase(email="new@example.com", amount="much"),
        an_engagement(contact_id=an_id("nobody")),
    ):
        with pytest.raises(Permanent):
            batch.fold(bad)
        assert (batch.states, batch.keys, batch.merges, batch.new_keys) == before


@given(histories())
def test_every_contact_that_was_published_is_written_or_was(history: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    published = {batch.fold(decoded).state.id for decoded in history}
    assert published == {state.id for state in batch.to_insert()}
    assert published == batch.merged().keys() | batch.states.keys()
    assert set(batch.merged().values()) <= batch.states.keys()


def test_an_event_that_names_its_contact_finds_it_after_a_merge() -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    younger = [batch.fold(a_lead(**who)).state.id for who in ({"email": "a@example.com"}, {"phone": "+441632960961"})]
    joined = batch.fold(an_identification(email="a@example.com", phone="+441632960961"))
    for contact_id in younger:
        assert batch.fold(an_engagement(contact_id=contact_id)).state.id == joined.state.id
    assert batch.fold(an_engagement(contact_id=younger[0], email="b@example.com")).state.id == joined.state.id
    assert "email:b@example.com" not in batch.keys, "an event of our own names its contact and nothing else"


def test_nobody_is_named_by_an_empty_identity() -> None:
    event, data = a_lead()
    nameless = Decoded(event, msgspec.structs.replace(data, identity=type(data.identity)()))
    with pytest.raises(Permanent, match="names nobody"):
        Batch(MODEL, NOW, {}, {}, uuid4).fold(nameless)
