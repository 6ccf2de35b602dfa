"""Who was erased, on Postgres alone: nothing names them any more, and no late copy brings them back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.jobs.advocacy import Crediting
from services.scoring.models import InForce
from services.scoring.store import referrals
from services.scoring.store.contacts import erase
from shared.clock import utc_now
from shared.db.tables import dead_letters
from shared.db.tables.dead_letters import DeadLetterRow
from shared.events.envelope import decode
from shared.events.identity import Identity
from shared.events.types import Item
from shared.events.updates import UPDATE_TYPE, decode_update
from tests.support.folding import Folding, folding
from tests.unit.scoring.builders import a_lead, a_model, a_purchase, a_referral

DAY = timedelta(days=1)
EVE = {"email": "eve@example.com"}


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def erased(scoring: Folding, name: str) -> None:
    who = await scoring.one("SELECT contact_id FROM identities WHERE key = :key", key=f"email:{name}@example.com")
    async with scoring.engine.begin() as conn:
        ids = await erase.all_of(conn, who)
        await erase.erase(conn, ids, await erase.identities(conn, ids))


async def test_who_came_back_and_was_erased_again_is_brought_back_by_nothing_older(scoring: Folding) -> None:
    now = utc_now()
    await scoring.folds(a_lead(**EVE, event="first", at=now - 20 * DAY))
    await erased(scoring, "eve")
    await scoring.all("UPDATE erased SET at = now() - interval '10 days'")
    await scoring.folds(a_lead(**EVE, event="again", at=now - 5 * DAY))
    assert await scoring.one("SELECT count(*) FROM contacts") == 1, "a new event is welcome"
    await erased(scoring, "eve")
    await scoring.folds(a_lead(**EVE, event="late", at=now - 4 * DAY))
    assert await scoring.one("SELECT count(*) FROM contacts") == 0


async def test_nobody_is_left_who_named_or_met_them(scoring: Folding) -> None:
    now = utc_now()
    things = [Item(sku="hat"), Item(sku="tea")]
    await scoring.folds(a_referral(event="named", at=now))
    await scoring.folds(a_lead(**EVE, event="eve", at=now), a_purchase(**EVE, items=things, at=now))
    eve = await scoring.one("SELECT contact_id FROM identities WHERE key = 'email:eve@example.com'")
    assert await scoring.one("SELECT count(*) FROM referrals WHERE key = 'email:eve@example.com'") == 1
    letter = DeadLetterRow("t", 0, 1, None, b'"eve@example.com"', "permanent", "P", "", "shop", 1, now, now)
    other = letter._replace(offset=2, value=b'"ada@example.com"')
    loud = letter._replace(offset=3, value=b'\xff "EVE@Example.com" \\')
    async with scoring.engine.begin() as conn:
        await dead_letters.insert(conn, [letter, other, loud])
    await erased(scoring, "eve")
    assert await scoring.one("SELECT count(*) FROM referrals WHERE key LIKE 'email:%'") == 0
    assert await scoring.one("SELECT count(*) FROM bought") == 0
    assert await scoring.one("SELECT coalesce(sum(buyers), 0) FROM bought_together") == 0
    assert await scoring.all('SELECT "offset" FROM dead_letters') == [(2,)]
    assert await scoring.all("SELECT type, body FROM events WHERE contact_id IS NULL") == [("erased", b"")] * 2
    assert await scoring.one("SELECT count(*) FROM contacts") == 1, "who named her stays"
    assert await scoring.one("SELECT count(*) FROM events WHERE position(CAST('eve@' AS bytea) IN body) > 0") == 0
    hers = "SELECT count(*) FROM updates WHERE position(CAST(:id AS bytea) IN body) > 0"
    assert await scoring.one(hers, id=str(eve).encode()) == 0
    assert await scoring.one("SELECT count(*) FROM updates") == 1, "that of who named her"
    told = decode(await scoring.one("SELECT body FROM events WHERE contact_id IS NOT NULL"))
    assert (told.data.identity.email, told.data.referred) == ("ada@example.com", Identity())


async def test_a_stranger_who_named_them_names_nobody_any_more_and_by_number_or_user_id_either(
    scoring: Folding,
) -> None:
    now = utc_now()
    await scoring.folds(a_lead(**EVE, phone="+441632960002", user_id="u7", event="eve", at=now))
    ways = {
        "stranger": a_referral(event="stranger", at=now, trust="public"),
        "number": a_referral(event="number", at=now, referred=Identity(phone="+441632960002")),
        "user": a_referral(event="user", at=now, referred=Identity(user_id="u7")),
        "other": a_referral(event="other", at=now, referred=Identity(user_id="u8")),
    }
    await scoring.folds(*ways.values())
    await erased(scoring, "eve")
    left = {
        event.id: data.referred
        for event, data in [
            decode(body) for (body,) in await scoring.all("SELECT body FROM events WHERE contact_id IS NOT NULL")
        ]
    }
    assert {name: left[event.id] for name, (event, _) in ways.items()} == {
        "stranger": Identity(), "number": Identity(), "user": Identity(), "other": Identity(user_id="u8"),
    }  # fmt: skip
    told = [body for (body,) in await scoring.all("SELECT body FROM updates")]
    assert len(told) == len(ways)
    assert not any(b"eve@" in body or b"960002" in body or b'"u7"' in body for body in told)
    assert {decode_update(body).type for body in told} == {UPDATE_TYPE}, "they can be read"


async def test_a_late_copy_that_names_them_brings_no_name_back(scoring: Folding) -> None:
    now = utc_now()
    await scoring.folds(a_lead(**EVE, event="eve", at=now))
    await erased(scoring, "eve")
    await scoring.folds(a_referral(event="late", at=now), a_referral(event="public", at=now, trust="public"))
    assert await scoring.one("SELECT count(*) FROM events WHERE position(CAST('eve@' AS bytea) IN body) > 0") == 0
    assert await scoring.one("SELECT count(*) FROM referrals") == 0
    await scoring.folds(a_referral(event="anew", at=utc_now() + timedelta(minutes=1)))
    assert await scoring.one("SELECT count(*) FROM referrals") == 1, "a new one is welcome"


async def test_who_referred_them_keeps_what_they_earned_whether_or_not_somebody_else_came_of_it(
    scoring: Folding,
) -> None:
    now = utc_now()
    ben = {"email": "ben@example.com"}
    zoe = Identity(email="zoe@example.com")
    await scoring.folds(
        a_referral(event="ada", at=now), a_referral(**ben, event="ben", at=now + timedelta(seconds=1)),
        a_referral(event="adas other", referred=zoe, at=now), a_referral(event="robs only", email="rob@example.com",
                                                                        referred=zoe, at=now - DAY),
    )  # fmt: skip
    for who in (EVE, {"email": "zoe@example.com"}):
        await scoring.folds(a_purchase(**who, event=who["email"], amount="100.00", at=now + timedelta(minutes=1)))

    async def credited() -> dict[str, int]:
        """To the cent what each referrer is booked."""
        job = Crediting(scoring.engine, InForce(a_model()), utc_now, CollectorRegistry())
        while await job.step():
            pass
        rows = await scoring.all(
            "SELECT i.key, sum(b.amount) FROM bookings b JOIN identities i USING (contact_id) "
            "WHERE b.factor = 'referral' GROUP BY i.key"
        )
        return {key.removeprefix("email:").partition("@")[0]: int(amount) for key, amount in rows}

    earned = await credited()
    assert set(earned) == {"ada", "rob"}, "of several who named somebody the first counts"
    await erased(scoring, "eve")
    assert await credited() == earned
    await erased(scoring, "zoe")
    assert await credited() == earned
    assert await scoring.one("SELECT count(*) FROM referrals WHERE key LIKE 'email:%'") == 0
    assert await scoring.one("SELECT count(DISTINCT key) FROM referrals") == 2
    ada, rob = [
        await scoring.one("SELECT contact_id FROM identities WHERE key = :key", key=f"email:{name}@example.com")
        for name in ("ada", "rob")
    ]
    async with scoring.engine.begin() as conn:
        await referrals.again(conn, [ada], [])
        assert set(await referrals.margins(conn, [ada])) == {ada}, "a merge that is undone takes nothing"
        await referrals.move(conn, {ada: rob})
        assert set(await referrals.margins(conn, [ada, rob])) == {rob}
    await erased(scoring, "rob")
    assert await scoring.one("SELECT count(*) FROM referrals") == 0, "who is erased keeps nothing"


async def test_whoever_else_was_named_is_still_named(scoring: Folding) -> None:
    now = utc_now()
    zoe = Identity(email="zoe@example.com")
    await scoring.folds(a_referral(event="eve", at=now), a_referral(referred=zoe, event="zoe", at=now))
    await scoring.folds(a_lead(**EVE, event="lead", at=now))
    await erased(scoring, "eve")
    left = await scoring.all("SELECT body FROM events WHERE contact_id IS NOT NULL")
    assert {decode(body).data.referred.email for (body,) in left} == {None, "zoe@example.com"}
    assert await scoring.all("SELECT key FROM referrals") == [("email:zoe@example.com",)]
