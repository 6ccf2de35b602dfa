"""Contacts that become one, or two again, and what each of them brings along."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from services.nurture.domain.mail.consent import Matter, Word, about
from services.nurture.store import consents, contacts
from services.nurture.store.contacts import Recent
from shared.clock import new_id, utc_now
from tests.support.deliveries import Rows, rows_of

NOW = utc_now()


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def made(rows: Rows, count: int) -> list[UUID]:
    ids = sorted(new_id() for _ in range(count))
    for one in ids:
        await rows.all("INSERT INTO contacts (id) VALUES (:id)", id=one)
    return ids


async def merge(rows: Rows, merges: dict[UUID, UUID]) -> None:
    async with rows.engine.begin() as conn:
        await contacts.lock(conn, {*merges, *merges.values()})
        await contacts.merge(conn, merges)


async def merged(rows: Rows) -> dict[UUID, UUID]:
    return dict(await rows.all("SELECT id, merged_into FROM contacts WHERE merged_into IS NOT NULL"))


async def test_who_was_absorbed_and_absorbs_is_somebody_again(rows: Rows) -> None:
    one, two, three = await made(rows, 3)
    await merge(rows, {two: one})
    await merge(rows, {three: two})
    assert await merged(rows) == {three: two}, "not two in one in turn"
    async with rows.engine.begin() as conn:
        assert await contacts.merged_into(conn, [three]) == {three: two}


async def test_a_chain_is_known_to_its_end_from_anywhere(rows: Rows) -> None:
    one, two, three, four = await made(rows, 4)
    for loser, survivor in ((four, three), (three, two), (two, one)):
        await rows.all("UPDATE contacts SET merged_into = :into WHERE id = :id", into=survivor, id=loser)
    async with rows.engine.begin() as conn:
        assert await contacts.merged_into(conn, [four]) == {four: three, three: two, two: one}
        assert await contacts.merged_into(conn, [two]) == {two: one}
        assert await contacts.merged_into(conn, [one]) == {}


async def test_only_those_who_are_named_are_parted(rows: Rows) -> None:
    one, two, three, elsewhere = await made(rows, 4)
    await merge(rows, {two: one, three: one})
    async with rows.engine.begin() as conn:
        await contacts.part(conn, [one, two])
    assert await merged(rows) == {three: one}
    await merge(rows, {two: elsewhere})
    async with rows.engine.begin() as conn:
        await contacts.part(conn, [one, two])
    assert await merged(rows) == {three: one, two: elsewhere}, "of whom it has become a part since, it stays"


async def test_the_survivor_takes_over_what_has_ended_happened_and_was_refused(rows: Rows) -> None:
    ended, listens = await rows.add(2)
    run = "(SELECT enrolment_id FROM deliveries WHERE id = :id)"
    stopped = "listens = false, window_stopped_at = now(), window_stopped_by = 'ana'"
    await rows.all(f"UPDATE enrolments SET {stopped} WHERE id = {run}", id=ended)
    await rows.all(
        f"UPDATE enrolments SET listens = true, status = 'active', ended_at = NULL WHERE id = {run}", id=listens
    )
    loser, survivor, other = await made(rows, 3)
    await rows.all("UPDATE enrolments SET contact_id = :contact", contact=loser)
    async with rows.engine.begin() as conn:
        events = [Recent(new_id(), contact, "purchase.completed", NOW, b"{}") for contact in (loser, other)]
        await contacts.remember(conn, events)
    await rows.all(
        "INSERT INTO refusals (id, event_id, contact_id, workflow, reason, happened_at, told) VALUES "
        "(gen_random_uuid(), gen_random_uuid(), :contact, 'w', 'reentry', now(), true)",
        contact=loser,
    )
    await merge(rows, {loser: survivor})
    assert await rows.one(f"SELECT contact_id FROM enrolments WHERE id = {run}", id=ended) == survivor
    assert await rows.one(f"SELECT contact_id FROM enrolments WHERE id = {run}", id=listens) == loser, "its batch does"
    assert {row[0] for row in await rows.all("SELECT contact_id FROM recent_events")} == {survivor, other}
    assert await rows.one("SELECT contact_id FROM refusals") == survivor
    async with rows.engine.begin() as conn:
        runs, recent = await contacts.history(conn, [survivor, loser], ["sample"], [survivor])
    assert ({each.contact_id for each in runs}, [each.contact_id for each in recent]) == ({survivor, loser}, [survivor])


async def test_of_each_type_the_newest_few_are_remembered(rows: Rows) -> None:
    (contact,) = await made(rows, 1)
    times = [NOW - timedelta(minutes=minute) for minute in range(14)]
    for some in (times[:7], times[7:]):
        async with rows.engine.begin() as conn:
            await contacts.remember(conn, [Recent(new_id(), contact, "contact.touched", at, b"{}") for at in some])
    kept = await rows.all("SELECT happened_at FROM recent_events ORDER BY happened_at DESC")
    assert [row[0] for row in kept] == times[:10]


@pytest.mark.parametrize("second", [-1, 0, 1])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("survivors", [True, False])
async def test_of_what_several_said_who_become_one_the_last_counts_and_a_no_of_the_same_second(
    rows: Rows, second: int, *, given: bool, survivors: bool
) -> None:
    """`survivors`: the one of the two words is the survivor's own, or both come from others."""
    survivor, first, other = new_id(), new_id(), new_id()
    said = [
        Word(Matter(about(survivor if survivors else other), "email", ""), not given, NOW),
        Word(Matter(about(first), "email", ""), given, NOW + timedelta(seconds=second)),
    ]
    async with rows.engine.begin() as conn:
        await consents.keep(conn, sorted(said, key=lambda each: each.matter))
        await consents.adopt(conn, {first: survivor, other: survivor})
        (word,) = await consents.words(conn, [about(survivor)], "email")
    assert word.given == {-1: not given, 0: False, 1: given}[second]
    assert word.at == max(each.at for each in said)
