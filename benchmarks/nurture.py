"""How many updates a second one nurture process works off, how many runs with a delivery each it begins, and how
many signed webhooks it delivers to a fast receiver. Kafka, Postgres and the process share this machine.

`mixed`: what a day brings: engagement for the most part, leads, purchases, touches, nurture's own facts.
`leads`: only leads, each a new run with a webhook. The endpoint is disabled meanwhile (rows are made, nothing is
sent); then it is enabled, and the webhooks leave. `only_posts`: the limit, a bare client that signs and posts as many.

    python -m benchmarks.nurture --updates 200000 --leads 50000
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psutil
import uvloop

from benchmarks.backlog import publish
from benchmarks.receiver import a_receiver
from benchmarks.scoring import postgres_cpu
from benchmarks.stack import BenchStack, bench_stack
from benchmarks.webhooks import by_aiohttp
from shared.clock import new_id, utc_now
from shared.db.migrate import migrate
from shared.events.envelope import encode, make_event
from shared.events.identity import Identity
from shared.events.types import ContactTouched, EngagementRecorded, Followup, LeadCaptured, PurchaseCompleted
from shared.events.updates import Booking, ContactView, Update, Values, encode_update, update_key
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics

ROOT = Path(__file__).parents[1]
# One in a hundred: what happens to contacts, as a shop with an active site sees it.
MIX = [*["engagement"] * 70, *["followup"] * 15, *["lead"] * 6, *["purchase"] * 5, *["touched"] * 4]
WORKFLOW = """
workflow: first-hour
trigger: {on: lead.captured}
where: contact.country != "XX"
reentry: once_per 30d
goal: {on: purchase.completed}
window: {length: 60m, stops_on: human_touch}
steps:
  - send: {webhook: crm, deadline: 60m}
  - wait_for: {event: contact.touched, where: event.human, timeout: 15m}
  - on_timeout: [{send: {webhook: crm, deadline: 60m}}]
"""


def an_update(contact_id: UUID, kind: str, number: int) -> bytes:
    now, identifier = utc_now(), new_id()
    email = f"{contact_id.hex[-12:]}@example.com"
    identity = Identity(email=email)
    data: Any
    match kind:
        case "lead":
            data = LeadCaptured(
                identity=identity, form="contact", page="/pricing", interest="pricing", name="Ada Lovelace",
                message="Please call me about the larger plan; mornings suit us best.",
            )  # fmt: skip
        case "purchase":
            data = PurchaseCompleted(identity=identity, order_id=str(number), amount="129.90", currency="EUR")
        case "touched":
            data = ContactTouched(identity=identity, who="ana", channel="phone", outcome="reached", human=True)
        case "followup":
            data = Followup(identity=Identity(contact_id=contact_id), enrolment=contact_id, workflow="first-hour",
                            step="0", channel="webhook", target="crm", delivery=contact_id, attempt=1)  # fmt: skip
        case _:
            data = EngagementRecorded(
                identity=identity, kind="page_viewed", what="/pricing", properties={"title": "Pricing", "seconds": 31}
            )
    types = {"lead": "lead.captured", "purchase": "purchase.completed", "touched": "contact.touched",
             "followup": "followup.sent", "engagement": "engagement.recorded"}  # fmt: skip
    event = make_event(
        id=identifier, source="/sources/website", type=types[kind], time=now, receivedtime=now,
        subject=f"email:{email}", data=data, trust="trusted",
    )  # fmt: skip
    contact = ContactView(
        id=contact_id, version=number, currency="EUR", stage="lead", created=now, email=email, name="Ada Lovelace",
        source="website", country="GB", time_zone="Europe/London", interest="pricing",
        traits={"company": "Analytical Engines", "size": 120}, consent={"email": True}, conversion=0.12,
    )  # fmt: skip
    bookings = [Booking("lead", "engagement", 120, "scorecard-1"), Booking("lead", "fit", 4000, "scorecard-1")]
    update = Update(contact=contact, before=Values(1000, 0), after=Values(5120, 0), bookings=bookings,
                    event=msgspec.Raw(encode(event)), event_type=types[kind])  # fmt: skip
    return encode_update(update, event_id=identifier, time=now, traceparent=None)


def mixed(updates: int, topic: str) -> Iterator[Outgoing]:
    dice, contacts = random.Random(1), [new_id() for _ in range(max(10, updates // 10))]
    for number in range(updates):
        contact = dice.choice(contacts)
        yield Outgoing(topic, update_key(contact), an_update(contact, dice.choice(MIX), number))


def leads(count: int, topic: str) -> Iterator[Outgoing]:
    for number in range(count):
        contact = new_id()
        yield Outgoing(topic, update_key(contact), an_update(contact, "lead", number))


@contextmanager
def a_process(stack: BenchStack, folder: Path, prefix: str) -> Iterator[psutil.Process]:
    environment = {
        **os.environ, "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_DATABASE": stack.database,
        "FIRSTHOUR_STATE": str(folder / "state"), "FIRSTHOUR_CONFIG": str(folder / "config"),
        "FIRSTHOUR_NURTURE_PORT": "0", "FIRSTHOUR_TOPIC_PREFIX": prefix, "FIRSTHOUR_LOG_LEVEL": "warning",
        "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }  # fmt: skip
    with (folder / "nurture.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "nurture"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


async def measured(
    conn: asyncpg.Connection, process: psutil.Process, query: str, goal: int, *, left: str = "SELECT false"
) -> dict[str, Any]:
    """The rate at which the query's number grows to the goal, from the first time it is seen to have moved.

    `left`: whether any are left, for numbers that are dear to count: that is asked until none is.
    """
    while (first := int(await conn.fetchval(query))) == 0:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise SystemExit("nurture ended")
        await asyncio.sleep(0.02)
    start, rss, cpu = time.monotonic(), process.memory_info().rss, sum(process.cpu_times()[:2])
    postgres = postgres_cpu()
    while await conn.fetchval(left) or (done := int(await conn.fetchval(query))) < goal:
        await asyncio.sleep(0.1)
    seconds = time.monotonic() - start
    used = sum(process.cpu_times()[:2]) - cpu
    return {
        "per_second": round((done - first) / seconds),
        "cpu_us_each": round(used / max(1, done - first) * 1e6),
        "postgres_us_each": round((postgres_cpu() - postgres) / max(1, done - first) * 1e6),
        "rss_mb": [rss // 2**20, process.memory_info().rss // 2**20],
    }


OFFSETS = "SELECT coalesce(sum(next_offset), 0) FROM nurture.consumer_offsets WHERE topic LIKE $${}%$$"
DELIVERED = "SELECT count(*) FROM nurture.deliveries WHERE state = 'delivered'"
# To count reads every row with its payload; whether any is left is a look into two small indexes.
LEFT = """
    SELECT EXISTS (SELECT FROM nurture.deliveries WHERE state = 'pending')
        OR EXISTS (SELECT FROM nurture.deliveries WHERE state = 'claimed')
