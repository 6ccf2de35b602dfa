"""ingest whose disk is full or damaged while Kafka is away: told at once, nothing accepted lost, well again by itself."""

import asyncio
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx

from shared.kafka.topics import Topics, create_topics
from tests.support.ingest_service import Ingest, figure, running
from tests.support.small_disk import small_disk
from tests.support.stack import OwnStack
from tests.support.waiting import until

NOWHERE = "127.0.0.1:1"


def a_lead(number: int) -> dict[str, Any]:
    return {"email": "ada@example.com", "message_id": str(number), "message": "x" * 5000}


async def accepted(ingest: Ingest, numbers: range) -> list[str]:
    """Send until it is refused; the ids of what was accepted."""
    ids = []
    for number in numbers:
        answer = await ingest.lead(a_lead(number))
        if answer.status_code != 202:
            break
        ids.append(answer.json()["id"])
    return ids


async def health(ingest: Ingest) -> httpx.Response:
    return await ingest.http.get("/readyz")


async def is_ready(ingest: Ingest) -> bool:
    return (await health(ingest)).status_code == 200


async def on_the_topic(ingest: Ingest, count: int) -> list[str]:
    """The ids of the first events, the first time that each comes."""
    return list(dict.fromkeys(str(event.id) for _, (event, _) in await ingest.events(count)))


async def refused_at_once(ingest: Ingest, numbers: range) -> None:
    for number in numbers:
        began = time.monotonic()
        answer = await ingest.lead(a_lead(number))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert time.monotonic() - began < 1
    told = await health(ingest)
    assert told.status_code == 503
    assert "spool" in told.json()["missing"][0]


