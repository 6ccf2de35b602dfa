"""What does not work costs itself alone, is said, and waits for nobody for ever."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import (
    PATIENCE_S,
    Accepted,
    Answered,
    Deferred,
    Impossible,
    NotSent,
    Outcome,
)
from services.nurture.metrics import make_metrics
from shared.clock import new_id
from shared.db.tables import facts as outbox
from shared.db.tables.facts import Fact
from shared.kafka.outbox import FactPublisher
from shared.kafka.producer import Producer
from shared.kafka.topics import MAX_MESSAGE_BYTES, Topics
from tests.support.deliveries import Rows, delivering, rows_of
from tests.support.waiting import until


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


def answering(outcomes: dict[Any, Outcome]) -> Send:
    """Answers by the delivery's id, else by its channel."""

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        return Result(outcomes.get(given.id) or outcomes[given.channel])

    return send


async def state_of(rows: Rows, delivery: Any) -> tuple[str, str | None]:
    ((state, reason),) = await rows.all("SELECT state, reason FROM deliveries WHERE id = :id", id=delivery)
    return state, reason


async def test_what_waits_for_a_disabled_endpoint_falls_back_or_fails_with_the_reason(rows: Rows) -> None:
    await rows.all("INSERT INTO endpoint_state (name, disabled_at, disabled_because) VALUES ('crm', now(), '410')")
    (with_fallback,) = await rows.add(webhook="crm", fallback={"webhook": "other"})
    (with_deadline,) = await rows.add(webhook="crm", deadline="60m")
    (old, new) = await rows.add(2, webhook="crm")
    await rows.all(
        "UPDATE deliveries SET due_at = now() - make_interval(secs => :s) WHERE id = :id", s=PATIENCE_S + 1, id=old
    )
    async with delivering(rows, {"crm": (2, answering({})), "other": (2, answering({"webhook": Answered(200)}))}):
        await until(lambda: rows.are("delivered"))
        await until(lambda: rows.are("failed", 2))
    assert await state_of(rows, with_fallback) == ("failed", "the endpoint is disabled")
    assert await state_of(rows, old) == ("failed", "the endpoint is disabled")
    assert await state_of(rows, new) == ("pending", None), "a person may enable it"
    assert await state_of(rows, with_deadline) == ("pending", None), "its deadline ends it"


async def test_an_endpoint_says_since_when_it_fails_until_it_answers(rows: Rows) -> None:
    (one,) = await rows.add(email="thanks")
    outcomes: dict[Any, Outcome] = {"email": NotSent("the mail server refuses us: it answered 535")}
    async with delivering(rows, answering(outcomes)) as deliverer:
        await until(lambda: _failing(rows, 1))
        ((name, reason),) = await rows.all("SELECT name, failing_because FROM endpoint_state")
        assert (name, reason) == ("email:smtp", "the mail server refuses us: it answered 535")
        assert (await state_of(rows, one))[0] == "pending", "no mail ends by it"
        outcomes["email"] = Deferred("greylisted")
        await rows.all("UPDATE deliveries SET due_at = now()")
        deliverer.wake(["email:smtp"])
        await until(lambda: _failing(rows, 0))


async def _failing(rows: Rows, count: int) -> bool:
    return bool(await rows.one("SELECT count(*) FROM endpoint_state WHERE failing_since IS NOT NULL") == count)


@pytest.mark.parametrize(("outcome", "state"), [(Impossible("no"), "failed"), (Accepted(), "delivered")])
async def test_a_delivery_that_cannot_be_recorded_ends_alone(rows: Rows, outcome: Outcome, state: str) -> None:
    (poison,) = await rows.add(email="thanks", fallback={"webhook": "crm"})
    await rows.all("UPDATE deliveries SET payload = 'no JSON' WHERE id = :id", id=poison)  # no fallback can be made
    await rows.all("ALTER TABLE attempts ADD CHECK (status <> 299)")
    well = await rows.add(5, email="thanks")

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        return Result(outcome, 299) if given.id == poison else Result(Accepted(), 250)

    async with delivering(rows, send) as deliverer:
        await until(lambda: rows.are("delivered", 5 + (state == "delivered")))
        await until(lambda: _ended(rows))
        await until(lambda: not deliverer._leases._held)
    found, reason = await state_of(rows, poison)
    assert found == state
    assert "cannot be recorded" in str(reason)
    for each in well:
        assert (await state_of(rows, each))[0] == "delivered"


async def test_a_send_that_fails_by_a_fault_of_ours_ends_alone(rows: Rows) -> None:
    before, after, well = await rows.add(3, email="thanks")

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        if given.id == before:
            raise KeyError("ada@example.com")
        await begin()
        if given.id == after:
            raise KeyError("ada@example.com")
        return Result(Accepted())

    async with delivering(rows, send):
        await until(lambda: rows.are("delivered"))
        await until(lambda: rows.are("failed", 2))
    assert await state_of(rows, well) == ("delivered", None)
    assert await state_of(rows, before) == ("failed", "a fault of ours: KeyError")
    assert await state_of(rows, after) == ("failed", "maybe sent, so not repeated: a fault of ours: KeyError")


async def _ended(rows: Rows) -> bool:
    return bool(await rows.one("SELECT count(*) FROM deliveries WHERE finished_at IS NULL") == 0)


async def test_facts_stay_until_kafka_has_acknowledged_them_and_one_that_it_can_never_take_is_parked(
    rows: Rows,
) -> None:
    ids = sorted(new_id() for _ in range(3))  # the large one is the oldest: it is come to before Kafka is missed
    large, *small = [Fact(i, b"k", b"x" * size) for i, size in zip(ids, (MAX_MESSAGE_BYTES, 10, 10), strict=True)]
    async with rows.engine.begin() as conn:
        await outbox.insert(conn, [large, *small])
    producer = Producer("127.0.0.1:9", client_id="of-this-test")  # nobody listens there
    publisher = FactPublisher(rows.engine, producer, Topics(), make_metrics(CollectorRegistry()).facts, lock=1)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run(stopping))
        await until(lambda: _parked(rows))
        stopping.set()
        publisher.wake()
    left = await rows.all("SELECT id, parked_reason FROM facts")
    assert set(left) == {(large.id, "larger than a Kafka message may be"), *((fact.id, None) for fact in small)}


async def _parked(rows: Rows) -> bool:
    return bool(await rows.one("SELECT count(*) FROM facts WHERE parked_reason IS NOT NULL"))
