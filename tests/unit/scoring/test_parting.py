"""A split undoes a merge: each person's facts are what they would be had nobody ever joined them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.consume.batch import Batch
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.machine import judged
from services.scoring.domain.identity.identity import named
from services.scoring.domain.identity.parting import Parted, folded, part
from shared.events.envelope import Decoded
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_lead,
    a_purchase,
    a_refund,
    a_touch,
    an_engagement,
    an_id,
    an_identification,
    facts,
)

ADA, BEN = {"email": "ada@example.com"}, {"user_id": "u-ben"}
SHARED = "+441632960961"


def events_of(who: dict[str, str], name: str) -> st.SearchStrategy[list[Decoded]]:
    """Some events of one person, in any order, some by a device or a switchboard."""

    def made(kind: int, number: int, minute: int, traits: dict[str, str]) -> Decoded:
        given_: dict[str, Any] = {**who, "at": NOW + timedelta(minutes=minute), "event": f"{name}{number}"}
        order = {"order_id": f"{name}-{number % 2}"}
        return [
            lambda: a_lead(**given_, name=name, traits=traits),
            lambda: an_engagement(**given_, anonymous_id=f"device-of-{name}"),
            lambda: a_purchase(**given_, **order),
            lambda: a_refund(**given_, **order, amount="10.00"),
            lambda: a_touch(**given_),
            lambda: an_identification(**given_, phone=f"+4416329609{'62' if name == 'ada' else '63'}"),
        ][kind]()

    traits = st.dictionaries(st.sampled_from(["country", "company"]), st.sampled_from(["DE", "Acme"]), max_size=2)
    one = st.tuples(st.integers(0, 5), st.integers(0, 500), traits)
    return st.lists(one, min_size=1, max_size=6).map(
        lambda many: [made(kind, number, minute, traits) for number, (kind, minute, traits) in enumerate(many)]
    )


def a_batch() -> Batch:
    ids = iter(range(1, 1000))
    return Batch(MODEL, NOW, {}, {}, lambda: UUID(int=next(ids)))


def told(batch: Batch, events: list[Decoded]) -> list[UUID]:
    return [batch.fold(each).state.id for each in events]


def joined(before: list[Decoded], since: list[Decoded]) -> tuple[Batch, Parted, list[Decoded]]:
    """Both were told of, then merged by one event that names both, then told of again, then parted."""
    batch = a_batch()
    told(batch, before)
    loser = batch.keys["user:/sources/website:u-ben"]
    theirs = {
        each.event.id for each in before if each.data.identity.user_id is not None
    }  # the handler keeps it by contact
    keys = {key for key, contact in batch.keys.items() if contact == loser}
    state = batch.states[loser]
    merge = an_identification(**ADA, **BEN, event="merge", at=NOW + timedelta(minutes=600))
    told(batch, [merge, *since])
    (survivor,) = batch.states
    if survivor == loser:  # the older one stays
        theirs = {each.event.id for each in before} - theirs
        other = next(iter(batch.tombstones))
        keys, state = batch.lost_keys[other], batch.tombstones[other]
    everything = [*before, merge, *since]
    return batch, part(state, batch.states[survivor], everything, theirs, keys, MODEL), everything


@given(events_of(ADA, "ada"), events_of(BEN, "ben"))
def test_split_undoes_merge(ada: list[Decoded], ben: list[Decoded]) -> None:
    _, parted, _ = joined([*ada, *ben], [])
    alone = folded(parted.loser.state.id, parted.loser.state.created, ben, MODEL)
    assert facts(Told(*parted.loser)) | {"foreign": ()} == facts(Told(*alone)) | {"foreign": ()}
    merge = an_identification(**ADA, event="merge", at=NOW + timedelta(minutes=600))
    alone = folded(parted.survivor.state.id, parted.survivor.state.created, [*ada, merge], MODEL)
    assert facts(Told(*parted.survivor)) | {"foreign": ()} == facts(Told(*alone)) | {"foreign": ()}
    assert set(parted.loser.state.keys).isdisjoint(parted.survivor.state.keys)
    assert parted.theirs == [each.event.id for each in ben]


@given(events_of(ADA, "ada"), events_of(BEN, "ben"), events_of(ADA, "ada"), events_of(BEN, "ben"))
def test_what_came_since_the_merge_goes_to_whom_it_names(
    ada: list[Decoded], ben: list[Decoded], ada_since: list[Decoded], ben_since: list[Decoded]
) -> None:
    def again(events: list[Decoded]) -> list[Decoded]:
        return [
            each._replace(event=msgspec.structs.replace(each.event, id=an_id(f"since {each.event.id}")))
            for each in events
        ]

    ada_since, ben_since = again(ada_since), again(ben_since)
    _, parted, _ = joined([*ada, *ben], [*ada_since, *ben_since])
    assert set(parted.theirs) == {each.event.id for each in (*ben, *ben_since)}


def states(parted: Parted) -> dict[UUID, ContactState]:
    return {each.state.id: each.state for each in (parted.loser, parted.survivor)}


@pytest.mark.parametrize("trust", ["trusted", "public"])
def test_who_was_parted_never_joins_again_by_what_names_both(trust: Any) -> None:
    before, parted, _ = joined([a_lead(**ADA), a_lead(**BEN, event="b")], [])
    batch = a_batch()
    batch.stored = batch.states = states(parted)
    batch.keys = dict(before.keys) | {"user:/sources/website:u-ben": parted.loser.state.id}
    both = an_identification(**ADA, **BEN, event="again", at=NOW + timedelta(days=1), trust=trust)
    done = batch.fold(both)
    assert (done.absorbed, len(batch.states)) == ((), 2)
    assert done.state.id == parted.survivor.state.id
    assert "user:/sources/website:u-ben" not in done.state.keys
    assert batch.keys["user:/sources/website:u-ben"] == parted.loser.state.id
    lead = a_lead(email="ada@example.com", user_id="u-ben", event="lead", at=NOW + timedelta(days=2), trust=trust)
    assert batch.fold(lead).absorbed == ()
    assert batch.fold(a_lead(**BEN, event="alone")).state.id == parted.loser.state.id


def test_an_address_of_the_other_never_becomes_what_a_mail_goes_to() -> None:
    ada, ben = {"user_id": "u-ada"}, {"email": "ben@example.com"}
    batch = a_batch()
    told(batch, [a_lead(**ada, event="a"), a_lead(**ben, event="b")])
    loser = batch.keys["email:ben@example.com"]
    keys, state = {"email:ben@example.com"}, batch.states[loser]
    merge = a_lead(**ada, **ben, event="m", at=NOW + timedelta(hours=1))
    told(batch, [merge])
    (survivor,) = batch.states.values()
    assert survivor.get("email") == "ben@example.com"
    everything = [a_lead(**ada, event="a"), a_lead(**ben, event="b"), merge]
    parted = part(state, survivor, everything, {an_id("b")}, keys, MODEL)
    assert (parted.survivor.state.get("email"), parted.loser.state.get("email")) == (None, "ben@example.com")
    assert "ben" not in str(parted.survivor.state.foreign), "marks, not addresses"


def test_a_number_that_both_were_called_by_stays_with_both() -> None:
    one = an_identification(email="ada@example.com", phone=SHARED, event="a")
    two = an_identification(user_id="u-ben", phone=SHARED, event="b")
    ada, ben = (folded(an_id(name), NOW, [each], MODEL).state for name, each in (("ada", one), ("ben", two)))
    merge = an_identification(**ADA, **BEN, event="m")
    keys = set(named(two.data.identity, two.event.source, two.event.trust).keys)
    parted = part(ben, ada, [one, two, merge], {two.event.id}, keys, MODEL)
    assert {each.state.get("phone") for each in (parted.loser, parted.survivor)} == {SHARED}


def test_who_was_said_to_be_a_machine_stays_one_alone() -> None:
    since = NOW.timestamp()
    mine, theirs = a_lead(**ADA, event="ada", name="Ada"), a_lead(**BEN, event="ben", name="Ben")
    people = {name: folded(an_id(name), NOW, [each], MODEL).state for name, each in (("ada", mine), ("ben", theirs))}
    for machine in ("ada", "ben"):
        said = people | {machine: judged(people[machine], [mine if machine == "ada" else theirs], since, MODEL)}
        parted = part(said["ben"], said["ada"], [mine, theirs], {theirs.event.id}, people["ben"].keys, MODEL)
        states = {"ada": parted.survivor.state, "ben": parted.loser.state}
        assert {name: state.machine for name, state in states.items()} == {"ada": None, "ben": None} | {machine: since}
        assert {name for name, state in states.items() if state.open_lead} == {"ada", "ben"} - {machine}
        assert {state.get("name") for state in states.values()} == {"Ada", "Ben"}
