"""Once a day the stored values follow time, in one booking a contact, and a tier that is lost is told."""

from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from services.scoring.config import load_scoring
from services.scoring.domain.model.learnt import customer_parameters, version_of
from services.scoring.facts import FactMaker
from services.scoring.jobs.sweep import Sweeping
from services.scoring.models import InForce
from services.scoring.store import models as store
from services.scoring.store.models import StoredModel
from shared.clock import new_id, utc_now
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead, a_purchase, an_engagement
from tests.unit.scoring.customer.test_value import CUSTOMERS

_DAY = timedelta(days=1)


def sweeping(world: World, clock: Callable[[], datetime], registry: CollectorRegistry | None = None) -> Sweeping:
    """The job of a process of its own."""
    models, facts = InForce(load_scoring(CONFIG)), FactMaker(b"s", new_id)
    return Sweeping(world.engine, models, facts, clock, registry or CollectorRegistry())


async def leads(world: World, count: int) -> datetime:
    """So many have come; when."""
    at = utc_now()
    async with scoring(world):
        for n in range(count):
            await world.tell(a_lead(at=at, event=f"l{n}", email=f"p{n}@example.com"))
        await world.settled()
    return at


async def learn(world: World) -> None:
    """Put a customer model in force."""
    parameters = customer_parameters(CUSTOMERS.purchases, CUSTOMERS.spend, CUSTOMERS.cuts)
    version, now = version_of("customer", parameters), utc_now()
    async with world.engine.begin() as conn:
        await store.add(conn, StoredModel(version, "customer", "challenger", parameters, {}, 9, now, now, None, ""))
        await store.choose(conn, "customer", version, now)


async def test_time_is_booked_once_a_day_and_a_lost_tier_is_told(world: World) -> None:
    await learn(world)
    begin = utc_now()
    async with scoring(world) as api:
        for n in range(5):
            who = {"email": f"p{n}@example.com"}
            await world.tell(a_lead(at=begin, event=f"l{n}", **who), an_engagement(at=begin, event=f"e{n}", **who))
        # Past margin 420.00, and more to come: silver or gold, until they do not come.
        for n in range(4):
            at = begin - 7 * (3 - n) * _DAY
            await world.tell(a_purchase(email="c@example.com", amount="300.00", at=at, order_id=f"o{n}", event=f"o{n}"))
        await world.settled()
        (customer,) = await world.rows("SELECT id, customer_value FROM contacts WHERE stage = 'customer'")
        (before,) = await world.rows("SELECT sum(lead_value) AS lead FROM contacts")

        segments = {each["segment"]: each for each in (await api.get("/v1/segments"))["items"]}
        assert {name: each["contacts"] for name, each in segments.items()} == {"leads": 5, "champions": 1}
        (tier,) = segments["champions"]["tiers"]
        assert (tier["tier"], tier["contacts"]) in {("silver", 1), ("gold", 1)}
        assert segments["champions"]["customer_value"] == segments["champions"]["value_each"] == tier["customer_value"]
        told = await api.get("/v1/rfm")
        assert told["cuts"]["recency_days"] == [10, 30, 90, 365]
        ((cell, name),) = [(each["cell"], each["segment"]) for each in told["cells"]]
        assert (cell, name) == ("545", "champions")

        now, registry = [begin], CollectorRegistry()
        job = sweeping(world, lambda: now[0], registry)
        for days in (1, 2, 3):
            now[0] = begin + days * _DAY
            while await job.step(at_once=2):
                pass
            assert not await job.step(), "once a day"
        await world.books_balance()
        (after,) = await world.rows("SELECT sum(lead_value) AS lead FROM contacts")
        assert 0 < after.lead < before.lead
        swept = "SELECT contact_id FROM bookings WHERE event_id = contact_id AND account = 'lead' AND factor = 'time'"
        assert len(await world.rows(swept)) == 5, "one for each contact, however many days"
        assert registry.get_sample_value("firsthour_contacts_swept_total") == 18

        now[0] = begin + 900 * _DAY
        assert customer.customer_value > 50_000
        while await job.step(at_once=2):
            pass

        async def gone() -> bool:
            return bool(await world.rows("SELECT 1 FROM contacts WHERE stage = 'customer' AND customer_value < 45000"))

        await until(gone, 30)
        await world.books_balance()
        (update,) = await world.updates(1, world.topics.updates_bulk)  # behind the leads
        assert (update.data.contact.id, update.data.contact.tier) == (customer.id, "bronze")
        assert update.data.before.customer > update.data.after.customer
        assert {each.factor for each in update.data.bookings} == {"time"}
        assert await world.one("SELECT count(*) FROM facts") == 0
        assert [each["cell"] for each in (await api.get("/v1/rfm"))["cells"]] == ["145"]
        assert {each["segment"] for each in (await api.get("/v1/segments"))["items"]} == {"leads", "at risk"}


async def test_a_sweep_that_was_cut_short_goes_on_where_it_stood(world: World) -> None:
    begin = await leads(world, 6)
    jobs = [sweeping(world, lambda: begin + _DAY) for _ in range(2)]
    assert await jobs[0].step(at_once=4)
    assert not await jobs[1].step(at_once=4)
    assert await world.one("SELECT count(*) FROM bookings WHERE event_id = contact_id") == 6
    await world.books_balance()


async def test_who_is_still_to_be_revalued_is_left_to_that(world: World) -> None:
    now = await leads(world, 2)
    (other,) = await world.rows("""
        UPDATE contacts SET state = convert_to(replace(convert_from(state, 'UTF8'), model, 'of before'), 'UTF8'),
            model = 'of before'
        WHERE id = (SELECT contact_id FROM identities WHERE key = 'email:p1@example.com') RETURNING id
    """)
    assert not await sweeping(world, lambda: now + _DAY).step()
    swept = await world.rows("SELECT contact_id FROM bookings WHERE event_id = contact_id")
    assert len(swept) == 1
    assert swept[0].contact_id != other.id, "what the models differ by is no matter of time"
