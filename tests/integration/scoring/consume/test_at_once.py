"""A few events written by one statement without a lock: what it writes, and what keeps it from writing."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import pytest

from services.scoring.domain.contact.contact import decode_state, encode_state
from services.scoring.domain.identity.marks import mark
from services.scoring.store.contacts import erase
from shared import canary
from shared.db.tables import offsets
from shared.db.tables.offsets import Advance
from shared.events.envelope import Decoded
from shared.events.updates import decode_update
from shared.kafka.records import AtOnce, Handled, Record
from tests.support.folding import TOPICS, Folding, folding
from tests.support.stack import Stack, fresh_database
from tests.unit.scoring.builders import (
    NOW,
    a_cost,
    a_feedback,
    a_lead,
    a_purchase,
    a_referral,
    a_refund,
    a_touch,
    an_engagement,
    an_identification,
    minutes,
)

ADA, BEA = "ada@example.com", "bea@example.com"
TABLES: Final = {
    "contacts": "*",
    "identities": "*",
    "events": 'id, contact_id, type, time, topic, partition, "offset", body',
    "bookings": "*",
    "updates": "*",
    "changes": "contacts, queue",
    "funnel": "*",
    "funnel_steps": "*",
    "segments": "*",
    "orders": "*",
    "referrals": "*",
    "response_times": "*",
    "consumer_offsets": "next_offset",
}


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        await at_the_start(scoring)
        yield scoring


async def at_the_start(scoring: Folding) -> None:
    async with scoring.engine.begin() as conn:
        await offsets.claim(conn, {(TOPICS.events, 0): 0})


async def made_of(scoring: Folding, records: Sequence[Record]) -> AtOnce | None:
    async with scoring.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        return await scoring.handler.at_once(conn, records)


def step(records: Sequence[Record]) -> Advance:
    first = records[0].offset
    return Advance(TOPICS.events, 0, first, first + len(records), first, b"")


async def write(scoring: Folding, made: AtOnce, records: Sequence[Record]) -> None:
    async with scoring.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        await offsets.write_with(conn, made.statement, made.values, [step(records)])


async def stored(scoring: Folding) -> dict[str, list[Any]]:
    """Everything, in no order; of rows without a key only what they say."""
    return {
        table: sorted(map(repr, await scoring.all(f"SELECT {columns} FROM {table}")))
        for table, columns in TABLES.items()
    }


def said_of(dice: random.Random, number: int) -> Decoded:
    """Something about one or two of a few people."""
    who = dice.choice([{"email": f"p{dice.randrange(6)}@example.com"}, {"anonymous_id": f"a{dice.randrange(4)}"}])
    if dice.random() < 0.3:
        who = who | {"user_id": f"u{dice.randrange(4)}"}
    make = dice.choice([a_lead] * 3 + [an_engagement] * 5 + [a_touch, an_identification, a_feedback, a_purchase])
    given: dict[str, Any] = {"amount": "20.00", "order_id": f"o{number}"} if make is a_purchase else {}
    return make(
        **who, **given, at=NOW + minutes(dice.randrange(500)), event=number, trust=dice.choice(["trusted", "public"])
    )


class Numbers:
    """Ids in order, of which those that were given for nothing are given again."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> UUID:
        self.last += 1
        return UUID(int=self.last)


async def in_a_transaction(scoring: Folding, records: Sequence[Record]) -> Handled:
    async with scoring.engine.begin() as conn:
        handled = await scoring.handler.handle(conn, records)
        assert await offsets.advance(conn, [step(records)])
    return handled


@pytest.mark.parametrize("seed", range(6))
async def test_it_writes_what_the_transaction_would(stack: Stack, seed: int) -> None:
    dice, alone = random.Random(seed), 0
    async with AsyncExitStack() as parts:
        rooms: list[tuple[Folding, Numbers]] = []
        for numbers in (Numbers(), Numbers()):
            database = parts.enter_context(fresh_database(stack))
            rooms.append((await parts.enter_async_context(folding(database, lambda: NOW, numbers)), numbers))
            await at_the_start(rooms[-1][0])
        (one, numbers), (other, _) = rooms
        for batch in range(40):
            events = [said_of(dice, 10 * batch + place) for place in range(dice.choice([1, 1, 1, 2, 4]))]
            records = one.records(*events)
            expected = await in_a_transaction(other, other.records(*events))
            before = numbers.last
            made = await made_of(one, records)
            if made is not None:
                await write(one, made, records)
                alone += 1
            else:
                numbers.last = before
            handled = made.handled if made is not None else await in_a_transaction(one, records)
            assert (handled.outgoing, handled.dead) == (expected.outgoing, expected.dead)
        assert await stored(one) == await stored(other)
    assert 10 <= alone < 40


Change: TypeAlias = Callable[[Folding], Awaitable[Any]]


async def erase_ada(scoring: Folding) -> None:
    ada = await scoring.one("SELECT contact_id FROM identities WHERE key = :key", key=f"email:{ADA}")
    async with scoring.engine.begin() as conn:
        await erase.erase(conn, [ada], [])


async def move_the_offset(scoring: Folding) -> None:
    await scoring.all("UPDATE consumer_offsets SET next_offset = next_offset + 1")


