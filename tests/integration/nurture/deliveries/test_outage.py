"""The database is away in the middle of a delivery: nothing is sent unnoted, and nothing that happened is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Begin, NotBegun, Result
from services.nurture.deliveries.attempts import Attempted
from services.nurture.deliveries.beginning import Beginnings
from services.nurture.deliveries.leases import Leases
from services.nurture.deliveries.recorder import Recorder
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Answered
from services.nurture.domain.mail.caps import MailCaps
from services.nurture.metrics import make_metrics
from shared.clock import utc_now
from tests.support.deliveries import FACTS, NOBODY, Rows, delivering, rows_of
from tests.support.failover import ONLOOKER, failed_over
from tests.support.waiting import until

LONG_S = 3600.0


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database, ONLOOKER) as rows:
        yield rows


@pytest.fixture
async def served(database: str) -> AsyncIterator[Rows]:
    """The same rows, by the connections of the service."""
    async with rows_of(database) as served:
        yield served


def leases_of(served: Rows, lost: list[Attempted], *, lease_s: float = LONG_S) -> Leases:
    return Leases(
        served.engine.execution_options(isolation_level="AUTOCOMMIT"),
        instance="one",
        on_lost=lost.append,
        wake=lambda _queues: None,
        lease_s=lease_s,
    )


async def test_what_arrived_meanwhile_is_recorded_when_it_is_back_and_sent_once(
    rows: Rows, served: Rows, database: str
) -> None:
    (one,) = await rows.add()
    away, sent = asyncio.Event(), list[UUID]()

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        sent.append(given.id)
        await away.wait()
        return Result(Answered(200), 200)

    async with delivering(served, send) as deliverer:
        await until(lambda: bool(sent))
        async with failed_over(database):
            away.set()
            await until(lambda: deliverer._recorder.waiting == 0 and not deliverer._workers)
            assert await rows.states() == ["claimed"]
        await until(lambda: rows.are("delivered"))
    assert sent == [one]
    assert await rows.all("SELECT number, status FROM attempts") == [(1, 200)]


async def test_nothing_begins_and_what_was_not_sent_goes_back_as_soon_as_it_can(
    rows: Rows, served: Rows, database: str
) -> None:
    await rows.add(2, email="thanks")
    givens = await rows.claim(MAIL)
    leases, ended = leases_of(served, []), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with failed_over(database):
            beginnings = Beginnings(served.engine, lease_s=30, caps=MailCaps())
            answers = await asyncio.gather(*map(beginnings.begin, givens), return_exceptions=True)
            assert [type(answer) for answer in answers] == [NotBegun, NotBegun]
            await leases.give_back(givens)
            assert await rows.states() == ["claimed", "claimed"]
        group.create_task(leases.run(ended))
        await until(lambda: rows.are("pending", 2))
        ended.set()
    assert await rows.states("began_at") == [None, None]
    assert not leases._unsent


async def test_afterwards_leases_are_renewed_at_once_and_nobody_s_is_taken_over(
    rows: Rows, served: Rows, database: str
) -> None:
    await rows.add(2)
    ours, theirs = await rows.claim()
    await rows.all("UPDATE deliveries SET leased_by = 'two' WHERE id = :id", id=theirs.id)
    lost, ended = list[Attempted](), asyncio.Event()
    leases = leases_of(served, lost)
    leases.hold(ours)
    renewed = "SELECT lease_until > now() + interval '50 min' FROM deliveries WHERE id = :id"
    async with asyncio.TaskGroup() as group:
        group.create_task(leases.run(ended))
        await until(lambda: rows.one(renewed, id=ours.id))
        async with failed_over(database):
            await until(lambda: leases._calm.troubled_at is not None)
            troubled_at, answered_at = leases._calm.troubled_at, leases._calm.answered_at
        await rows.all("UPDATE deliveries SET lease_until = now() - interval '1 s', began_at = now()")
        await until(lambda: rows.one(renewed, id=ours.id))
        await until(lambda: leases._calm.answered_at != answered_at)
        ended.set()
    assert troubled_at is not None
    assert lost == []
    assert await rows.all("SELECT leased_by FROM deliveries WHERE id = :id", id=theirs.id) == [("two",)]


async def test_an_outcome_that_cannot_be_recorded_waits_for_the_database_too(
    rows: Rows, served: Rows, database: str
) -> None:
    await rows.add(email="thanks")
    (given,) = await rows.claim(MAIL)
    recorder = Recorder(
        served.engine,
        endpoints=NOBODY,
        facts=FACTS,
        metrics=make_metrics(CollectorRegistry()),
        dice=lambda: 0.0,
        on_recorded=lambda _attempted, _queues, _again: None,
    )
    attempted = Attempted(given, utc_now(), utc_now(), Accepted())
    async with failed_over(database):
        await recorder._give_up(attempted, ValueError())
        assert recorder.waiting == 1
    recorder.close()
    await recorder.run()
    assert await rows.states() == ["delivered"]


async def test_whoever_gives_a_row_back_and_claims_it_again_holds_the_newer_lease(rows: Rows, served: Rows) -> None:
    await rows.add()
    (older,) = await rows.claim()
    leases = leases_of(served, [])
    leases.hold(older)
    await leases.give_back([older])
    (newer,) = await rows.claim()
    leases.hold(newer)
    leases.let_go(older)
    assert leases._held == {newer.id: newer}
    leases.let_go(newer)
    assert not leases._held


async def test_what_another_process_began_is_held_until_it_is_recorded_as_of_when_it_began(
    rows: Rows, served: Rows
) -> None:
    await rows.add()
    (given,) = await rows.claim(instance="two")
    await rows.all("UPDATE deliveries SET began_at = now() - interval '1 min', lease_until = '-infinity'")
    lost, ended = list[Attempted](), asyncio.Event()
    leases = leases_of(served, lost)
    async with asyncio.TaskGroup() as group:
        group.create_task(leases.run(ended))
        await until(lambda: bool(lost))
        ended.set()
    (one,) = lost
    assert leases._held == {given.id: one.given}
    assert one.started_at == await rows.one("SELECT began_at FROM deliveries")
