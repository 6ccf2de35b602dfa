"""scoring on a real broker and a real Postgres: what becomes of events, also of odd ones, crashed and crowded."""

import itertools
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from services.scoring.consume.handler import Scoring, TooMuch
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts.batch import UpdateRow
from services.scoring.tables import metadata
from shared.db.migrate import differences, migrate
from shared.events.envelope import encode
from shared.kafka.records import Record
from tests.support.scoring_service import PARTITIONS, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import (
    NOW,
    a_lead,
    a_model,
    a_purchase,
    a_refund,
    an_engagement,
    an_identification,
    minutes,
)


@pytest.fixture
def partitions() -> int:
    return PARTITIONS


async def test_an_event_becomes_a_contact_with_bookings_and_one_update(world: World) -> None:
    lead = a_lead(name="Ada", traits={"country": "DE"})
    imported = a_lead(email="bea@example.com")
    async with scoring(world) as api:
        await world.tell(lead)
        await world.tell(imported, bulk=True)
        (update,) = await world.updates(1)
        (bulk,) = await world.updates(1, world.topics.updates_bulk)
        (found,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
    data = update.data
    assert update.id == lead.event.id
    assert data.contact.id != bulk.data.contact.id
    assert (data.contact.email, data.contact.name, data.contact.stage) == ("ada@example.com", "Ada", "lead")
    assert (data.contact.version, data.before.lead, data.merged) == (1, 0, [])
    assert data.after.lead == sum(b.amount for b in data.bookings) > 0
    assert [b.factor for b in data.bookings] == ["source", "traits", "cost"]
    assert msgspec.json.decode(data.event) == msgspec.json.decode(encode(lead.event))
    assert found["id"] == str(data.contact.id)
    assert found["lead_value"] == {"amount": f"{data.after.lead / 100:.2f}", "currency": "EUR"}
    assert bulk.data.contact.email == "bea@example.com"
    assert len(await world.messages(world.topics.updates, 1)) == 1
    await world.books_balance()


async def test_the_key_of_an_update_is_the_contact_and_names_nobody(world: World) -> None:
    async with scoring(world):
        await world.tell(a_lead())
        (message,) = await world.messages(world.topics.updates, 1)
    contact = await world.one("SELECT id FROM contacts")
    assert message.key == str(contact).encode()
    assert dict(message.headers)["content-type"] == b"application/cloudevents+json"


async def test_the_same_event_is_folded_once_wherever_it_turns_up(world: World) -> None:
    lead, seen = a_lead(), an_engagement()
    async with scoring(world):
        await world.tell(lead, lead, seen, partition=1)
        await world.tell(lead, seen, partition=1)
        await world.settled()
        await world.tell(lead, seen, seen, partition=7)
        await world.tell(lead, seen, partition=2, bulk=True)
        await world.settled()
        updates = await world.updates(2)
        assert not await world.messages(world.topics.updates_bulk, 0)
    assert [update.id for update in updates] == [lead.event.id, seen.event.id]
    assert await world.one("SELECT version FROM contacts") == 2
    assert await world.one("SELECT count(*) FROM events") == 2
    await world.books_balance()


async def test_copies_that_wait_on_every_partition_are_folded_once_by_two_processes(world: World) -> None:
    people = [a_lead(email=f"p{n}@example.com") for n in range(20)]
    for partition in range(PARTITIONS):
        await world.tell(*people, partition=partition)
    async with scoring(world, instance="one"), scoring(world, instance="two"):
        await world.settled()
        updates = await world.updates(20)
    assert sorted(update.id for update in updates) == sorted(each.event.id for each in people)
    assert await world.one("SELECT count(*) FROM contacts") == 20
    assert not await world.messages(world.topics.dead_letters, 0)
    await world.books_balance()


async def test_a_purchase_raises_customer_value_and_closes_the_lead(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(a_lead(), a_purchase(at=NOW + minutes(5)), a_refund(at=NOW + minutes(9), amount="50.00"))
        lead, purchase, refund = await world.updates(3)
        (found,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
    assert (purchase.data.before.lead, purchase.data.after.lead) == (lead.data.after.lead, 0)
    assert (purchase.data.before.customer, purchase.data.after.customer) == (0, 3500)
    assert {(b.account, b.factor) for b in purchase.data.bookings} == {("lead", "converted"), ("customer", "purchase")}
    assert [(b.factor, b.amount) for b in refund.data.bookings] == [("refund", -1750)]
    assert (found["stage"], found["purchases"], found["customer_value"]["amount"]) == ("customer", 1, "17.50")
    await world.books_balance()


@pytest.mark.parametrize("at_once", [True, False])
async def test_every_id_that_was_ever_published_leads_to_whom_it_became(world: World, *, at_once: bool) -> None:
    emails = [f"p{n}@example.com" for n in range(4)]
    chain = [a_lead(email=email, at=NOW + minutes(n)) for n, email in reversed(list(enumerate(emails)))]
    for n, pair in enumerate(itertools.pairwise(reversed(emails))):  # each joins one that is joined next
        at = NOW + minutes(10 + n)
        chain += [an_identification(email=email, user_id=f"u{n}", at=at, event=(n, email)) for email in pair]
    async with scoring(world) as api:
        for event in chain:
            await world.tell(event)
            if not at_once:
                await world.settled()
        updates = await world.updates(len(chain))
        published = {update.data.contact.id for update in updates}
        for n, contact_id in enumerate(sorted(published)):
            await world.tell(an_engagement(contact_id=contact_id, at=NOW + minutes(60), event=n))
        await world.settled()
        became = {(await api.get(f"/v1/contacts/{each}"))["id"] for each in published}
        (one,) = await api.pages("/v1/contacts")
    assert became == {one["id"]}
    assert one["version"] == len(chain) + len(published)
    assert not await world.messages(world.topics.dead_letters, 0)
    assert await world.one("SELECT count(*) FROM contacts") == len(published)
    await world.books_balance()


@pytest.mark.parametrize("at_once", [True, False])
async def test_two_contacts_that_turn_out_to_be_one_are_merged(world: World, *, at_once: bool) -> None:
    first = a_lead(email="ada@example.com", traits={"country": "DE"})
    second = a_purchase(phone="+441632960961", at=NOW + minutes(1))
    joining = an_identification(email="ada@example.com", phone="+441632960961", at=NOW + minutes(2))
    async with scoring(world) as api:
        for event in (first, second, joining):
            await world.tell(event)
            if not at_once:
                await world.settled()
        *_, joined = updates = await world.updates(3)
        whose = {update.id: update.data.contact.id for update in updates}
        older, younger = whose[first.event.id], whose[second.event.id]
        await world.tell(an_engagement(contact_id=younger, kind="email_clicked", at=NOW + minutes(3)))
        await world.settled()
        by_id = [(await api.get(f"/v1/contacts/{each}"))["id"] for each in (older, younger)]
        booked = await api.pages(f"/v1/contacts/{older}/bookings", limit=2)
        events = await api.pages(f"/v1/contacts/{older}/events", limit=1)
    data = joined.data
    assert {data.contact.id, *data.merged} == {older, younger}
    assert (data.contact.version, data.contact.purchases) == (3, 1)
    assert (data.before.lead > 0, data.after.lead, data.after.customer) == (True, 0, 3500)
    assert set(by_id) == {str(data.contact.id)}
    assert data.contact.id == older
    assert [each["id"] for each in events[:3]] == [str(each.event.id) for each in (first, second, joining)]
    assert [each["type"] for each in events[3:]] == ["engagement.recorded"], (
        "a fact about the old id finds the survivor"
    )
    assert {each["event_id"] for each in booked} == {each["id"] for each in events[:3]}
    assert await world.one("SELECT count(*) FROM contacts WHERE merged_into IS NULL") == 1
    assert await world.one("SELECT count(DISTINCT contact_id) FROM identities") == 1
    await world.books_balance()


async def test_an_anonymous_history_joins_the_lead_it_becomes(world: World) -> None:
    async with scoring(world):
        await world.tell(an_engagement(anonymous_id="x"), an_engagement(anonymous_id="x", at=NOW + minutes(1)))
        await world.tell(a_lead(email="ada@example.com", anonymous_id="x", at=NOW + minutes(2)))
        await world.settled()
        *_, lead = await world.updates(3)
    assert await world.one("SELECT count(*) FROM contacts") == 1
    assert lead.data.contact.version == 3
    assert "engagement" in {b.factor for b in lead.data.bookings}


async def test_two_people_on_one_device_stay_two(world: World) -> None:
    async with scoring(world):
        await world.tell(a_lead(email="ada@example.com", anonymous_id="x"))
        await world.tell(a_lead(email="bea@example.com", anonymous_id="x", at=NOW + minutes(1)))
        await world.tell(an_engagement(anonymous_id="x", at=NOW + minutes(2)))
        await world.settled()
        updates = await world.updates(3)
    assert await world.one("SELECT count(*) FROM contacts WHERE merged_into IS NULL") == 2
    seen = next(u for u in updates if u.data.contact.version == 2)
    assert seen.data.contact.email == "bea@example.com", "a device points to the newer"


async def test_colleagues_behind_one_switchboard_are_two_leads_and_the_number_points_to_the_newest(
    world: World,
) -> None:
    phone, people = "+49305550100", ("erika.m2@example.com", "frank.m2@example.com")
    async with scoring(world) as api:
        for n, email in enumerate(people):
            await world.tell(a_lead(email=email, phone=phone, event=n, at=NOW + minutes(n)))
        await world.settled()
        erika, frank = await world.updates(2)
        (found,) = (await api.get("/v1/contacts", phone=phone))["items"]
    assert {update.data.contact.email for update in (erika, frank)} == set(people)
    assert {update.data.contact.phone for update in (erika, frank)} == {phone}
    assert erika.data.contact.id != frank.data.contact.id
    assert not erika.data.merged
    assert not frank.data.merged
    assert found["email"] == people[1]
    await world.books_balance()


async def test_a_stranger_gets_nothing_of_a_customers_contact(world: World) -> None:
    mine: dict[str, Any] = {"trust": "public", "email": "me@example.com"}
    known = a_purchase(email="ada@example.com", phone="+441632960961", user_id="42", anonymous_id="x", event="known")
    attacks = [
        a_lead(**mine, phone="+441632960961", event=1),
        a_lead(trust="public", email="ada@example.com", user_id="g", name="Mallory", event=2),
        an_identification(**mine, user_id="g", event=3),
        an_identification(**mine, user_id="42", anonymous_id="x", event=4),
        a_lead(trust="public", email="me2@example.com", phone="+441632960961", user_id="42", event=5),
    ]
    later = a_purchase(phone="+441632960961", order_id="A-2", at=NOW + minutes(9))
    async with scoring(world) as api:
        await world.tell(known)
        await world.settled()
        for attack in attacks:
            await world.tell(attack)
        await world.tell(later)
        await world.settled()
        updates = await world.updates(7)
        (ada,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
        strangers = [(await api.get("/v1/contacts", email=f"{name}@example.com"))["items"][0] for name in ("me", "me2")]
        by_user = (await api.get("/v1/contacts", user_id="42", source="website"))["items"]
    assert not any(update.data.merged for update in updates)
    assert (ada["email"], ada["phone"], ada["proven"], ada["purchases"]) == (
        "ada@example.com", "+441632960961", True, 2)  # fmt: skip
    assert by_user == [ada]
    for each in strangers:
        assert (each["proven"], each["purchases"], each["name"]) == (False, 0, None)
    await world.books_balance()


async def test_what_can_never_be_folded_is_buried_and_the_rest_goes_on(world: World) -> None:
    bad = [b"", b"{", b"\xff\xfe", encode(a_lead(email="x@example.com").event).replace(b"lead.captured", b"lead.odd")]
    no_amount = a_purchase(email="bea@example.com", amount="much")
    async with scoring(world):
        await world.tell(a_lead())
        for value in bad:
            await world.put(value)
        await world.tell(no_amount, an_engagement(at=NOW + minutes(1)))
        updates = await world.updates(2)
        dead = {letter.value: dict(letter.headers) for letter in await world.messages(world.topics.dead_letters, 5)}
    assert [update.data.contact.version for update in updates] == [1, 2]
    assert set(dead) == {*bad, encode(no_amount.event)}
    assert b"not a plain decimal number" in dead[encode(no_amount.event)]["error-message"]
    assert b"unknown event type" in dead[bad[3]]["error-message"]
    assert {headers["origin-topic"] for headers in dead.values()} == {world.topics.events.encode()}
    assert {headers["error-class"] for headers in dead.values()} == {b"Permanent"}
    assert await world.one("SELECT count(*) FROM contacts") == 1, "nobody is made by an event that was not folded"
    await world.books_balance()


async def test_one_person_whose_identities_hash_apart_is_one_contact_for_two_processes(world: World) -> None:
    people = 12
    for n, part in itertools.product(range(people), range(4)):
        email, phone, user, at = f"p{n}@example.com", f"+4416329609{n:02}", f"u{n}", NOW + minutes(part)
        event = (
            a_lead(email=email, phone=phone, at=at),
            a_lead(phone=phone, user_id=user, at=at),
            a_purchase(user_id=user, email=email, order_id=f"A-{n}", at=at),
            an_engagement(user_id=user, phone=phone, at=at),
        )[part]
        await world.tell(event, partition=(n + 3 * part) % PARTITIONS)
    async with scoring(world, instance="one") as api, scoring(world, instance="two"):
        await world.settled()
        updates = await world.updates(4 * people)
        shown = await api.pages("/v1/contacts", limit=5)
    assert len({update.id for update in updates}) == len(updates) == 4 * people
    assert len(shown) == people
    assert {(each["version"], each["purchases"], each["customer_value"]["amount"]) for each in shown} == {
        (4, 1, "35.00")
    }
    assert not await world.messages(world.topics.dead_letters, 0)
    await world.books_balance()


async def test_what_was_committed_but_not_told_is_told_byte_for_byte_after_a_restart(world: World) -> None:
    async with scoring(world):
        await world.tell(a_lead(), partition=3)  # each on a partition of its own: a later batch would drop what is told
        await world.tell(a_lead(phone="+441632960961"), partition=4)
        await world.tell(a_lead(email="bea@example.com"), partition=5, bulk=True)
        await world.settled()
        await world.tell(an_engagement(at=NOW + minutes(1)), partition=6)
        await world.tell(
            an_identification(email="ada@example.com", phone="+441632960961", at=NOW + minutes(2)), partition=7
        )
        before = await world.messages(world.topics.updates, 4)
        bulk_before = await world.messages(world.topics.updates_bulk, 1)
    await world.rows("UPDATE consumer_offsets SET published = 0 RETURNING 1")  # as after a crash
    async with scoring(world):
        after = await world.messages(world.topics.updates, 8)
        bulk_after = await world.messages(world.topics.updates_bulk, 2)
    for first, second in ((before, after), (bulk_before, bulk_after)):
        told = [(each.key, each.value, each.headers) for each in first]
        assert sorted((each.key, each.value, each.headers) for each in second) == sorted(told * 2)
    assert await world.one("SELECT count(*) FROM events") == 5


async def test_an_update_is_kept_until_kafka_has_it(world: World) -> None:
    async def told() -> bool:
        return bool(await world.one("SELECT bool_and(published = next_offset) FROM consumer_offsets"))

    async with scoring(world):
        await world.tell(a_lead(), an_engagement(at=NOW + minutes(1)), partition=3)
        await world.tell(a_lead(email="bea@example.com"), partition=4)
        await world.settled()
        await until(told, 30)
        await world.tell(an_engagement(at=NOW + minutes(2)), partition=3)
        await world.settled()
    kept = await world.rows('SELECT partition, "offset" FROM updates WHERE partition = 3')
    assert [tuple(row) for row in kept] == [(3, 2)]


async def test_what_is_not_marked_as_published_is_kept_beside_other_partitions(world: World) -> None:
    rows = [UpdateRow(world.topics.events, partition, offset, b"u") for partition in (1, 2) for offset in range(4)]
    async with world.engine.begin() as conn:
        await conn.execute(sa.text("INSERT INTO consumer_offsets VALUES (:t, 1, 4, 2), (:t, 2, 4, 3)"),
                           {"t": world.topics.events})  # fmt: skip
        await store.insert_updates(conn, rows)
        await store.insert_updates(conn, [UpdateRow(world.topics.events, 1, 4, b"next")])
        left = await conn.execute(sa.text('SELECT partition, "offset" FROM updates ORDER BY 1, 2'))
        assert [tuple(row) for row in left] == [(1, 2), (1, 3), (1, 4), (2, 0), (2, 1), (2, 2), (2, 3)]


async def test_what_is_told_again_is_told_in_the_order_of_the_events_and_of_its_partition_alone(world: World) -> None:
    topic = world.topics.events
    rows = [UpdateRow(topic, partition, offset, b"%d" % offset) for partition in (1, 2) for offset in range(20)]
    async with world.engine.begin() as conn:
        await store.insert_updates(conn, rows[::-1])
        await store.insert_updates(conn, [UpdateRow(world.topics.events_bulk, 1, 5, b"an import's")])
        assert await store.unpublished(conn, topic, 1, 3, 18) == [b"%d" % offset for offset in range(3, 18)]


async def test_a_batch_is_bounded_by_what_comes_of_it(world: World) -> None:
    handler = Scoring(
        InForce(a_model()), world.topics, Metrics(CollectorRegistry()), lambda: NOW, uuid4, most_bytes=5000
    )
    values = [encode(a_lead(email=f"p{n}@example.com", event=n).event) for n in range(9)]
    records = [Record(world.topics.events, 0, n, None, value, 0) for n, value in enumerate(values)]
    async with world.engine.connect() as conn:
        with pytest.raises(TooMuch):
            await handler.handle(conn, records)
        await conn.rollback()
        assert len((await handler.handle(conn, records[:2])).outgoing) == 2
    handler = Scoring(InForce(a_model()), world.topics, Metrics(CollectorRegistry()), lambda: NOW, uuid4, most_bytes=1)
    async with world.engine.connect() as conn:
        assert len((await handler.handle(conn, records[:1])).outgoing) == 1, "one alone is always taken"


async def test_migrations_go_up_down_and_up_and_make_what_the_code_says(database: str) -> None:
    assert await differences(database, "scoring", metadata) == []
    await migrate(database, "scoring", "base")
    assert await differences(database, "scoring", metadata) != []
    await migrate(database, "scoring")
    assert await differences(database, "scoring", metadata) == []