@pytest.mark.parametrize(
    "change",
    [
        lambda scoring: scoring.folds(an_engagement(email=ADA, at=NOW + minutes(9)), topic=TOPICS.events_bulk),
        lambda scoring: scoring.folds(an_identification(email=ADA, user_id="u1"), topic=TOPICS.events_bulk),
        lambda scoring: scoring.folds(a_lead(email=BEA, event="other"), topic=TOPICS.events_bulk),
        lambda scoring: scoring.folds(an_engagement(email=ADA, event="it"), topic=TOPICS.events_bulk),
        lambda scoring: scoring.all("UPDATE contacts SET lead_value = lead_value + 1"),
        erase_ada,
        move_the_offset,
    ],
    ids=["another event", "a merge", "the new key", "a copy", "a sweep", "erased", "the offset"],
)
async def test_what_has_changed_since_it_was_seen_keeps_it_from_writing(scoring: Folding, change: Change) -> None:
    await scoring.folds(a_lead(email=ADA), a_lead(user_id="u1"), topic=TOPICS.events_bulk)
    scoring.offset = 0
    records = scoring.records(an_engagement(email=ADA, event="it", at=NOW + minutes(5)), a_lead(email=BEA))
    made = await made_of(scoring, records)
    assert made is not None
    await change(scoring)
    before = await stored(scoring)
    with pytest.raises((asyncpg.InvalidTextRepresentationError, asyncpg.UniqueViolationError)):
        await write(scoring, made, records)
    assert await stored(scoring) == before


async def test_what_has_not_changed_is_written_and_counted_once_it_is(scoring: Folding) -> None:
    await scoring.folds(a_lead(email=ADA), topic=TOPICS.events_bulk)
    scoring.offset = 0
    records = scoring.records(an_engagement(email=ADA, at=NOW + minutes(5)), a_lead(email=BEA))
    made = await made_of(scoring, records)
    assert made is not None
    await write(scoring, made, records)
    assert await scoring.all("SELECT version FROM contacts ORDER BY version") == [(1,), (2,)]
    assert await scoring.one("SELECT next_offset FROM consumer_offsets") == 2
    assert not scoring.sample("firsthour_lead_hop_seconds_count", hop="scored")
    assert made.handled.after_commit is not None
    made.handled.after_commit()
    assert scoring.sample("firsthour_lead_hop_seconds_count", hop="scored") == 1


@pytest.mark.parametrize(
    "events",
    [
        [a_purchase(email=ADA)],
        [a_refund(email=ADA)],
        [a_referral(email=ADA)],
        [a_cost(source="website")],
        [a_touch(email=ADA, at=NOW + minutes(3))],
        [an_identification(email=ADA, user_id="u1")],
        [a_lead(email=BEA, estimated_value={"amount": "10.00", "currency": "CAD"})],
        [a_lead(email=BEA), b"{"],
        [an_engagement(contact_id=UUID(int=1)), a_lead(email=BEA)],
        [a_lead(email="erased@example.com"), a_lead(email=BEA)],
        [a_lead(email=f"p{n}@example.com", event=n) for n in range(17)],
    ],
    ids=[
        "order",
        "refund",
        "referral",
        "cost",
        "answer",
        "merge",
        "currency",
        "unreadable",
        "nobody",
        "erased",
        "many",
    ],
)
async def test_what_needs_more_than_its_contacts_is_left_to_the_transaction(
    scoring: Folding, events: Sequence[Decoded | bytes]
) -> None:
    await scoring.folds(a_lead(email=ADA), a_lead(user_id="u1"), topic=TOPICS.events_bulk)
    await scoring.all("INSERT INTO erased VALUES (:mark, now())", mark=mark("email:erased@example.com"))
    assert await made_of(scoring, scoring.records(*events)) is None


async def test_a_state_that_is_to_be_folded_again_is_left_to_the_transaction(scoring: Folding) -> None:
    await scoring.folds(a_lead(email=ADA))
    state = decode_state(await scoring.one("SELECT state FROM contacts"))
    old = encode_state(msgspec.structs.replace(state, form=state.form - 1))
    await scoring.all("UPDATE contacts SET state = :state", state=old)
    assert await made_of(scoring, scoring.records(an_engagement(email=ADA, at=NOW + minutes(5)))) is None


async def test_copies_and_canaries_move_the_offset_alone(scoring: Folding) -> None:
    await scoring.folds(a_lead(email=ADA), topic=TOPICS.events_bulk)
    scoring.offset = 0
    before = await stored(scoring)
    records = scoring.records(a_lead(email=ADA), a_lead(source=canary.SOURCE, trust="public"))
    made = await made_of(scoring, records)
    assert made is not None
    await write(scoring, made, records)
    assert await stored(scoring) == before | {"consumer_offsets": ["(2,)"]}
    (flown,) = made.handled.outgoing
    assert decode_update(flown.value).type == canary.UPDATE_TYPE


async def test_the_log_tells_of_an_event_once_it_is_committed(
    scoring: Folding, capsys: pytest.CaptureFixture[str]
) -> None:
    handled = await scoring.handles(a_lead(estimated_value={"amount": "10.00", "currency": "CAD"}))
    assert "amount_unconverted" not in "".join(capsys.readouterr())
    assert handled.after_commit is not None
    handled.after_commit()
    assert "amount_unconverted" in "".join(capsys.readouterr())
