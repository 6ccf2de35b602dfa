"""kill -9 of scoring and nurture in the middle of a backlog, which each works off in parts side by side.

Some people are known by a device first, and by their address later, from another topic partition: their contacts meet.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.clock import new_id, utc_now
from shared.events.envelope import KAFKA_HEADERS, encode, make_event
from shared.events.identity import Identity, partition_key
from shared.events.types import EngagementRecorded, LeadCaptured
from shared.events.updates import decode_update
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics
from tests.support.mail_server import mail_server_apart
from tests.support.processes import Firsthour, installed
from tests.support.producing import producing
from tests.support.receiver import receiving_apart
from tests.support.stack import OwnStack, fresh_database
from tests.support.topics import records_on
from tests.support.waiting import until

PEOPLE = 3000
KILLS = 6
WORKFLOW = """
workflow: everything
trigger: {on: lead.captured}
steps:
  - wait_for: {event: contact.touched, timeout: 1h}
"""


@pytest.fixture
def firsthour(own_stack: OwnStack, tmp_path: Path) -> Iterator[Firsthour]:
    with (
        fresh_database(own_stack) as database,
        receiving_apart() as receiver,
        mail_server_apart() as mails,
        installed(
            own_stack.kafka, database, "", tmp_path, receiver_port=receiver.port, smtp_port=mails.port,
            workflows={"everything": WORKFLOW},
        ) as running,
    ):  # fmt: skip
        yield running


def backlog() -> Iterator[tuple[UUID, Outgoing]]:
    """Of each person a page view, by a device alone or with the address, and a lead with both."""
    now = utc_now()

    def made(data: Any, kind: str, seconds_ago: int) -> tuple[UUID, Outgoing]:
        subject = data.identity.primary("/sources/website") or ""
        at = now - timedelta(seconds=seconds_ago)
        event = make_event(
            id=new_id(), source="/sources/website", type=kind, time=at, receivedtime=now, subject=subject, data=data,
            trust="trusted",
        )  # fmt: skip
        return event.id, Outgoing(Topics().events, partition_key(subject, b"test"), encode(event), KAFKA_HEADERS)

    for person in range(PEOPLE):
        both = Identity(email=f"person{person}@example.com", anonymous_id=f"device-{person}")
        seen = Identity(anonymous_id=f"device-{person}") if person % 5 == 0 else both
        yield made(EngagementRecorded(identity=seen, kind="page_viewed"), "engagement.recorded", 120)
        yield made(LeadCaptured(identity=both), "lead.captured", 60)


@pytest.mark.timeout(600)
async def test_nothing_of_a_backlog_is_lost_or_made_twice_whoever_is_killed_in_it(
    firsthour: Firsthour, own_stack: OwnStack
) -> None:
    events = dict(backlog())
    firsthour.stop(["scoring", "nurture"])
    async with producing(own_stack.kafka) as producer:
        await producer.send_all(list(events.values()))
    conn, dice = await asyncpg.connect(firsthour.database), random.Random(5)

    async def settled(service: str) -> int:
        return int(await conn.fetchval(f"SELECT coalesce(sum(next_offset), 0) FROM {service}.consumer_offsets"))

    try:
        for service in ("scoring", "nurture"):
            for _ in range(KILLS):
                at = await settled(service) + dice.randrange(1, 900)
                firsthour.start(service)

                async def under_way(at: int = at, service: str = service) -> bool:
                    return await settled(service) >= min(at, len(events))

                await until(under_way, 60, every_s=0.005)
                await asyncio.to_thread(firsthour.kill, service)
            firsthour.start(service)

            async def done(service: str = service) -> bool:
                return await settled(service) >= len(events)

            await until(done, 120, every_s=0.1)

        async def all_begun() -> bool:  # some updates are told again, so the last one is further on
            return bool(await conn.fetchval("SELECT count(*) FROM nurture.enrolments") >= PEOPLE)

        await until(all_begun, 120, every_s=0.1)
        assert {row["id"] for row in await conn.fetch("SELECT id FROM scoring.events")} == set(events)
        whole = "SELECT count(*) FROM scoring.contacts WHERE merged_into IS NULL"
        assert await conn.fetchval(whole) == PEOPLE
        unbalanced = """
            SELECT count(*) FROM scoring.contacts AS c WHERE merged_into IS NULL AND c.lead_value <> (
                SELECT coalesce(sum(amount), 0) FROM scoring.bookings WHERE contact_id = c.id AND account = 'lead'
            )
        """
        assert await conn.fetchval(unbalanced) == 0
        runs = await conn.fetch("SELECT contact_id FROM nurture.enrolments")
        assert len({row["contact_id"] for row in runs}) == len(runs) == PEOPLE, "one run for each lead"
        assert await conn.fetchval("SELECT count(*) FROM scoring.dead_letters") == 0
        assert await conn.fetchval("SELECT count(*) FROM nurture.dead_letters") == 0
    finally:
        await conn.close()

    told: dict[UUID, list[int]] = defaultdict(list)
    heard = set()
    for record in await records_on(own_stack.kafka, Topics().updates, len(events)):
        update = decode_update(record.value)
        heard.add(update.id)
        if update.data.contact.version not in told[update.data.contact.id]:
            told[update.data.contact.id].append(update.data.contact.version)
    assert heard == set(events), "each has its update"
    assert all(versions == sorted(versions) for versions in told.values()), "each contact's are in order"
