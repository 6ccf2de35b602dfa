"""The limit that `between` compares with: the same way without any of the work.

HTTP → send_and_wait → consume → one committed INSERT → send_and_wait → consume → one committed INSERT → signed POST,
by the libraries that the services use, in as many processes.

    python -m benchmarks.chain scoring --kafka HOST:PORT --database URL
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import asyncpg
import httpx
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.nurture.channels.webhook.signature import signed_headers
from shared.clock import new_id, utc_now
from shared.db.database_url import dsn
from tests.support.processes import ROOT, free_ports

PARTS: Final = ("ingest", "scoring", "nurture")
_EVENTS: Final = "chain.events"
UPDATES: Final = "chain.updates"
_PARTITIONS: Final = 12
_KEY: Final = [b"a key of thirty-two bytes or so.."]
_PATH: Final = "/webhooks/marketing-automation"

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Reply = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Chain:
    """The processes at work, as far as the load generator and the meter look at them."""

    port: int
    processes: dict[str, subprocess.Popen[bytes]]

    def url(self, _name: str) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key(self, _name: str) -> dict[str, str]:
        return {}


@contextmanager
def chained(kafka: str, database: str, receiver: int, parts: Sequence[str] = PARTS) -> Iterator[Chain]:
    """The chain, or its first parts, ready, until the block ends."""
    asyncio.run(_prepared(kafka, database))
    (port,) = free_ports(1)
    where = ["--kafka", kafka, "--database", database, "--port", str(port), "--receiver", str(receiver)]
    processes = {
        part: subprocess.Popen([sys.executable, "-m", "benchmarks.chain", part, *where], cwd=ROOT) for part in parts
    }
    try:
        _wait_for(port)
        yield Chain(port, processes)
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(20)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()
            return
        time.sleep(0.05)
    raise SystemExit("the chain does not start")


async def _prepared(kafka: str, database: str) -> None:
    """Its topics and tables."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, _PARTITIONS, 1) for name in (_EVENTS, UPDATES)])
    finally:
        await admin.close()
    conn = await asyncpg.connect(dsn(database))
    try:
        for table in ("chain_scoring", "chain_nurture"):
            await conn.execute(f"CREATE TABLE {table} (id uuid PRIMARY KEY, body bytea NOT NULL)")
    finally:
        await conn.close()


async def ingest(kafka: str, port: int) -> None:
    """Answer 202 once Kafka has acknowledged the body."""
    async with _producer(kafka) as producer:

        async def app(scope: _Scope, receive: _Receive, reply: _Reply) -> None:
            if scope["method"] == "POST":
                body, more = b"", True
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = bool(message.get("more_body"))
                await producer.send_and_wait(_EVENTS, body, key=new_id().bytes)
            await reply({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
            await reply({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(app, port=port, log_level="warning", lifespan="off", access_log=False)
        await uvicorn.Server(config).serve()


async def scoring(kafka: str, database: str) -> None:
    """Insert and pass on."""
    async with _producer(kafka) as producer:

        async def publish(body: bytes) -> None:
            await producer.send_and_wait(UPDATES, body, key=new_id().bytes)

        await _consume(kafka, database, _EVENTS, "INSERT INTO chain_scoring (id, body) VALUES ($1, $2)", publish)


async def nurture(kafka: str, database: str, receiver: int) -> None:
    """Insert and post."""
    url = f"http://127.0.0.1:{receiver}{_PATH}"
    async with aiohttp.ClientSession() as session:

        async def post(body: bytes) -> None:
            payload = json.dumps({"data": {"contact": json.loads(body)}}).encode()
            headers = signed_headers(_KEY, str(new_id()), int(utc_now().timestamp()), payload)
            async with session.post(url, data=payload, headers=headers) as answer:
                await answer.read()

        await _consume(kafka, database, UPDATES, "INSERT INTO chain_nurture (id, body) VALUES ($1, $2)", post)


async def _consume(
    kafka: str, database: str, topic: str, insert: str, then: Callable[[bytes], Awaitable[None]]
) -> None:
    """What came in at once: committed one by one, and passed on at once."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=f"{topic}.chain", auto_offset_reset="earliest", fetch_max_wait_ms=500
    )
    conn = await asyncpg.connect(dsn(database))
    await consumer.start()
    try:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                bodies = [record.value for record in records if record.value is not None]
                for body in bodies:
                    await conn.execute(insert, new_id(), body)
                await asyncio.gather(*map(then, bodies))
    finally:
        await consumer.stop()
        await conn.close()


@asynccontextmanager
async def _producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def main() -> None:
    """Be one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--receiver", type=int, default=0)
    options = parser.parse_args()
    work = {
        "ingest": lambda: ingest(options.kafka, options.port),
        "scoring": lambda: scoring(options.kafka, options.database),
        "nurture": lambda: nurture(options.kafka, options.database, options.receiver),
    }
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(work[options.part]())


if __name__ == "__main__":
    main()
