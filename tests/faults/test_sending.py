"""What is under way when a process or the database goes away: nothing unsent fails, and nothing that arrived goes twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from services.nurture.channels.sending import Begin, Result
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Answered
from tests.support.deliveries import Rows, delivering, rows_of
from tests.support.mail_server import ScriptedMailServer, handed_over, mail_server_apart
from tests.support.processes import Firsthour, free_ports
from tests.support.stack import OwnStack, fresh_database
from tests.support.waiting import until

MAILS_AT_ONCE = 4  # the default of `concurrency`


@pytest.fixture
def mail_server() -> Iterator[ScriptedMailServer]:
    with mail_server_apart() as server:
        yield server


@pytest.fixture
def nurture(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, mail_server: ScriptedMailServer
) -> Iterator[Firsthour]:
    firsthour = Firsthour(kafka, database, topic_prefix, tmp_path, free_ports(1)[0], mail_server.port)
    try:
        firsthour.command("setup")
        firsthour.start("nurture")
        firsthour.wait_ready("nurture")
        yield firsthour
    finally:
        for process in firsthour.processes.values():
            process.kill()
            process.wait(10)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("slow", ["message", "DATA"])
async def test_no_mail_fails_that_was_never_handed_over(
    nurture: Firsthour, mail_server: ScriptedMailServer, slow: str
) -> None:
    async with rows_of(nurture.database) as rows:
        first = await rows.add(40, email="thanks")
        await until(lambda: rows.are("delivered", 40), 60)
        mail_server.delays = {slow: 60}  # until now it was fast, so the queue is claimed ahead
        mail_server.stages.clear()
        second = await rows.add(30, email="thanks")
        # All are so far: of one between its beginning and its message, nobody could say what came of it.
        await until(lambda: mail_server.stages.count(slow) >= MAILS_AT_ONCE)
        await until(lambda: _claimed(rows, 20))
        await asyncio.to_thread(nurture.kill, "nurture")
        mail_server.delays = {}
        nurture.start("nurture")
        await until(lambda: _ended(rows), 60)
        failed = {row[0] for row in await rows.all("SELECT id FROM deliveries WHERE state = 'failed'")}
        delivered = {row[0] for row in await rows.all("SELECT id FROM deliveries WHERE state = 'delivered'")}
    messages = handed_over(mail_server)
    assert failed | delivered == {*first, *second}
    assert set(messages) == {*first, *second}
    assert set(messages.values()) == {1}, "nobody gets a mail twice"
    assert len(failed) <= MAILS_AT_ONCE, "no more than were under way"
    if slow == "DATA":
        assert failed == set()


async def _claimed(rows: Rows, least: int) -> bool:
    return bool(await rows.one("SELECT count(*) FROM deliveries WHERE state = 'claimed'") >= least)


async def _ended(rows: Rows) -> bool:
    return bool(await rows.one("SELECT count(*) FROM deliveries WHERE finished_at IS NULL") == 0)


@pytest.fixture
async def apart(own_stack: OwnStack) -> AsyncIterator[Rows]:
    with fresh_database(own_stack) as database:
        async with rows_of(database) as rows:
            yield rows


@pytest.mark.timeout(180)
async def test_what_arrived_while_the_database_was_away_has_arrived(apart: Rows, own_stack: OwnStack) -> None:
    lease_s = 2.0
    away, sent = asyncio.Event(), Counter[UUID]()

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        sent[given.id] += 1
        await away.wait()
        return Result(Accepted() if given.channel == "email" else Answered(200))

    await apart.add(2, webhook="crm", fallback={"webhook": "other"}, deadline="5m")
    await apart.add(2, email="thanks", fallback={"webhook": "other"}, deadline="5m")
    async with delivering(apart, send, lease_s=lease_s), delivering(apart, send, instance="two", lease_s=lease_s):
        await until(lambda: len(sent) == 4)
        await asyncio.to_thread(own_stack.kill_postgres)
        away.set()  # they arrive, and nobody can write it down
        await asyncio.sleep(2 * lease_s)
        await asyncio.to_thread(own_stack.start_postgres)
        await until(lambda: _quietly(apart.are("delivered", 4)), 30)
    assert set(sent.values()) == {1}
    assert set(await apart.states("endpoint")) == {"crm", "email:smtp"}, "no fallback went"
    assert set(await apart.states("attempts")) == {1}


@pytest.mark.timeout(180)
async def test_what_was_not_sent_because_the_database_was_away_is_sent_when_it_is_back(
    apart: Rows, own_stack: OwnStack
) -> None:
    claimed, away, sent = asyncio.Event(), asyncio.Event(), Counter[UUID]()

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        claimed.set()
        await away.wait()
        await begin()
        sent[given.id] += 1
        return Result(Accepted())

    ids = await apart.add(4, email="thanks")
    async with delivering(apart, send):
        await claimed.wait()
        await asyncio.to_thread(own_stack.kill_postgres)
        away.set()
        await asyncio.sleep(1)
        assert sent == {}
        await asyncio.to_thread(own_stack.start_postgres)
        await until(lambda: _quietly(apart.are("delivered", 4)), 25)  # sooner than any lease ends
    assert sent == dict.fromkeys(ids, 1)
    assert set(await apart.states("attempts")) == {1}


async def _quietly(asked: "asyncio.Future[bool] | object") -> bool:
    try:
        return bool(await asked)  # type: ignore[misc]
    except Exception:  # noqa: BLE001 - the database is not there yet
        return False
