"""A topic that was made anew is noticed, said, and taken up by one command, in every service and lane."""

import asyncio
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka.topics import Topics, create_topics
from tests.support.command import Command
from tests.support.nurture_service import ONE_WEBHOOK, a_contact, a_nurture, endpoints
from tests.support.scoring_service import PARTITIONS, World, a_world, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead

BEFORE = 4
SHORTER, LONGER = 2, 9  # than what was read of the old one


async def made_anew(kafka: str, topics: Topics, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()

    async def created() -> bool:
        return topic in await create_topics(kafka, topics, partitions=partitions, replication=1)

    await until(created, 30, every_s=0.2)
    # The broker hears of both from its controller a moment later: until then it still takes records into the old log.
    async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=None) as consumer:

        async def empty() -> bool:
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
            return not any(ends.values())

        await until(empty, 30, every_s=0.05)


async def leads(world: World, name: str, count: int, *, bulk: bool) -> None:
    """Leads, the second of them unreadable."""
    for number in range(count):
        if number == 1:
            await world.put(b"unreadable " + name.encode(), bulk=bulk)
        else:
            await world.tell(a_lead(email=f"{name}{number}@example.com"), bulk=bulk)


@pytest.mark.parametrize(("count", "bulk"), [(SHORTER, False), (LONGER, False), (SHORTER, True), (LONGER, True)])
async def test_scoring(kafka: str, database: str, topic_prefix: str, tmp_path: Path, count: int, bulk: bool) -> None:
    async with a_world(kafka, database, topic_prefix, tmp_path) as world:
        firsthour = Command(database=database, kafka=kafka, prefix=topic_prefix)
        topic = world.topics.events_bulk if bulk else world.topics.events
        await create_topics(kafka, world.topics, partitions=PARTITIONS, replication=1)
        await leads(world, "old", BEFORE, bulk=bulk)
        async with scoring(world):
            await world.settled()
        await made_anew(kafka, world.topics, topic, PARTITIONS)
        await leads(world, "new", count, bulk=bulk)

        async def take_up() -> None:
            async def halted() -> bool:
                found = await world.rows("SELECT lane, cause, reason FROM consumer_halts")
                return [tuple(row)[:2] for row in found] == [("bulk" if bulk else "live", "position")]

            await until(halted, 40)
            dry = await asyncio.to_thread(firsthour, "topics", "take-up", "--dry-run", "--json")
            assert json.loads(dry.out)["taken_up"] == [
                {"service": "scoring", "topic": topic, "partition": 0, "found": "another log", "first": 0}
            ]
            assert await halted()
            assert (await asyncio.to_thread(firsthour, "resume")).code == 1
            done = await asyncio.to_thread(firsthour, "topics", "take-up")
            line = f"scoring: {topic}/0: taken up from offset 0: it is not the log that was read\n"
            assert done.out == line, done.err

        taking = asyncio.create_task(take_up())
        async with scoring(world):
            await taking
            await world.settled()
            await world.messages(world.topics.dead_letters, 2)
        assert await world.one("SELECT count(*) FROM events") == BEFORE - 1 + count - 1
        dead = [bytes(value) for (value,) in await world.rows("SELECT value FROM dead_letters")]
        assert sorted(dead) == [b"unreadable new", b"unreadable old"], "one of the same offset in each log"
        done = await asyncio.to_thread(firsthour, "topics", "take-up")
        assert done.out == "every topic is the one that was being read\n"


@pytest.mark.parametrize(("count", "bulk"), [(LONGER, False), (SHORTER, True)])
async def test_nurture(kafka: str, database: str, topic_prefix: str, tmp_path: Path, count: int, bulk: bool) -> None:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        firsthour = Command(database=database, kafka=kafka, prefix=topic_prefix)
        nurture.configure(endpoints({"crm": "http://127.0.0.1:9/"}), ONE_WEBHOOK)
        topic = nurture.topics.updates_bulk if bulk else nurture.topics.updates
        contact = a_contact()

        async def feed(times: int) -> None:
            for _ in range(times):
                await nurture.feed(contact, bulk=bulk)

        async def seen(updates: int) -> bool:
            return bool(await nurture.one("SELECT count(*) FROM seen_updates") == updates)

        await feed(BEFORE)
        async with nurture.running():
            await until(lambda: seen(BEFORE))
        await made_anew(kafka, nurture.topics, topic, 2)
        await feed(count)
        async with nurture.running():

            async def said() -> bool:
                answer = await nurture.request("GET", "/readyz")
                found = answer.json()
                return "firsthour topics take-up" in json.dumps(found) and answer.status_code == (200 if bulk else 503)

            await until(said, 40)
            done = await asyncio.to_thread(firsthour, "topics", "take-up", "--service", "nurture")
            assert done.code == 0, done.err
            await until(lambda: seen(BEFORE + count))

            async def ready() -> bool:
                answer = await nurture.request("GET", "/readyz")
                return answer.status_code == 200 and "take-up" not in answer.text

            await until(ready)
