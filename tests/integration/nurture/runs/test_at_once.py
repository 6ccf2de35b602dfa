"""A few updates written by one statement without a transaction: what it writes, and what keeps it from writing."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture import tables
from services.nurture.store import erase
from shared import canary
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.db.tables import offsets
from shared.events.consent import ConsentWord
from shared.events.updates import ContactView
from shared.kafka.loop.batches import Batches, GiveUp
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.publishing import Publishing
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Outgoing, Record, Sender
from tests.support.enrolling import ONCE, RUN, House, Process
from tests.support.nurture_service import a_contact, an_update
from tests.support.stack import Stack, fresh_database

ABROAD: Final = ONCE | {"workflow": "abroad", "where": 'contact.country == "FR"'}
BOUGHT: Final = ONCE | {"workflow": "bought", "trigger": {"on": "purchase.completed"}, "reentry": "always"}
# What differs: times that are those of the database, the id of an event.
COLUMNS: Final = {
    **{
        table.name: ", ".join(f'"{column.name}"' for column in table.c if column.server_default is None)
        for table in tables.metadata.sorted_tables
    },
    "deliveries": "id, enrolment_id, step, channel, target, endpoint, lane, is_first, state, created_at, expires_at, "
    "finished_at IS NULL, payload, recipient, purpose",
    "facts": "key, lane, convert_from(value, 'UTF8')::jsonb - 'id'",
}


class Room:
    """The loop's settling of one partition, with or without the one statement; `transactions` were needed."""

    def __init__(self, engine: AsyncEngine, process: Process, *, partition: int = 0, at_once: bool = True) -> None:
        self.engine = engine
        self.process = process
        self.partition = partition
        self.transactions = 0
        self.at = 0
        metrics = LoopMetrics(CollectorRegistry())
        self.publishing = Publishing(engine, Producer("127.0.0.1:1", client_id="test"))
        self.publishing.begin({("updates", partition): 0})
        self.batches = Batches(
            engine, self, self.publishing, Lanes(engine, "nurture", ["updates"], metrics), metrics,
            dead_letters="dead", group="nurture", at_once=process.handler.at_once if at_once else None,
        )  # fmt: skip
        self.batches.next[("updates", partition)] = 0

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        self.transactions += 1
        return await self.process.handler.handle(conn, records)

    async def unpublished(self, *_place: object) -> Sequence[Outgoing]:
        return ()

    def sender(self, record: Record) -> Sender:
        return self.process.handler.sender(record)

    async def settle(self, *updates: tuple[UUID, bytes]) -> None:
        records = self.records(*updates)
        self.at += len(records)
        await self.batches.settle(records)

    def records(self, *updates: tuple[UUID, bytes]) -> list[Record]:
        return [Record("updates", self.partition, self.at + n, None, value, 0) for n, (_, value) in enumerate(updates)]

    async def stored(self) -> dict[str, list[str]]:
        """Every row, in no order."""
        async with self.engine.connect() as conn:
            return {
                table: sorted(
                    [repr(tuple(row)) for row in await conn.execute(sa.text(f"SELECT {columns} FROM {table}"))]
                )
                for table, columns in COLUMNS.items()
            }

    async def count(self, table: str) -> int:
        async with self.engine.connect() as conn:
            return int((await conn.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one())

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(sa.text(statement), values)


async def room(house: House, *workflows: dict[str, Any], partition: int = 0, at_once: bool = True) -> Room:
    async with house.engine.begin() as conn:
        await offsets.claim(conn, {("updates", partition): 0})
    return Room(house.engine, await house.process(*workflows or (RUN,)), partition=partition, at_once=at_once)


def changed(update: tuple[UUID, bytes], **fields: Any) -> tuple[UUID, bytes]:
    """The envelope with other fields."""
    return update[0], msgspec.json.encode(msgspec.json.decode(update[1]) | fields)


def a_fact(contact: ContactView) -> tuple[UUID, bytes]:
    """One of our own, as it comes back."""
    identifier, value = an_update(contact)
    event = {"type": "followup.sent"}
    data = msgspec.json.decode(value)["data"] | {"event": event, "event_type": "followup.sent"}
    return changed((identifier, value), data=data)


def a_canary() -> tuple[UUID, bytes]:
    return changed(an_update(a_contact()), type=canary.UPDATE_TYPE)


class Days:
    """What may come in: people known and unknown, who do this and that."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.dice, self.now = random.Random(seed), now
        self.people: list[ContactView] = []
        self.said: list[tuple[UUID, bytes]] = []

    def somebody(self) -> ContactView:
        if not self.people or self.dice.random() < 0.5:
            self.people.append(a_contact(country=self.dice.choice(["GB", "FR"])))
            return self.people[-1]
        place = self.dice.randrange(len(self.people))
        known = self.people[place]
        self.people[place] = msgspec.structs.replace(known, version=known.version + 1)
        return self.people[place]

    def update(self) -> tuple[UUID, bytes]:
        contact, dice = self.somebody(), self.dice
        rare = dice.random()
        if rare < 0.03:
            return a_canary()
        if rare < 0.06 and self.said:
            return dice.choice(self.said)  # a copy
        if rare < 0.1:
            return a_fact(contact)
        time = self.now - timedelta(seconds=dice.randrange(7200))
        kind = dice.choice(
            ["lead.captured"] * 5 + ["engagement.recorded"] * 3 + ["purchase.completed", "contact.touched"]
        )
        words = [ConsentWord(channel="email", given=dice.random() < 0.5, at=time, address=dice.choice([None, "a@b.c"]))]
        given: dict[str, Any] = {"consents": words} if dice.random() < 0.3 else {}
        other = dice.choice(self.people).id
        if rare > 0.95 and other != contact.id:
            given[dice.choice(["merged", "parted"])] = [other]
        self.said.append(an_update(contact, kind, time=time, **given))
        return self.said[-1]

    def batches(self, count: int) -> Iterator[list[tuple[UUID, bytes]]]:
        for _ in range(count):
            yield [self.update() for _ in range(self.dice.choice([1, 1, 1, 2, 4]))]


@pytest.mark.parametrize("seed", range(8))
async def test_it_writes_what_the_transaction_would(stack: Stack, seed: int) -> None:
    now = utc_now()
    workflows = (RUN | {"where": 'contact.country != "FR"'}, BOUGHT, ONCE | {"where": 'contact.country == "GB"'})
    async with AsyncExitStack() as parts:
        rooms = []
        for at_once in (True, False):
            database = parts.enter_context(fresh_database(stack))
            engine = make_engine(database, application="test", schema="nurture")
            parts.push_async_callback(engine.dispose)
            house = House(engine, lambda: now)
            rooms.append(await room(house, *workflows, at_once=at_once))
            parts.push_async_callback(house.open[0].close)
        one, other = rooms
        for updates in Days(seed, now).batches(40):
            for each in rooms:
                await each.settle(*updates)
        assert await one.stored() == await other.stored()
        assert 5 < one.transactions < other.transactions - 5
        for told in ("sendable", "due", "canaries"):
            assert getattr(one.process, told) == getattr(other.process, told)
        for name in ("updates", "enrolments", "refusals"):
            assert samples(one, name) == samples(other, name)
        assert one.process.sample("firsthour_lead_hop_seconds_count", hop="enrolled") == other.process.sample(
            "firsthour_lead_hop_seconds_count", hop="enrolled"
        )


def samples(room: Room, name: str) -> dict[str, float]:
    return {
        repr(sample.labels): sample.value
        for metric in room.process.registry.collect()
        if metric.name == f"firsthour_nurture_{name}"
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


async def test_what_concerns_nobody_moves_the_offset_and_that_is_all(house: House) -> None:
    one, contact = await room(house), a_contact()
    before = await one.stored()
    await one.settle(an_update(contact, "engagement.recorded"), a_fact(contact), a_canary())
    after = await one.stored()
    assert one.transactions == 0
    assert after.pop("consumer_offsets") != before.pop("consumer_offsets")
    assert after == before
    assert one.process.sample("firsthour_nurture_updates_total") == 2
    assert len(one.process.canaries) == 1
    assert one.process.sendable == []


async def test_people_who_are_new_are_followed_up_by_one_statement(house: House) -> None:
    one = await room(house, RUN, ABROAD)
    seen = a_contact(version=7)  # a visitor before, whom nobody waited for
    abroad = a_contact(country="FR")
    word = ConsentWord(channel="email", given=True, at=utc_now().replace(microsecond=0))
    late = an_update(abroad, "contact.touched", time=utc_now() + timedelta(seconds=1))
    await one.settle(an_update(a_contact(), consents=[word]), an_update(seen), an_update(abroad), late)
    assert one.transactions == 0
    counts = {table: await one.count(table) for table in COLUMNS}
    kept = {"workflow_versions": 2, "enrolments": 4, "deliveries": 4, "facts": 4, "seen_updates": 4, "contacts": 3}
    assert counts == dict.fromkeys(COLUMNS, 0) | kept | {"recent_events": 1, "consents": 2, "consumer_offsets": 1}
    assert one.process.sendable == [{"crm"}]
    assert one.process.sample("firsthour_nurture_enrolments_total", workflow="first-hour") == 3


async def test_who_is_refused_is_listed_by_the_statement_too(house: House) -> None:
    one = await room(house, ABROAD)
    await one.settle(an_update(a_contact()))
    assert (one.transactions, await one.count("refusals"), await one.count("enrolments")) == (0, 1, 0)
    assert one.process.sendable == []
    assert one.process.sample("firsthour_nurture_refusals_total", workflow="abroad", reason="where") == 1


async def test_what_a_new_contact_does_after_its_lead_counts(house: House) -> None:
    one, contact, now = await room(house), a_contact(), utc_now()
    bought = an_update(msgspec.structs.replace(contact, version=2), "purchase.completed", time=now)
    await one.settle(an_update(contact, time=now - timedelta(seconds=9)), bought)
    assert one.transactions == 0
    assert await house.runs() == [(contact.id, "first-hour", "goal_reached")]
    assert await one.count("facts") == 0


def unreadable(contact: ContactView) -> tuple[UUID, bytes]:
    update = an_update(contact)
    return changed(update, data=msgspec.json.decode(update[1])["data"] | {"event": {"type": "lead.captured"}})


NEEDS_MORE: Final[dict[str, Callable[[], list[tuple[UUID, bytes]]]]] = {
    "no update": lambda: [(new_id(), b"no update"), an_update(a_contact())],
    "an event that cannot be read": lambda: [unreadable(a_contact())],
    "a merge": lambda: [an_update(a_contact(), "engagement.recorded", merged=[new_id()])],
    "who is parted": lambda: [an_update(a_contact(), "engagement.recorded", parted=[new_id()])],
    "a purchase of who has a past": lambda: [an_update(a_contact(version=2), "purchase.completed")],
    "more than is kept": lambda: [an_update(contact, "contact.touched") for contact in [a_contact()] * 12],
    "a lead twice": lambda: [an_update(contact) for contact in [a_contact()] * 2],
}


@pytest.mark.parametrize("what", NEEDS_MORE)
async def test_what_needs_more_than_one_statement_is_for_the_transaction(house: House, what: str) -> None:
    one = await room(house)
    updates = NEEDS_MORE[what]()
    assert await one.process.handler.at_once(one.process.conn, one.records(*updates)) is None
    assert one.process.sample("firsthour_nurture_updates_total") == 0
    await one.settle(*updates)
    assert one.transactions == 1
    await one.publishing.drop()  # of dead letters


async def test_a_lead_of_somebody_known_is_for_the_transaction(house: House) -> None:
    one, contact = await room(house), a_contact()
    await one.settle(an_update(contact))
    lead = an_update(msgspec.structs.replace(contact, version=2))
    async with house.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        assert await one.process.handler.at_once(conn, one.records(lead)) is None
    await one.settle(lead)
    assert (one.transactions, await one.count("refusals")) == (1, 1)


async def test_a_task_is_for_the_transaction(house: House) -> None:
    one, lead = await room(house, ONCE | {"steps": [{"send": {"task": "call"}}]}), an_update(a_contact())
    assert await one.process.handler.at_once(one.process.conn, one.records(lead)) is None
    await one.settle(lead)
    assert (one.transactions, await one.count("tasks")) == (1, 1)


async def test_what_happens_to_somebody_who_is_waited_for_is_for_the_transaction(house: House) -> None:
    one, contact = await room(house), a_contact()
    await one.settle(an_update(contact))
    await one.settle(an_update(msgspec.structs.replace(contact, version=2, name="Bea"), "engagement.recorded"))
    assert one.transactions == 1
    async with house.engine.connect() as conn:
        (document,) = (await conn.execute(sa.text("SELECT document FROM enrolments"))).scalars()
    assert msgspec.json.decode(document)["contact"]["name"] == "Bea"


async def test_what_somebody_does_under_an_old_name_is_for_the_transaction(house: House) -> None:
    one, survivor, gone = await room(house), a_contact(), a_contact()
    await one.settle(an_update(survivor, "engagement.recorded", merged=[gone.id]))
    await one.settle(an_update(survivor))
    await one.settle(an_update(gone, "engagement.recorded"))
    assert one.transactions == 3, "the survivor's lead too: the merge has given both a row"


Before: TypeAlias = Callable[[Room, ContactView, tuple[UUID, bytes]], Awaitable[object]]


async def has_a_row(room: Room, contact: ContactView, _lead: tuple[UUID, bytes]) -> None:
    await room.execute("INSERT INTO contacts (id) VALUES (:id)", id=contact.id)


async def is_marked(room: Room, _contact: ContactView, lead: tuple[UUID, bytes]) -> None:
    await room.execute("INSERT INTO seen_updates (id) VALUES (:id)", id=lead[0])


async def is_erased(room: Room, contact: ContactView, _lead: tuple[UUID, bytes]) -> None:
    async with room.engine.begin() as conn:
        await erase.withdraw(conn, [contact.id])


async def is_merged(room: Room, contact: ContactView, _lead: tuple[UUID, bytes]) -> None:
    await room.execute("INSERT INTO contacts (id, merged_into) VALUES (:id, :into)", id=contact.id, into=new_id())


async def has_a_run(room: Room, _contact: ContactView, lead: tuple[UUID, bytes]) -> None:
    """The very same, of which nothing else is left."""
    await room.process.works_off(lead)
    await room.process.conn.commit()
    for table in ("contacts", "seen_updates", "consents"):
        await room.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("steps", [RUN["steps"], [{"wait": {"for": "1h"}}]], ids=["sends", "waits"])
@pytest.mark.parametrize("before", [has_a_row, is_marked, is_erased, is_merged, has_a_run])
async def test_a_wrong_guess_writes_nothing_and_the_transaction_settles_it(
    house: House, before: Before, steps: list[Any]
) -> None:
    one, contact = await room(house, RUN | {"steps": steps}), a_contact()
    word = ConsentWord(channel="email", given=True, at=utc_now())
    lead = an_update(contact, consents=[word])
    await before(one, contact, lead)
    stored = await one.stored()
    made = await one.process.handler.at_once(one.process.conn, one.records(lead))
    assert made is not None
    step = offsets.Advance("updates", 0, 0, 1, 0, b"")
    async with house.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        write = offsets.write_with(conn, made.statement, made.values, [step])
        if before in (is_marked, has_a_run):  # the rarest: they are not asked for, they clash
            with pytest.raises(asyncpg.InvalidTextRepresentationError):
                await write
        else:
            assert not await write
    assert await one.stored() == stored
    assert one.process.sample("firsthour_nurture_updates_total") == 0
    await one.settle(lead)
    assert one.transactions == 1
    assert one.process.sample("firsthour_nurture_updates_total") == 1
    begun = before in (has_a_row, is_merged)
    assert len(await house.runs()) == (1 if begun or before is has_a_run else 0)
    assert one.process.sample("firsthour_nurture_enrolments_total", workflow="first-hour") == (1 if begun else None)
    assert await one.count("deliveries") == (await one.count("enrolments") if steps is RUN["steps"] else 0)


async def test_of_a_moved_offset_nothing_is_written(house: House) -> None:
    one = await room(house)
    await one.execute("UPDATE consumer_offsets SET next_offset = 5")
    stored = await one.stored()
    for update in (an_update(a_contact()), an_update(a_contact(), "engagement.recorded")):
        one.at = 0
        with pytest.raises(GiveUp):
            await one.settle(update)
    assert await one.stored() == stored
    assert one.process.sendable == []


@pytest.mark.parametrize("what", ["the same lead", "another lead", "a merge"])
async def test_another_process_that_is_about_to_commit_is_waited_for(house: House, what: str) -> None:
    one, other = await room(house), await house.process(RUN)
    contact, survivor, now = a_contact(), a_contact(), utc_now()
    lead = an_update(contact, time=now - timedelta(seconds=5))
    theirs = {
        "the same lead": lead,
        "another lead": an_update(contact, time=now - timedelta(seconds=9)),
        "a merge": an_update(survivor, "engagement.recorded", merged=[contact.id]),
    }
    await other.works_off(theirs[what])
    later = asyncio.create_task(one.settle(lead))
    await house.blocked(later)
    await other.conn.commit()
    async with asyncio.timeout(20):
        await later
    assert one.transactions == 1
    owner = survivor if what == "a merge" else contact
    assert await house.runs() == [(owner.id, "first-hour", "active")]
    told = {"the same lead": (1, 0), "another lead": (2, 1), "a merge": (1, 0)}
    assert (await one.count("deliveries"), await one.count("refusals")) == told[what]


async def test_two_processes_that_settle_at_once_what_new_people_do_never_lock_each_other_out(house: House) -> None:
    contacts = [a_contact() for _ in range(120)]
    one, other = await room(house, ONCE), await room(house, ONCE, partition=1)

    async def settles(room: Room, people: list[ContactView]) -> None:
        for place in range(0, len(people), 4):
            await room.settle(*[an_update(each) for each in people[place : place + 4]])

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(settles(one, contacts))
        group.create_task(settles(other, contacts[::-1]))
    assert len(await house.runs()) == 120
