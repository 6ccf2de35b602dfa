"""Who has whom, on Postgres alone: what ends is told, time that is up is up, and pages that watch hear of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from services.scoring.claiming import LEASE, Claiming, Held
from services.scoring.facts import FactMaker
from services.scoring.store.claims import Claim
from services.scoring.store.contacts import batch
from shared.clock import new_id
from shared.events.envelope import decode
from tests.support.folding import Folding, folding
from tests.support.waiting import until
from tests.unit.scoring.builders import NOW, a_lead

LAST_MOMENT = NOW + LEASE - timedelta(seconds=1)
UP = NOW + LEASE


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        await scoring.folds(*[a_lead(email=f"p{n}@example.com", event=("l", n)) for n in range(2)])
        yield scoring


@pytest.fixture
def claiming(scoring: Folding) -> Claiming:
    return Claiming(scoring.engine, FactMaker(b"s", new_id), new_id)


async def people(scoring: Folding) -> list[UUID]:
    return [each for (each,) in await scoring.all("SELECT id FROM contacts ORDER BY id")]


async def taken(claiming: Claiming, contact: UUID, who: str, **at: timedelta) -> Claim:
    claim = await claiming.claim(contact, who, NOW + at.get("after", timedelta()))
    assert isinstance(claim, Claim)
    return claim


async def told(scoring: Folding) -> list[tuple[str, str, str | None]]:
    """What was told since the last time, of whom, and why."""
    gone = await scoring.all("WITH d AS (DELETE FROM facts RETURNING id, value) SELECT value FROM d ORDER BY id")
    facts = [decode(bytes(value)) for (value,) in gone]
    return [(event.type, data.who, getattr(data, "reason", None)) for event, data in facts]


async def watched(scoring: Folding) -> set[tuple[UUID, bool]]:
    """Who has changed since the last time, and whether the queue with them."""
    return set(await scoring.all("WITH d AS (DELETE FROM changes RETURNING *) SELECT unnest(contacts), queue FROM d"))


async def test_a_claim_whose_time_is_up_can_be_taken_over_and_both_are_told_of(
    scoring: Folding, claiming: Claiming
) -> None:
    one, _ = await people(scoring)
    first = await taken(claiming, one, "ana")
    assert isinstance(await claiming.claim(one, "bo", LAST_MOMENT), Held)
    assert (await taken(claiming, one, "bo", after=LEASE)).id != first.id
    assert await told(scoring) == [
        ("contact.claimed", "ana", None), ("contact.released", "ana", "expired"), ("contact.claimed", "bo", None),
    ]  # fmt: skip


async def test_what_is_up_is_neither_extended_nor_given_back(scoring: Folding, claiming: Claiming) -> None:
    one, other = await people(scoring)
    first, second = await taken(claiming, one, "ana"), await taken(claiming, other, "ana")
    assert await claiming.extend(first.id, LAST_MOMENT) is not None
    assert await claiming.extend(second.id, UP) is None
    assert await claiming.end(second.id, UP) is None
    assert await claiming.run_out(UP) == 1
    assert await claiming.end(first.id, UP) is not None
    assert [each[1:] for each in await told(scoring) if each[0] == "contact.released"] == [
        ("ana", "expired"), ("ana", "released"),
    ]  # fmt: skip


async def test_the_next_one_is_one_that_nobody_has_not_even_who_asks(scoring: Folding, claiming: Claiming) -> None:
    both = await people(scoring)
    await taken(claiming, both[0], "ana")
    later = NOW + timedelta(minutes=1)
    found = await claiming.first_of(both, "ana", later)
    assert found is not None
    assert found.contact_id == both[1]
    assert await claiming.first_of(both, "ana", later + timedelta(minutes=1)) is None
    assert await claiming.first_of(both, "bo", later) is None


async def test_pages_that_watch_hear_who_was_taken_given_back_or_ran_out(scoring: Folding, claiming: Claiming) -> None:
    one, other = await people(scoring)
    await watched(scoring)
    first, _ = await taken(claiming, one, "ana"), await taken(claiming, other, "bo")
    assert await watched(scoring) == {(one, True), (other, True)}
    await claiming.end(first.id, NOW)
    assert await watched(scoring) == {(one, True)}
    await claiming.run_out(UP)
    assert await watched(scoring) == {(other, True)}


async def test_who_is_being_merged_away_is_claimed_as_whom_they_become(scoring: Folding, claiming: Claiming) -> None:
    survivor, loser = await people(scoring)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with scoring.engine.begin() as conn:
        await batch.lock_contacts(conn, [survivor, loser])
        claimed = asyncio.create_task(taken(claiming, loser, "ana"))
        await until(lambda: scoring.one(waiting))
        await batch.merge(conn, {loser: survivor})
    assert (await claimed).contact_id == survivor
