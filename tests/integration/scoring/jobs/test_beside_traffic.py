"""Jobs beside live batches, on Postgres alone: what a batch holds is left to it, and two processes share the work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.facts import FactMaker
from services.scoring.jobs.advocacy import Crediting
from services.scoring.jobs.revalue import Revaluing
from services.scoring.jobs.sweep import Sweeping
from services.scoring.models import InForce
from services.scoring.store import bought, referrals, unconverted
from services.scoring.store.contacts import sweep
from services.scoring.store.contacts.batch import BookingRow
from services.scoring.store.referrals import Note
from services.scoring.store.unconverted import Amounts, Missing
from shared.clock import new_id, utc_now
from shared.db.transient import is_transient
from tests.support.folding import Folding, folding
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead, a_model, a_purchase, a_referral, an_engagement, minutes

DAY = timedelta(days=1)
TODAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


@dataclass
class Clock:
    """A clock that a test puts forward."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def held(scoring: Folding, contact_id: UUID) -> AsyncIterator[AsyncConnection]:
    """A batch has the contact locked."""
    async with scoring.engine.begin() as conn:
        await conn.execute(sa.text("SELECT FROM contacts WHERE id = :id FOR UPDATE"), {"id": contact_id})
        yield conn


async def people(scoring: Folding, count: int, at: datetime) -> list[UUID]:
    await scoring.folds(*[a_lead(email=f"p{n}@example.com", event=("l", n), at=at) for n in range(count)])
    await scoring.folds(*[an_engagement(email=f"p{n}@example.com", event=("e", n), at=at) for n in range(count)])
    return [each for (each,) in await scoring.all("SELECT id FROM contacts ORDER BY id")]


def sweeping(scoring: Folding, clock: Clock, registry: CollectorRegistry | None = None) -> Sweeping:
    models = InForce(a_model())
    return Sweeping(scoring.engine, models, FactMaker(b"s", new_id), clock, registry or CollectorRegistry())


BOOKED = "SELECT contact_id FROM bookings WHERE factor = 'time' ORDER BY contact_id"


async def test_a_sweep_waits_for_no_batch_and_leaves_its_contact_to_it(scoring: Folding) -> None:
    begin = utc_now()
    ids = await people(scoring, 4, begin)
    job = sweeping(scoring, Clock(begin + 3 * DAY))
    async with held(scoring, ids[1]):
        assert await job.step(at_once=3)
        assert not await job.step(at_once=3)
    booked = [(each,) for each in ids if each != ids[1]]
    assert await scoring.all(BOOKED) == booked
    await scoring.folds(a_lead(email="new@example.com", event="new", at=begin))
    assert not await job.step(), "once a day, whoever comes after it"
    assert await scoring.all(BOOKED) == booked


async def test_while_one_process_sweeps_another_does_not(scoring: Folding) -> None:
    begin = utc_now()
    await people(scoring, 2, begin)
    clock, registry = Clock(begin + DAY), CollectorRegistry()
    assert await sweeping(scoring, clock).step(at_once=1)
    other = sweeping(scoring, clock, registry)
    async with scoring.engine.begin() as conn:
        await conn.execute(sa.text("SELECT FROM sweeps FOR UPDATE"))
        assert not await other.step()
    assert registry.get_sample_value("firsthour_contacts_swept_total") == 0
    assert not await other.step()
    assert registry.get_sample_value("firsthour_contacts_swept_total") == 1
    assert await other._turn() == 60.0, "tomorrow's begins within a minute"


async def test_whom_a_killed_step_had_swept_already_is_swept_again_without_a_trace(scoring: Folding) -> None:
    begin = utc_now()
    await people(scoring, 5, begin)
    job = sweeping(scoring, Clock(begin + 3 * DAY))
    assert not await job.step()
    booked = await scoring.all("SELECT contact_id, line, amount FROM bookings ORDER BY contact_id, event_id, line")
    states = await scoring.all("SELECT id, state, xmin::text FROM contacts ORDER BY id")
    async with scoring.engine.begin() as conn:  # progress is stored last
        await conn.execute(sa.text("UPDATE sweeps SET after = '00000000-0000-0000-0000-000000000000', done = false"))
    assert not await job.step()
    again = await scoring.all("SELECT contact_id, line, amount FROM bookings ORDER BY contact_id, event_id, line")
    assert again == booked
    assert await scoring.all("SELECT id, state, xmin::text FROM contacts ORDER BY id") == states


