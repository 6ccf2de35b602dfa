"""kill -9 of everything, one after the other, in mid-load: what was accepted is scored and followed up, once.

`pytest tests/faults/test_kills.py --kills 200 --log-cli-level INFO` does it for a quarter of an hour or more.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.mail_server import ScriptedMailServer, handed_over, mail_server_apart
from tests.support.processes import Firsthour, installed
from tests.support.receiver import ids, receiving_apart
from tests.support.stack import OwnStack, fresh_database
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

LOG = logging.getLogger(__name__)
FIRST = "/webhooks/marketing-automation"
SECONDS_PER_LEAD = 0.02
ORDER = ["ingest", "scoring", "nurture", "scoring", "nurture", "kafka", "postgres"]
# What begins with a task takes a transaction, what does not begins by one statement.
WORKFLOW = """
workflow: everything
trigger: {on: lead.captured}
steps:
  - send: {webhook: marketing-automation}
  - send: {email: thanks}
  - branch:
      - when: contact.interest != "a call"
        steps: [wait: {for: 1s}]
  - send: {task: call-now, assign: {round_robin: [ana, ben]}}
  - wait_for: {event: contact.touched, timeout: 1h}
"""
MAILS_AT_ONCE = 4  # the default of `concurrency`


@dataclass
class Load:
    """Posts leads, each with its own message id, and repeats what was not accepted, as a good client does."""

    firsthour: Firsthour
    accepted: dict[str, str] = field(default_factory=dict)  # message id → event id
    refused: Counter[int] = field(default_factory=Counter)

    async def run(self, stopping: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=20) as client, asyncio.TaskGroup() as posts:
            while not stopping.is_set():
                posts.create_task(self._post(client, uuid4().hex))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), SECONDS_PER_LEAD)

    async def _post(self, client: httpx.AsyncClient, message_id: str) -> None:
        lead = {"email": f"{message_id}@example.com", "message_id": message_id}
        if int(message_id, 16) % 3 == 0:
            lead["interest"] = "a call"
        for _attempt in range(200):
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(
                    f"{self.firsthour.url('ingest')}/v1/leads", json=lead, headers=self.firsthour.key("SHOP_KEY")
                )
                if answer.status_code == 202:
                    self.accepted[message_id] = answer.json()["id"]
                    return
                self.refused[answer.status_code] += 1
            await asyncio.sleep(0.2)
        raise AssertionError("a lead was refused for 40 seconds")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_apart() as receiver:
        yield receiver


@pytest.fixture
def mail_server() -> Iterator[ScriptedMailServer]:
    with mail_server_apart() as server:
        yield server


@pytest.fixture
def firsthour(
    own_stack: OwnStack, receiver: Receiver, mail_server: ScriptedMailServer, tmp_path: Path
) -> Iterator[Firsthour]:
    with (
        fresh_database(own_stack) as database,
        installed(
            own_stack.kafka, database, "", tmp_path, receiver_port=receiver.port, smtp_port=mail_server.port,
            workflows={"everything": WORKFLOW},
        ) as running,
    ):  # fmt: skip
        yield running


def kills(firsthour: Firsthour, own_stack: OwnStack, what: str) -> None:
    if what == "kafka":
        own_stack.kill_kafka()
        own_stack.start_kafka()
    elif what == "postgres":
        own_stack.kill_postgres()
        own_stack.start_postgres()
    else:
        firsthour.kill(what)
        firsthour.start(what)


def plan(many: int | None) -> list[str]:
    """What is killed, in which order."""
    order = [*ORDER]
    random.Random(7).shuffle(order)
    return random.choices(ORDER, k=many) if many else order


@pytest.mark.timeout(7200)
async def test_whatever_is_killed_nothing_accepted_is_lost_and_nothing_sent_twice(
    firsthour: Firsthour,
    own_stack: OwnStack,
    receiver: Receiver,
    mail_server: ScriptedMailServer,
    pytestconfig: pytest.Config,
) -> None:
    load, stopping = Load(firsthour), asyncio.Event()
    posting = asyncio.create_task(load.run(stopping))
    order = plan(pytestconfig.getoption("--kills"))
    for number, what in enumerate(order, 1):
        accepted = len(load.accepted)
        await until(lambda: len(load.accepted) > accepted + 40, 60)  # noqa: B023 - awaited before it changes
        LOG.info("kill %d of %d: %s, after %d leads", number, len(order), what, len(load.accepted))
        await asyncio.to_thread(kills, firsthour, own_stack, what)
    await asyncio.to_thread(firsthour.wait_ready)
    accepted = len(load.accepted)
    await until(lambda: len(load.accepted) > accepted + 40, 60)
    stopping.set()
    await posting

    assert len(load.accepted) > 300
    # Each contact's first webhook came in; what was under way when its sender died may come twice, with one id.
    expected = {f"{message_id}@example.com" for message_id in load.accepted}
    conn = await asyncpg.connect(firsthour.database)
    try:

        async def all_done() -> bool:
            waiting = await conn.fetchval(
                "SELECT count(*) FROM nurture.deliveries WHERE state IN ('pending', 'claimed')"
            )
            tasks = await conn.fetchval("SELECT count(*) FROM nurture.tasks")
            return len(ids(receiver, FIRST)) >= len(expected) and (waiting, tasks) == (0, len(expected))

        await until(all_done, 300, every_s=0.5)
        scored = {
            str(row["id"]) for row in await conn.fetch("SELECT id FROM scoring.events WHERE type = 'lead.captured'")
        }
        assert scored == set(load.accepted.values())
        lost_answers = await conn.fetchval(
            "SELECT count(*) FROM nurture.attempts WHERE outcome = 'unknown' AND delivery_id IN"
            " (SELECT id FROM nurture.deliveries WHERE channel = 'webhook')"
        )
        mails = await conn.fetch("SELECT id, recipient, state FROM nurture.deliveries WHERE recipient IS NOT NULL")
        tasks = await conn.fetchval("SELECT count(DISTINCT enrolment_id) FROM nurture.tasks")
        all_tasks = await conn.fetchval("SELECT count(*) FROM nurture.tasks")
    finally:
        await conn.close()

    webhooks = [each for each in list(receiver.received) if each.path == FIRST]
    first_of = {json.loads(each.body)["data"]["contact"]["email"]: each.headers["webhook-id"] for each in webhooks}
    assert set(first_of) == expected
    assert len(ids(receiver, FIRST)) == len(expected), "one webhook-id for each lead, whatever was killed"
    assert len([n for n in ids(receiver, FIRST).values() if n > 1]) <= lost_answers, (
        "a webhook is repeated only where its sender died without an answer"
    )

    assert sorted(mail["recipient"] for mail in mails) == sorted(expected), "one mail for each lead"
    messages = handed_over(mail_server)
    failed = {mail["id"] for mail in mails if mail["state"] == "failed"}
    assert {mail["id"] for mail in mails if mail["state"] == "delivered"} <= set(messages)
    assert set(messages.values()) == {1}, "nobody gets a mail twice"
    assert len(failed) <= MAILS_AT_ONCE * len([what for what in order if what in ("nurture", "postgres")])
    assert tasks == all_tasks == len(expected), "one task for each lead"
    LOG.info(
        "%d leads, %d kills, %d webhooks came twice, %d mails failed, of which %d had not been handed over whole",
        len(expected), len(order), len(webhooks) - len(expected), len(failed), len(failed - set(messages)),
    )  # fmt: skip