async def test_a_full_disk_is_503_at_once_until_there_is_room(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    with small_disk(spool) as disk:
        async with running(NOWHERE, topic_prefix, tmp_path) as cut_off:
            assert (await health(cut_off)).status_code == 200, "while the spool carries, it is ready"
            ids = await accepted(cut_off, range(20))
            disk.fill()
            await refused_at_once(cut_off, range(20, 30))
            disk.free()
            await until(lambda: is_ready(cut_off))
            ids += await accepted(cut_off, range(30, 40))
            assert len(ids) == 30
            disk.fill()
            await refused_at_once(cut_off, range(40, 42))
        async with running(kafka, topic_prefix, tmp_path) as back:  # the disk is still as full
            await until(lambda: not list(spool.glob("*/*.events")))
            await until(lambda: is_ready(back))
            ids += await accepted(back, range(50, 60))
            assert await on_the_topic(back, 40) == ids, "all in their order, none twice"


async def test_a_spool_at_its_bound_is_503_at_once_until_it_is_drained(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running(NOWHERE, topic_prefix, tmp_path, ingest_spool_bytes=200_000) as cut_off:
        ids = await accepted(cut_off, range(100))
        assert 20 < len(ids) < 100
        await refused_at_once(cut_off, range(100, 110))
        assert await figure(cut_off.http, "firsthour_ingest_spool_pending") == len(ids)
    async with running(kafka, topic_prefix, tmp_path, ingest_spool_bytes=200_000) as back:
        await until(lambda: not list(tmp_path.glob("spool/*/*.events")))
        await until(lambda: is_ready(back))
        ids += await accepted(back, range(200, 220))
        assert await on_the_topic(back, len(ids)) == ids, "all in their order, none twice"


async def test_a_damaged_file_is_told_and_what_is_whole_arrives(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    async with running(NOWHERE, topic_prefix, tmp_path) as cut_off:
        ids = await accepted(cut_off, range(20))
    (file,) = tmp_path.glob("spool/*/*.events")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running(kafka, topic_prefix, tmp_path) as back:
        arrived = await on_the_topic(back, 19)
        assert arrived == [each for each in ids if each in arrived]
        await until(lambda: bool(list(tmp_path.glob("spool/*/*.damaged"))))
        told = await health(back)
        assert told.status_code == 200, "it works all the same"
        assert told.json()["attention"] == ["1 damaged files of the spool, kept aside as spool/*/*.damaged"]
        assert await figure(back.http, "firsthour_ingest_spool_damaged") == 1
        assert len(await accepted(back, range(100, 105))) == 5


async def test_under_steady_load_the_spool_is_left_again_and_nothing_is_overtaken(
    own_stack: OwnStack, tmp_path: Path
) -> None:
    topics = Topics()
    await create_topics(own_stack.kafka, topics, partitions=3, replication=1)
    async with running(own_stack.kafka, "", tmp_path, ingest_kafka_deadline=0.5) as ingest:
        await until(lambda: is_ready(ingest))
        sent: list[list[str]] = [[] for _ in range(40)]
        stopping = asyncio.Event()

        async def person(who: str, ids: list[str]) -> None:
            """One lead after the other, and never a pause."""
            while not stopping.is_set():
                answer = await ingest.lead({"user_id": who, "message_id": f"{who}-{len(ids)}"})
                assert answer.status_code == 202
                ids.append(answer.json()["id"])

        def total() -> int:
            return sum(map(len, sent))

        async with asyncio.TaskGroup() as people:
            for number, ids in enumerate(sent):
                people.create_task(person(f"u-{number}", ids))
            await until(lambda: total() > 200)
            await asyncio.to_thread(own_stack.kill_kafka)
            spooled = "firsthour_ingest_spooled_events_total"
            await until(lambda: above(ingest, spooled, 500), 30)
            await asyncio.to_thread(own_stack.start_kafka)
            await until(lambda: total() > 1000, 30)
            await until(lambda: none_left(tmp_path), 60)
            before, count = total(), await figure(ingest.http, spooled)
            await until(lambda: total() > before + 500, 30)
            # A busy machine may keep Kafka from acknowledging in time once more; all of it would be 500.
            assert await figure(ingest.http, spooled) - count < 250, (
                "it goes to Kafka directly again, and the load goes on"
            )
            stopping.set()
        arrived: dict[str, list[str]] = {}
        count = total()
        while sum(map(len, arrived.values())) < total():  # some may be there twice
            arrived = defaultdict(list)
            for _, (event, data) in await ingest.events(count):
                if str(event.id) not in arrived[data.identity.user_id]:
                    arrived[data.identity.user_id].append(str(event.id))
            count += total() - sum(map(len, arrived.values()))
    assert arrived == {f"u-{number}": ids for number, ids in enumerate(sent)}


async def test_a_broker_that_answers_nothing_is_given_up_in_time_and_nothing_is_overtaken(
    own_stack: OwnStack, tmp_path: Path
) -> None:
    await create_topics(own_stack.kafka, Topics(), partitions=3, replication=1)
    async with running(own_stack.kafka, "", tmp_path, ingest_kafka_deadline=0.5) as ingest:
        await until(lambda: is_ready(ingest))
        sent: dict[str, list[str]] = {f"u-{number}": [] for number in range(30)}

        async def one_each() -> None:
            async def one(who: str) -> None:
                answer = await ingest.lead({"user_id": who, "message_id": f"{who}-{len(sent[who])}"})
                assert answer.status_code == 202
                sent[who].append(answer.json()["id"])

            async with asyncio.timeout(8), asyncio.TaskGroup() as people:
                for who in sent:
                    people.create_task(one(who))

        await one_each()
        own_stack.stall_kafka()
        try:
            for _ in range(3):
                await one_each()
            assert await figure(ingest.http, "firsthour_ingest_spooled_events_total") >= 60
        finally:
            own_stack.resume_kafka()
        await one_each()
        await until(lambda: none_left(tmp_path), 60)
        await one_each()
        arrived: dict[str, list[str]] = {who: [] for who in sent}
        count = sum(map(len, sent.values()))
        while arrived != sent and count < 1000:  # some may be there twice
            for _, (event, data) in await ingest.events(count):
                if str(event.id) not in arrived[data.identity.user_id]:
                    arrived[data.identity.user_id].append(str(event.id))
            count += sum(len(ids) - len(arrived[who]) for who, ids in sent.items())
    assert arrived == sent


def none_left(folder: Path) -> bool:
    return not list(folder.glob("spool/*/*.events"))


async def above(ingest: Ingest, name: str, least: float) -> bool:
    return await figure(ingest.http, name) > least