async def test_of_earlier_days_no_progress_is_kept_and_a_booking_that_came_to_nothing_goes(scoring: Folding) -> None:
    begin = utc_now()
    await people(scoring, 1, begin)
    before = await scoring.one("SELECT lead_value FROM contacts")
    for clock in (Clock(begin + DAY), Clock(begin + 2 * DAY)):
        await sweeping(scoring, clock).step()
    assert await scoring.one("SELECT count(*) FROM sweeps") == 1
    lost = await scoring.one("SELECT sum(amount) FROM bookings WHERE factor = 'time'")
    assert lost < 0
    assert await scoring.one("SELECT lead_value FROM contacts") == before + lost
    assert await scoring.one("SELECT count(*) FROM bookings WHERE factor = 'time'") == 1


async def test_whom_another_model_valued_is_left_to_be_revalued_first(scoring: Folding) -> None:
    begin = utc_now()
    one, other = await people(scoring, 2, begin)
    other_model = InForce(a_model(version="scorecard-next"))
    revaluing = Revaluing(scoring.engine, other_model, utc_now, new_id, CollectorRegistry())
    async with held(scoring, one):
        assert await revaluing.step() == 1, "a batch has the other"
    models = dict(await scoring.all("SELECT id, model FROM contacts"))
    assert models[one] != models[other]
    job = Sweeping(scoring.engine, other_model, FactMaker(b"s", new_id), Clock(begin + DAY), CollectorRegistry())
    assert not await job.step()
    assert await scoring.all(BOOKED) == [(other,)]
    assert await revaluing.step() == 1
    assert await revaluing.step() == 0
    assert len(set(await scoring.all("SELECT model FROM contacts"))) == 1


async def told_of(scoring: Folding) -> set[tuple[UUID, bool]]:
    """Who has changed since the last time, and whether the queue with them, as pages that watch hear of it."""
    return set(await scoring.all("WITH d AS (DELETE FROM changes RETURNING *) SELECT unnest(contacts), queue FROM d"))


async def test_pages_that_watch_hear_of_what_a_job_has_changed(scoring: Folding) -> None:
    begin = utc_now()
    ids = await people(scoring, 2, begin)
    await told_of(scoring)
    await sweeping(scoring, Clock(begin + 3 * DAY)).step()
    assert await told_of(scoring) == {(each, True) for each in ids}
    next_one = InForce(a_model(version="scorecard-next"))
    assert await Revaluing(scoring.engine, next_one, utc_now, new_id, CollectorRegistry()).step() == 2
    assert await told_of(scoring) == {(each, True) for each in ids}


