"""Whom a mail may be sent to: how many there were today, who was asked to confirm, and who has confirmed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from services.nurture.domain.mail.caps import Counted
from services.nurture.store import confirmations, mail_counts
from shared.clock import new_id
from tests.support.deliveries import Rows, rows_of

ADA = Counted("recipient", "ada@example.com")
SITE = Counted("source", "/sources/site")
WITHIN = timedelta(days=1)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def sent(rows: Rows, *mails: Counted) -> dict[Counted, int]:
    """One more mail to each; what there were before."""
    async with rows.engine.begin() as conn:
        before = await mail_counts.lock(conn, mails)
        await mail_counts.add(conn, dict.fromkeys(mails, 1))
        return before


async def test_the_mails_of_today_are_added_up_and_a_day_begins_at_nothing(rows: Rows) -> None:
    assert await sent(rows, ADA, SITE) == {ADA: 0, SITE: 0}
    assert await sent(rows, SITE) == {SITE: 1}
    assert await sent(rows, SITE, ADA) == {SITE: 2, ADA: 1}
    await rows.all("UPDATE mail_counts SET day = day - 1")
    assert await sent(rows, ADA) == {ADA: 0}
    assert await rows.all("SELECT sent FROM mail_counts WHERE name = :name ORDER BY day", name=ADA.name) == [(2,), (1,)]


async def test_who_counts_second_waits_for_the_first(rows: Rows) -> None:
    await sent(rows, ADA)
    async with rows.engine.begin() as conn:
        assert await mail_counts.lock(conn, [ADA]) == {ADA: 1}
        second = asyncio.create_task(sent(rows, SITE, ADA))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with asyncio.timeout(20):
            while not await rows.one(waits):
                await asyncio.sleep(0.02)
                assert not second.done(), "it would count the same mail as the first"
        await mail_counts.add(conn, {ADA: 1})
    assert await second == {SITE: 0, ADA: 2}


async def a_mail(rows: Rows, state: str, confirmation: str | None, **columns: str) -> UUID:
    (one,) = await rows.add(email="thanks")
    given = {"state": f"'{state}'", "recipient": "'ada@example.com'", "purpose": "'newsletter'", **columns}
    given["confirmation"] = f"'{confirmation}'" if confirmation else "NULL"
    if state == "claimed":
        given |= {
            "lease_until": "now()",
            "lease_token": "gen_random_uuid()",
            "leased_by": "'one'",
            "claimed_at": "now()",
        }
    elif state != "pending":
        given |= {"finished_at": columns.get("finished_at", "now()"), "attempts": "1", "tries": "1"}
    sets = ", ".join(f"{name} = {value}" for name, value in given.items())
    await rows.all(f"UPDATE deliveries SET {sets} WHERE id = :id", id=one)
    return one


async def asked(rows: Rows, but: UUID) -> set[str]:
    async with rows.engine.connect() as conn:
        addresses = ["ada@example.com", "ben@example.com"]
        return await confirmations.asked(conn, addresses, but=[but], within=WITHIN)


@pytest.mark.parametrize(
    ("state", "confirmation", "columns", "was_asked"),
    [
        ("delivered", "asks", {}, True),
        ("delivered", "asks", {"finished_at": "now() - interval '23 hours'"}, True),
        ("delivered", "asks", {"finished_at": "now() - interval '25 hours'"}, False),
        ("delivered", "needs", {}, False),
        ("delivered", None, {}, False),
        ("claimed", "asks", {"began_at": "now()"}, True),
        ("claimed", "asks", {}, False),
        ("pending", "asks", {}, False),
        ("failed", "asks", {}, False),
    ],
)
async def test_who_was_asked_lately_or_is_being_asked_is_not_asked_again(
    rows: Rows, state: str, confirmation: str | None, columns: dict[str, str], *, was_asked: bool
) -> None:
    one = await a_mail(rows, state, confirmation, **columns)
    assert await asked(rows, but=new_id()) == ({"ada@example.com"} if was_asked else set())
    assert await asked(rows, but=one) == set(), "by this mail itself"


async def test_an_address_is_confirmed_once_and_by_its_own_mail(rows: Rows) -> None:
    one = await a_mail(rows, "delivered", "asks")
    await a_mail(rows, "delivered", "asks", recipient="'ben@example.com'")
    async with rows.engine.begin() as conn:
        assert await confirmations.confirm(conn, one) is True
        assert await confirmations.confirm(conn, one) is False
        assert await confirmations.confirm(conn, new_id()) is False
        addresses = ["ada@example.com", "ben@example.com"]
        assert await confirmations.confirmed(conn, addresses) == {"ada@example.com"}
        assert await confirmations.confirmed(conn, addresses[1:]) == set()
