"""Who is erased is in no table any more, but for what they objected to; and nobody else misses anything."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from services.nurture.domain.context import Happening
from services.nurture.domain.enrolment import decode_enrolment
from services.nurture.domain.mail.consent import Matter, Word, about
from services.nurture.store import consents, erase
from services.nurture.store.deliveries import leases
from shared.clock import new_id, utc_now
from tests.support.deliveries import Rows, rows_of

ADA, BEN, HERS = "ada@example.com", "ben@example.com", "+441632960001"
OF_A_CONTACT = ("enrolments", "recent_events", "refusals")
_OF_ONE = (
    "INSERT INTO contacts (id) VALUES (:contact) ON CONFLICT DO NOTHING",
    """
    INSERT INTO attempts (delivery_id, number, started_at, finished_at, outcome)
    VALUES (:sent, 1, now(), now(), 'delivered')
    """,
    """
    INSERT INTO recent_events (id, contact_id, type, happened_at, event)
    VALUES (gen_random_uuid(), :contact, 'purchase.completed', now(), '')
    """,
    """
    INSERT INTO refusals (id, event_id, contact_id, workflow, reason, happened_at, told)
    VALUES (gen_random_uuid(), gen_random_uuid(), :contact, 'w', 'reentry', now(), false)
    """,
    """
    INSERT INTO facts (id, key, value, lane)
    VALUES (gen_random_uuid(), '', :of_contact, 'live'), (gen_random_uuid(), '', :of_address, 'live')
    """,
)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def a_person(rows: Rows, address: str) -> UUID:
    """One with a row in every table: a delivery that was tried, a task, what lately happened, words, texts."""
    (sent,) = await rows.add(webhook="crm")
    (task,) = await rows.add(task="call")
    contact: UUID = await rows.one(
        "SELECT contact_id FROM enrolments AS e JOIN deliveries AS d ON d.enrolment_id = e.id WHERE d.id = :id", id=sent
    )
    await rows.all(
        "UPDATE enrolments SET contact_id = :contact WHERE id = (SELECT enrolment_id FROM tasks WHERE id = :id)",
        contact=contact, id=task,
    )  # fmt: skip
    values = {
        "contact": contact,
        "sent": sent,
        "of_contact": f"about {contact}".encode(),
        "of_address": f"to {address}.".encode() if address == BEN else f"to {address.upper()}.".encode(),
    }
    for statement in _OF_ONE:
        await rows.all(statement, **{name: value for name, value in values.items() if f":{name}" in statement})
    async with rows.engine.begin() as conn:
        said = [
            Word(Matter(subject, "email", purpose), given, utc_now())
            for subject in (address, about(contact))
            for purpose, given in (("newsletter", True), ("offers", False))
        ]
        await consents.keep(conn, said)
    return contact


async def kept(rows: Rows, contact: UUID) -> dict[str, int]:
    runs = f"(SELECT id FROM enrolments WHERE contact_id = '{contact}')"
    found = dict.fromkeys(OF_A_CONTACT, f"contact_id = '{contact}'")
    found |= dict.fromkeys(("deliveries", "tasks"), f"enrolment_id IN {runs}")
    found["attempts"] = f"delivery_id IN (SELECT id FROM deliveries WHERE enrolment_id IN {runs})"
    found["contacts"] = f"id = '{contact}'"
    return {table: await rows.one(f"SELECT count(*) FROM {table} WHERE {where}") for table, where in found.items()}


async def words(rows: Rows, subject: str) -> list[tuple[str, bool]]:
    async with rows.engine.connect() as conn:
        return sorted((each.matter.purpose, each.given) for each in await consents.words(conn, [subject], "email"))


async def test_nothing_is_left_but_objections_and_nobody_else_misses_anything(rows: Rows) -> None:
    ada, ben = await a_person(rows, ADA), await a_person(rows, BEN)
    before = await kept(rows, ben)
    assert before == await kept(rows, ada)
    assert set(before.values()) == {1, 2}, "the test looks into no table for nothing"
    for name in (ADA, BEN):
        await rows.all("INSERT INTO mail_counts VALUES (current_date, 'recipient', :name, 1)", name=name)
    async with rows.engine.begin() as conn:
        assert await erase.withdraw(conn, [ada]) == 0
        await erase.erase(conn, [ada], ["Ada+news@example.com", ADA, HERS, "ada"], {})
    for table in ("attempts", "deliveries", "tasks"):
        assert await rows.one(f"SELECT count(*) FROM {table}") == 1, f"{table}: his is left, hers is gone"
    assert set((await kept(rows, ada)).values()) == {0}
    assert await rows.all("SELECT name FROM mail_counts WHERE kind = 'recipient'") == [(BEN,)]
    assert await kept(rows, ben) == before
    assert (await words(rows, ADA), await words(rows, about(ada))) == ([("offers", False)], [])
    assert await words(rows, BEN) == await words(rows, about(ben)) == [("newsletter", True), ("offers", False)]
    left = [bytes(row[0]).decode() for row in await rows.all("SELECT value FROM facts WHERE key = ''")]
    assert sorted(left) == sorted([f"about {ben}", f"to {BEN}."]), "`ada` alone would match anybody's"


async def who_referred(rows: Rows, email: str) -> tuple[UUID, list[UUID]]:
    """A contact that made two referrals of somebody: one has a webhook, the other a task. The contact, the events."""
    first, second = (
        Happening(
            new_id(), "referral.made", utc_now() - timedelta(seconds=1), "/sources/website",
            {"identity": {"email": BEN}, "referred": {"email": email, "phone": HERS}},
        )
        for _ in range(2)
    )  # fmt: skip
    (webhook,) = await rows.add(event=first, webhook="crm")
    (task,) = await rows.add(event=second, task="call")
    run = await rows.one("SELECT enrolment_id FROM deliveries WHERE id = :id", id=webhook)
    contact = await rows.one("SELECT contact_id FROM enrolments WHERE id = :id", id=run)
    of_task = "UPDATE enrolments SET contact_id = :contact WHERE id = (SELECT enrolment_id FROM tasks WHERE id = :id)"
    await rows.all(of_task, contact=contact, id=task)
    await rows.all("INSERT INTO contacts (id) VALUES (:contact) ON CONFLICT DO NOTHING", contact=contact)
    await rows.all(
        "INSERT INTO recent_events (id, contact_id, type, happened_at, event) "
        "VALUES (:id, :contact, 'referral.made', now(), :event)",
        id=first.id, contact=contact, event=msgspec.json.encode(first),
    )  # fmt: skip
    return contact, [first.id, second.id]


async def test_who_referred_them_keeps_everything_but_the_name(rows: Rows) -> None:
    eve, zoe = "eve@example.com", "zoe@example.com"
    contact, events = await who_referred(rows, eve)
    await who_referred(rows, zoe)
    everything = (
        "SELECT document FROM enrolments UNION ALL SELECT payload FROM deliveries UNION ALL SELECT payload FROM tasks "
        "UNION ALL SELECT event FROM recent_events"
    )

    async def naming(word: str) -> int:
        return sum(word.encode() in bytes(each) for (each,) in await rows.all(everything))

    assert (await naming(eve), await naming(zoe), await naming(HERS)) == (5, 5, 10)
    before = await naming(BEN)
    async with rows.engine.begin() as conn:
        await erase.erase(conn, [new_id()], [eve, HERS], dict.fromkeys(events, contact))
    assert (await naming(eve), await naming(zoe), await naming(HERS)) == (0, 5, 5)
    assert await naming(BEN) == before, "it is still known who made them"
    documents = [decode_enrolment(bytes(each)) for (each,) in await rows.all("SELECT document FROM enrolments")]
    assert sorted(len(each.trigger.data["referred"]) for each in documents) == [0, 0, 2, 2]
    assert len(await rows.claim()) == 2, "what waits goes out"


async def test_what_waits_does_not_begin_any_more_and_what_is_under_way_is_waited_for(rows: Rows) -> None:
    claimed, tried, parked, others = await rows.add(4)
    (task,) = await rows.add(task="call")
    contact = "SELECT contact_id FROM enrolments WHERE id IN (SELECT enrolment_id FROM {} WHERE id = :id)"
    ids = [await rows.one(contact.format("deliveries"), id=each) for each in (claimed, tried, parked)]
    ids.append(await rows.one(contact.format("tasks"), id=task))
    await rows.all("UPDATE deliveries SET due_at = now() - interval '1 minute' WHERE id = :id", id=claimed)
    (given,) = await rows.claim(most=1)
    assert given.id == claimed
    await rows.all(
        "INSERT INTO attempts (delivery_id, number, started_at, finished_at, outcome) "
        "VALUES (:id, 1, now(), now(), 'failed')",
        id=tried,
    )
    await rows.all("UPDATE deliveries SET attempts = 1, tries = 1 WHERE id = :id", id=tried)
    await rows.all("UPDATE deliveries SET state = 'parked', reason = 'a fault' WHERE id = :id", id=parked)
    async with rows.engine.begin() as conn:
        assert await erase.withdraw(conn, ids) == 1
        assert await leases.begin(conn, [given]) == set(), "it was claimed, and has not begun"
    states = dict(await rows.all("SELECT id, state FROM deliveries"))
    assert states == {claimed: "claimed", tried: "cancelled", parked: "cancelled", others: "pending"}
    assert await rows.one("SELECT state FROM tasks") == "cancelled", "no fallback goes instead"
    async with rows.engine.begin() as conn:
        await leases.release(conn, [given])
        assert await erase.withdraw(conn, ids) == 0
        await erase.erase(conn, ids, [], {})
    assert [each.id for each in await rows.claim()] == [others]
    assert await rows.one("SELECT count(*) FROM deliveries") == 1