async def test_whom_the_database_left_half_way_is_revalued_when_it_is_back(scoring: Folding) -> None:
    """The first of them can never be valued, so each is taken alone."""
    broken, other = await people(scoring, 2, utc_now())
    await scoring.all(
        "UPDATE contacts SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'), '\"page_viewed\":.[^]]*.', "
        "'\"page_viewed\":[0]'), 'UTF8') WHERE id = :id",
        id=broken,
    )
    next_one, registry = InForce(a_model(version="scorecard-next")), CollectorRegistry()
    job = Revaluing(scoring.engine, next_one, utc_now, new_id, registry)

    async def cut_off() -> bool:
        return bool(
            await scoring.all(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    async with scoring.engine.begin() as conn:
        await conn.execute(sa.text("LOCK TABLE changes"))
        stepping = asyncio.create_task(job.step())
        await until(cut_off)
        with pytest.raises(sa.exc.DBAPIError) as lost:
            await stepping
    assert is_transient(lost.value)
    assert await job.step() == 1
    models = dict(await scoring.all("SELECT id, model FROM contacts"))
    assert models[other] == next_one.model.version != models[broken]
    assert registry.get_sample_value("firsthour_contacts_not_revalued_total") == 1


async def test_who_named_a_buyer_first_is_credited_and_nobody_for_themselves(scoring: Folding) -> None:
    start = utc_now() - 10 * DAY
    for name, at in (("late", 2), ("first", 1), ("eve", 0)):
        await scoring.folds(a_referral(email=f"{name}@example.com", at=start + minutes(at), event=name))
    await scoring.folds(a_purchase(email="eve@example.com", at=start + DAY, event="order"))
    registry, clock = CollectorRegistry(), Clock(utc_now())
    job = Crediting(scoring.engine, InForce(a_model()), clock, registry)
    assert await job.step(at_once=2), "there may be more"
    assert not await job.step(at_once=2)
    credited = await scoring.all(
        "SELECT i.key FROM bookings b JOIN identities i USING (contact_id) WHERE b.factor = 'referral'"
    )
    assert credited == [], "eve named herself before anybody else did"
    await scoring.all(
        "DELETE FROM referrals WHERE contact_id = (SELECT contact_id FROM identities WHERE key = 'email:eve@example.com')"
    )
    other = Crediting(scoring.engine, InForce(a_model(version="scorecard-next")), clock, CollectorRegistry())
    assert not await other.step(), "whom another model valued is left to be revalued first"
    assert await scoring.one("SELECT count(*) FROM bookings WHERE factor = 'referral'") == 0
    assert await job._turn() == 30.0, "it looks again in an hour"
    clock.now += timedelta(hours=1)
    assert await job._turn() == 30.0
    credited = await scoring.all(
        "SELECT i.key FROM bookings b JOIN identities i USING (contact_id) WHERE b.factor = 'referral'"
    )
    assert credited == [("email:first@example.com",)]
    assert registry.get_sample_value("firsthour_referrers_credited_total") == 1


async def test_whom_somebody_named_often_they_named_when_they_first_did(scoring: Folding) -> None:
    await scoring.folds(a_lead())
    who = await scoring.one("SELECT id FROM contacts")
    for times in ((3, 1, 2), (4,), (0,)):
        async with scoring.engine.begin() as conn:
            await referrals.note(conn, [Note("email:eve@example.com", who, TODAY + minutes(each)) for each in times])
        assert await scoring.one("SELECT at FROM referrals") == TODAY + minutes(0 if times == (0,) else 1)


async def test_an_amount_without_a_rate_was_last_seen_on_its_latest_day(scoring: Folding) -> None:
    missing = Missing("CAD", TODAY.date())
    for day, amounts in ((TODAY, Amounts(1, 0)), (TODAY - DAY, Amounts(2, 5))):
        async with scoring.engine.begin() as conn:
            await unconverted.count(conn, {missing: amounts}, day.date())
    async with scoring.engine.begin() as conn:
        assert await unconverted.since(conn, TODAY.date()) == {missing: Amounts(3, 5)}
        await unconverted.forget(conn, TODAY.date())
        assert await unconverted.since(conn, TODAY.date()) == {missing: Amounts(3, 5)}
        await unconverted.forget(conn, (TODAY + DAY).date())
        assert await unconverted.since(conn, (TODAY - DAY).date()) == {}


async def test_of_what_a_contact_bought_so_many_items_count(scoring: Folding) -> None:
    await scoring.folds(a_lead())
    who = await scoring.one("SELECT id FROM contacts")
    for first in range(0, 2 * bought.MOST_ITEMS, bought.MOST_ITEMS):
        async with scoring.engine.begin() as conn:
            await bought.write(conn, [(who, f"{n:04}") for n in range(first, first + bought.MOST_ITEMS)], {})
    kept = await scoring.one("SELECT count(*) FROM bought")
    assert bought.MOST_ITEMS <= kept <= bought.MOST_ITEMS + 1


async def test_a_standing_booking_is_added_to_and_goes_when_it_comes_to_nothing(scoring: Folding) -> None:
    await scoring.folds(a_lead())
    who = await scoring.one("SELECT id FROM contacts")
    standing = "SELECT amount, model FROM bookings WHERE event_id = contact_id"
    for amount, expected in ((5, [(5, "m5")]), (3, [(8, "m3")]), (-8, []), (2, [(2, "m2")])):
        row = BookingRow(who, who, 0, "lead", "time", amount, f"m{amount}", TODAY)
        async with scoring.engine.begin() as conn:
            await sweep.book(conn, [row])
        assert await scoring.all(standing) == expected
