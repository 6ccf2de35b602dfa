"""Claimed, begun, recorded: what becomes of a delivery when its holder dies, stops or loses the database in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Begin, NotBegun, Result, Send
from services.nurture.deliveries.attempts import Attempted, judged, record
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Answered, NotSent, Outcome
from services.nurture.store.deliveries import claims, leases
from shared.clock import new_id, utc_now
from shared.runtime.deadlines import LEASE_S
from tests.support.deliveries import FACTS, NOBODY, Rows, delivering, rows_of
from tests.support.waiting import until

DEAD = "nurture of an earlier life"


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


def never() -> Awaitable[None]:
    return asyncio.get_running_loop().create_future()


def hangs(*, begins: bool) -> Send:
    """A send to somewhere that never answers."""

    async def send(_given: StoredDelivery, begin: Begin) -> Result:
        if begins:
            await begin()
        await never()
        raise AssertionError

    return send


def answers(
    outcome: Outcome,
    sent: list[UUID] | None = None,
    meanwhile: Callable[[StoredDelivery], Awaitable[None]] | None = None,
) -> Send:
    """A send that begins, lets something happen, and is answered."""

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        if sent is not None:
            sent.append(given.id)
        if meanwhile is not None:
            await meanwhile(given)
        return Result(outcome)

    return send


async def begin(rows: Rows, *givens: StoredDelivery) -> set[UUID]:
    async with rows.engine.begin() as conn:
        return await leases.begin(conn, givens)


async def recorded(rows: Rows, given: StoredDelivery, outcome: Outcome) -> bool:
    now = utc_now()
    async with rows.engine.begin() as conn:
        verdicts = judged([Attempted(given, now, now, outcome)], NOBODY, lambda: 0.0)
        done = await record(conn, verdicts, endpoints=NOBODY, facts=FACTS)
    return bool(done.settled)


async def take_over(rows: Rows, *, calm: bool = True) -> tuple[int, int]:
    """How many were put back, and how many are unanswered."""
    async with rows.engine.begin() as conn:
        back = await leases.put_back(conn, most=100, calm=calm)
        taken = await leases.take_over(conn, most=100, calm=calm, token=new_id(), instance="two")
        return len(back), len(taken)


async def test_what_a_dead_process_had_not_begun_goes_back_untouched(rows: Rows) -> None:
    await rows.add(20, email="thanks")
    claimed = await rows.claim(MAIL, instance=DEAD)
    await begin(rows, *claimed[:3])
    await rows.all("UPDATE deliveries SET lease_until = now() + interval '1 h'")  # nobody waits for that
    sent: list[UUID] = []
    async with delivering(rows, answers(Accepted(), sent), instance=DEAD):
        await until(lambda: rows.are("delivered", 17))
        await until(lambda: rows.are("failed", 3))
    assert set(sent) == {given.id for given in claimed[3:]}
    assert set(await rows.states("attempts")) == {1}
    unknown = await rows.all("SELECT delivery_id FROM attempts WHERE outcome = 'unknown'")
    assert {row[0] for row in unknown} == {given.id for given in claimed[:3]}


async def test_an_unanswered_webhook_is_repeated_and_counts_as_one_try(rows: Rows) -> None:
    await rows.add(2)
    one, other = await rows.claim(instance=DEAD)
    await begin(rows, one)
    async with delivering(rows, answers(Answered(200)), instance=DEAD):
        await until(lambda: rows.are("delivered", 1))
        await until(lambda: rows.are("pending", 1))
    assert await rows.all("SELECT id, attempts FROM deliveries WHERE state = 'pending'") == [(one.id, 1)]
    assert await rows.all("SELECT id, attempts FROM deliveries WHERE state = 'delivered'") == [(other.id, 1)]


async def test_what_is_claimed_is_begun_once_by_its_holder_alone(rows: Rows) -> None:
    await rows.add(2)
    claimed = await rows.claim()
    assert await begin(rows, *claimed) == {given.id for given in claimed}
    assert await begin(rows, *claimed) == set(), "it is under way"
    await rows.all(
        "UPDATE deliveries SET state = 'pending', began_at = NULL, lease_token = NULL, lease_until = NULL, leased_by = NULL"
    )
    again = await rows.claim()
    assert await begin(rows, *claimed) == set(), "somebody else holds it"
    assert await begin(rows, *again) == {given.id for given in again}


async def test_beginning_starts_the_lease_anew(rows: Rows) -> None:
    await rows.add()
    claimed = await rows.claim()
    await rows.all("UPDATE deliveries SET lease_until = now() - interval '1 s'")
    await begin(rows, *claimed)
    assert await rows.one("SELECT lease_until > now() + interval '25 s' FROM deliveries")


async def test_only_the_holder_records(rows: Rows) -> None:
    await rows.add()
    (given,) = await rows.claim(instance=DEAD)
    await begin(rows, given)
    await rows.all("UPDATE deliveries SET lease_until = '-infinity'")
    assert await take_over(rows) == (0, 1)
    assert not await recorded(rows, given, Answered(200))
    assert await rows.states() == ["claimed"]
    assert await rows.one("SELECT count(*) FROM attempts") == 0


@pytest.mark.parametrize("begun", [True, False])
async def test_leases_that_ended_in_an_outage_say_nothing_of_their_holders(rows: Rows, begun: bool) -> None:
    await rows.add()
    (given,) = await rows.claim()
    if begun:
        await begin(rows, given)
    await rows.all("UPDATE deliveries SET lease_until = pg_postmaster_start_time() - interval '1 s'")
    young = await rows.one(f"SELECT now() < pg_postmaster_start_time() + interval '{LEASE_S} s'")
    assert await take_over(rows, calm=False) == (0, 0)
    if young:
        assert await take_over(rows, calm=True) == (0, 0), "the database has just started"
    assert await recorded(rows, given, Answered(200))
    assert await rows.states() == ["delivered"]


async def test_a_holder_renews_as_long_as_it_waits_for_an_answer(rows: Rows) -> None:
    await rows.add()
    async with delivering(rows, hangs(begins=True), drain_s=0.1) as deliverer:
        await until(lambda: _begun(rows))
        (given,) = deliverer._leases._held.values()
        await rows.all("UPDATE deliveries SET lease_until = now() + interval '1 s'")
        await deliverer._leases._renew()
        assert await rows.one(
            "SELECT lease_until > now() + interval '25 s' FROM deliveries WHERE id = :id", id=given.id
        )


async def test_it_renews_by_itself_long_before_the_lease_ends(rows: Rows) -> None:
    await rows.add()
    async with delivering(rows, hangs(begins=True), drain_s=0.1, lease_s=3.0):
        await until(lambda: _begun(rows))
        ((ends, token),) = await rows.all("SELECT lease_until, lease_token FROM deliveries")
        renewed = "SELECT count(*) = 1 FROM deliveries WHERE lease_until > :ends AND lease_token = :token"
        await until(lambda: rows.one(renewed, ends=ends, token=token), 15)  # taken over, it has another token


async def _begun(rows: Rows) -> bool:
    return bool(await rows.one("SELECT count(*) FROM deliveries WHERE began_at IS NOT NULL"))


@pytest.mark.parametrize("begins", [True, False])
async def test_a_mail_that_is_under_way_at_the_stop(rows: Rows, begins: bool) -> None:
    await rows.add(5, email="thanks")
    async with delivering(rows, hangs(begins=begins), drain_s=0.2):
        await until(lambda: _at_work(rows, begins=begins))
    # Two at once were sent, the others had only been claimed.
    assert sorted(await rows.states()) == (["failed"] * 2 if begins else []) + ["pending"] * (3 if begins else 5)
    assert sorted(await rows.states("attempts")) == [0, 0, 0] + ([1, 1] if begins else [0, 0])


async def _at_work(rows: Rows, *, begins: bool) -> bool:
    count = "count(began_at)" if begins else "count(claimed_at)"
    return bool(await rows.one(f"SELECT {count} FROM deliveries") == 2)


class TestWithdrawn:
    """A withdrawn delivery is never sent, whatever state it was in."""

    @pytest.mark.parametrize("outcome", [Answered(503), NotSent("closed")])
    async def test_while_it_was_being_tried(self, rows: Rows, outcome: Outcome) -> None:
        await rows.add()

        async def withdraw(given: StoredDelivery) -> None:
            await rows.withdraw(given.id)

        async with delivering(rows, answers(outcome, meanwhile=withdraw)):
            await until(lambda: rows.are("cancelled"))
        assert await rows.states("attempts") == [1]

    async def test_but_what_arrived_has_arrived(self, rows: Rows) -> None:
        await rows.add()

        async def withdraw(given: StoredDelivery) -> None:
            await rows.withdraw(given.id)

        async with delivering(rows, answers(Answered(200), meanwhile=withdraw)):
            await until(lambda: rows.are("delivered"))

    async def test_between_its_claim_and_its_sending(self, rows: Rows) -> None:
        sent: list[UUID] = []

        async def send(given: StoredDelivery, begin: Begin) -> Result:
            await rows.withdraw(given.id)
            with pytest.raises(NotBegun):
                await begin()
            raise NotBegun

        await rows.add(email="thanks")  # a webhook that is sent at once has begun with its claim
        async with delivering(rows, send):
            await until(lambda: rows.are("cancelled"))
        assert sent == []
        assert await rows.states("attempts") == [0]

    async def test_claimed_ahead_and_given_back_at_a_stop(self, rows: Rows) -> None:
        (one,) = await rows.add()
        async with delivering(rows, hangs(begins=False), drain_s=0.1):
            await until(lambda: rows.are("claimed"))
            await rows.withdraw(one)
        assert await rows.states() == ["cancelled"]

    async def test_claimed_by_a_process_that_died(self, rows: Rows) -> None:
        ids = await rows.add(2)
        claimed = await rows.claim(instance=DEAD)
        await begin(rows, claimed[0])
        for one in ids:
            await rows.withdraw(one)
        async with delivering(rows, answers(Answered(200)), instance=DEAD):
            await until(lambda: rows.are("cancelled", 2))

    async def test_the_schema_knows_no_withdrawn_delivery_that_waits(self, rows: Rows) -> None:
        await rows.add()
        with pytest.raises(Exception, match="deliveries_withdrawn"):
            await rows.all("UPDATE deliveries SET withdrawn = true")


@pytest.mark.parametrize(
    ("queue", "channels", "begun"),
    [("crm", ["webhook"], 2), ("crm", [], 0), (MAIL, ["webhook"], 0), (MAIL, ["webhook", "email"], 0)],
)
async def test_a_claim_begins_what_is_sent_at_once_unless_somebody_has_to_be_asked(
    rows: Rows, queue: str, channels: list[str], begun: int
) -> None:
    await rows.add(3)
    await rows.add(3, email="thanks")
    async with rows.engine.begin() as conn:
        claimed = await claims.claim(
            conn, queue, most=3, begun=2, repeats_unknown=channels, token=new_id(), instance="one"
        )
    assert [given.began_at is not None for given in claimed] == [True] * begun + [False] * (3 - begun)
    assert await rows.one("SELECT count(*) FROM deliveries WHERE began_at IS NOT NULL") == begun


async def test_no_fallback_goes_for_what_arrived(rows: Rows) -> None:
    await rows.add(webhook="crm", deadline="5m", fallback={"webhook": "other"})
    (given,) = await rows.claim()
    await begin(rows, given)
    assert await recorded(rows, given, Answered(200))
    assert await rows.states("endpoint") == ["crm"]
    await rows.add(webhook="crm", deadline="5m", fallback={"webhook": "other"})
    (given,) = await rows.claim()
    assert given.expires_at is not None
    assert given.expires_at - utc_now() < timedelta(minutes=5)
    assert await recorded(rows, given, Answered(410))
    assert sorted(await rows.states("endpoint")) == ["crm", "crm", "other"]


async def test_of_what_is_recorded_together_only_what_failed_falls_back(rows: Rows) -> None:
    ids = await rows.add(3, webhook="crm", deadline="5m", fallback={"webhook": "other"})
    givens, now = await rows.claim(), utc_now()
    outcomes: dict[UUID, Outcome] = dict(zip(ids, (Answered(200), Answered(410), Answered(500)), strict=True))
    async with rows.engine.begin() as conn:
        verdicts = judged([Attempted(each, now, now, outcomes[each.id]) for each in givens], NOBODY, lambda: 0.0)
        await record(conn, verdicts, endpoints=NOBODY, facts=FACTS)
    crm = dict(await rows.all("SELECT id, state FROM deliveries WHERE endpoint = 'crm'"))
    assert crm == dict(zip(ids, ("delivered", "failed", "pending"), strict=True))
    (fallback,) = await rows.all("SELECT enrolment_id FROM deliveries WHERE endpoint = 'other'")
    assert fallback == (await rows.one("SELECT enrolment_id FROM deliveries WHERE id = :id", id=ids[1]),)
