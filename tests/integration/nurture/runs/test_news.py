"""Timers overtake no news: what had been said while nurture was down is read before waits are judged."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.nurture.metrics import make_metrics
from services.nurture.runs.ends import Ends
from services.nurture.runs.news import News
from shared.clock import utc_now
from tests.support.nurture_service import Nurture, a_contact, a_nurture, an_update, endpoints
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

NUDGE = """
workflow: nudge
trigger: {on: lead.captured}
goal: {on: purchase.completed}
steps:
  - wait: {for: 30m}
  - send: {webhook: nudge}
"""
ESCALATE = """
workflow: escalate
trigger: {on: lead.captured}
steps:
  - wait_for: {event: contact.touched, where: event.human, timeout: 15m}
  - on_timeout: [{send: {webhook: escalate}}]
"""
CALL = """
workflow: call
trigger: {on: lead.captured}
window: {length: 60m, stops_on: human_touch}
steps:
  - send: {task: call-now, deadline: 5m, fallback: {webhook: escalate}}
"""


@pytest.fixture
async def nurture(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, receiver: Receiver
) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        urls = {name: receiver.url(f"/{name}") for name in ("nudge", "escalate")}
        nurture.configure(endpoints(urls), NUDGE, ESCALATE, CALL)
        yield nurture


async def _count(nurture: Nurture, where: str, count: int) -> bool:
    return bool(await nurture.one(f"SELECT count(*) FROM enrolments WHERE {where}") == count)


async def test_nurture_was_down_while_the_customer_bought_and_the_rep_called(
    nurture: Nurture, receiver: Receiver
) -> None:
    settled, forgotten = [a_contact() for _ in range(5)], a_contact()
    async with nurture.running():
        for contact in (*settled, forgotten):
            await nurture.feed(contact)
        await until(lambda: _count(nurture, "status = 'active'", 12))
    for contact in settled:
        await nurture.feed(contact, "purchase.completed")
        await nurture.feed(contact, "contact.touched")
    await nurture.make_due()
    await nurture.execute("UPDATE tasks SET expires_at = now()")
    async with nurture.running():
        await until(lambda: _count(nurture, "status = 'active'", 0))
        await receiver.wait_for(1, path="/nudge")
        await receiver.wait_for(2, path="/escalate")
        assert await _count(nurture, "status = 'goal_reached'", 5)
        told = {json.loads(request.body)["data"]["contact"]["id"] for request in receiver.received}
        assert told == {str(forgotten.id)}, "nobody else needs a nudge or an escalation"


async def test_time_is_known_up_to_where_every_partition_has_been_read(nurture: Nurture) -> None:
    contacts = [a_contact() for _ in range(20)]  # of both partitions
    topic, ends = nurture.topics.updates, Ends(nurture.kafka, client_id="test-ends")
    news = News(nurture.engine, ends, topic, make_metrics(CollectorRegistry()))
    try:
        await nurture.execute(
            "INSERT INTO consumer_offsets (topic, partition, next_offset, published) "
            "SELECT :topic, generate_series(0, 1), 0, 0",
            topic=topic,
        )
        now = await nurture.one("SELECT now()")
        assert news.until(now) is None
        assert await news._look()
        heard = news.until(now)
        assert heard is not None
        assert now <= heard
        await nurture.publish(*[(contact, an_update(contact)[1]) for contact in contacts])
        asked = await nurture.one("SELECT now()")
        assert not await news._look()
        for partition in (0, 1):
            assert not await news._look()
            assert news.until(asked) == heard, "one partition is not enough"
            await nurture.execute(
                "UPDATE consumer_offsets SET next_offset = 20 WHERE partition = :partition", partition=partition
            )
        answered = await nurture.one("SELECT now()")
        assert await news._look()
        known = news.until(answered)
        assert known is not None
        assert asked <= known <= answered, "what was said while it read is not known"
    finally:
        await ends.aclose()


async def test_a_topic_that_was_made_anew_is_read_by_its_own_count(nurture: Nurture) -> None:
    contacts = [a_contact() for _ in range(20)]  # of both partitions
    ends = Ends(nurture.kafka, client_id="test-ends")
    news = News(nurture.engine, ends, nurture.topics.updates, make_metrics(CollectorRegistry()))
    try:
        await nurture.execute(  # 1,000 records of the old log, none of the new one
            "INSERT INTO consumer_offsets (topic, partition, next_offset, published, base) "
            "SELECT :topic, generate_series(0, 1), 1000, 1000, 1000",
            topic=nurture.topics.updates,
        )
        await nurture.publish(*[(contact, an_update(contact)[1]) for contact in contacts])
        assert not await news._look(), "what the new log holds has not been read"
        await nurture.execute("UPDATE consumer_offsets SET next_offset = 1020")
        assert await news._look()
    finally:
        await ends.aclose()


async def test_with_no_news_for_long_they_go_on_and_say_so(nurture: Nurture) -> None:
    registry = CollectorRegistry()
    ends = Ends(nurture.kafka, client_id="test-ends")
    news = News(nurture.engine, ends, nurture.topics.updates, make_metrics(registry), longest=timedelta(minutes=10))
    start = utc_now()
    assert news.until(start) is None
    assert news.until(start + timedelta(minutes=10)) is None
    late = start + timedelta(minutes=10, seconds=1)
    assert news.until(late) == late
    assert registry.get_sample_value("firsthour_nurture_news_age_seconds") == 601
