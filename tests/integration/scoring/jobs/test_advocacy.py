"""Who referred a customer is credited once that one buys, whoever else named them later, and after a merge too."""

from prometheus_client import CollectorRegistry

from services.scoring.config import load_scoring
from services.scoring.jobs.advocacy import Crediting
from services.scoring.models import InForce
from shared.clock import utc_now
from tests.support.scoring_service import CONFIG, World, scoring
from tests.unit.scoring.builders import NOW, a_purchase, a_referral, an_identification, minutes

_CREDIT = "SELECT sum(amount) AS credit FROM bookings WHERE factor = 'referral' GROUP BY contact_id"


async def credited(world: World) -> list[int]:
    """What the job books, in all."""
    job = Crediting(world.engine, InForce(load_scoring(CONFIG)), utc_now, CollectorRegistry())
    while await job.step(at_once=1):
        pass
    await world.books_balance()
    return [int(row.credit) for row in await world.rows(_CREDIT)]


async def test_a_referral_is_credited_when_it_converts(world: World) -> None:
    eve = {"email": "eve@example.com"}
    async with scoring(world):
        await world.tell(a_referral(), a_referral(email="ben@example.com", at=NOW + minutes(1)))
        await world.settled()
        assert await credited(world) == []
        await world.tell(a_purchase(**eve, amount="100.00", at=NOW + minutes(2)))
        await world.tell(an_identification(email="ada@example.com", user_id="u", event="i", at=NOW + minutes(3)))
        await world.tell(an_identification(email="old@example.com", event="j", at=NOW + minutes(3)))
        await world.settled()
        assert await credited(world) == [350], "a tenth of 35.00, for the first who named her"
        assert await credited(world) == [350]
        await world.tell(an_identification(email="old@example.com", user_id="u", event="k", at=NOW + minutes(4)))
        await world.settled()
        assert await credited(world) == [350]
        assert (
            await world.one("SELECT customer_value FROM contacts WHERE stage <> 'customer' AND customer_value > 0")
            == 350
        )