"""


async def run(stack: BenchStack, folder: Path, port: int, options: argparse.Namespace) -> dict[str, Any]:
    (folder / "config" / "workflows").mkdir(parents=True)
    (folder / "config" / "templates").mkdir()
    (folder / "config" / "workflows" / "first-hour.yaml").write_text(WORKFLOW)
    crm = {"url": f"http://127.0.0.1:{port}/", "secrets": ["env:HOOK_SECRET"], "concurrency": options.concurrency,
           "allow_private": True}  # fmt: skip
    (folder / "config" / "endpoints.yaml").write_text(json.dumps({"webhooks": {"crm": crm}}))
    await migrate(stack.database, "nurture")
    conn = await asyncpg.connect(stack.database)
    result: dict[str, Any] = {}
    try:
        if options.updates:
            await publish(stack.kafka, Topics("mixed."), mixed(options.updates, Topics("mixed.").updates))
            with a_process(stack, folder, "mixed.") as process:
                result["mixed"] = await measured(conn, process, OFFSETS.format("mixed."), options.updates)
            result["mixed"]["runs"] = await conn.fetchval("SELECT count(*) FROM nurture.enrolments")
            result["mixed"]["delivered_meanwhile"] = await conn.fetchval(DELIVERED)
        if options.leads:
            await conn.execute(
                "TRUNCATE nurture.enrolments, nurture.deliveries, nurture.attempts, nurture.tasks, nurture.facts"
            )
            await conn.execute("INSERT INTO nurture.endpoint_state VALUES ('crm', now(), 'measured later')")
            await publish(stack.kafka, Topics("leads."), leads(options.leads, Topics("leads.").updates))
            with a_process(stack, folder, "leads.") as process:
                result["leads"] = await measured(conn, process, OFFSETS.format("leads."), options.leads)
                result["leads"]["runs"] = await conn.fetchval("SELECT count(*) FROM nurture.enrolments")
                await conn.execute("DELETE FROM nurture.endpoint_state")
                result["webhooks"] = await measured(conn, process, DELIVERED, options.leads, left=LEFT)
            url = f"http://127.0.0.1:{port}/"
            result["only_posts"] = await by_aiohttp(url, options.leads, options.concurrency)
    finally:
        await conn.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=200_000)
    parser.add_argument("--leads", type=int, default=50_000)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        port = cleanup.enter_context(a_receiver())
        print(json.dumps(uvloop.run(run(stack, folder, port, options))))


if __name__ == "__main__":
    main()
