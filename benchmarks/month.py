"""A month of everything that is sent, compressed in time: forms, SDKs, JSON, CloudEvents, webhooks, imports.

All of them at once, day after day, about people who come by several ways; some of it is wrong, as it always is.
Ends with 1 at a dead letter, at a halted lane, and when a sender is answered otherwise than it should be.

    python -m benchmarks.month --days 30 --people 40
"""

import argparse
import asyncio
import csv
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import asyncpg
import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from benchmarks.stack import bench_stack
from services.ingest.domain.hooks.registry import SENDERS
from shared.clock import utc_now
from tests.support import senders
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart
from tests.unit.ingest.forms.test_form_builders import BUILDERS, LANGUAGES

_HOOKS: Final = sorted(kind for kind in SENDERS if kind not in ("generic", "meta"))  # Meta's are fetched from Meta
_SOURCES: Final = (
    "sources:\n  website: {kind: form, keys: [env:WEBSITE_KEY], limits: {forms: 100000/m}}\n"
    "  site: {kind: segment, keys: [env:SITE_KEY]}\n  app: {kind: segment, keys: [env:APP_KEY], trust: trusted}\n"
    "  shop: {kind: api, keys: [env:SHOP_KEY]}\n"
    + "".join(f"  {kind}: {{kind: {kind}, secrets: [env:MONTH_SECRET]}}\n" for kind in _HOOKS)
)
_ADDRESS: Final = re.compile(rb"[\w.+-]+@example\.(?:com|org|net)")
_OWN_ID: Final = re.compile(rb'"((?:pi|ch|cus|evt|in|cs|re|sub|res|inv|tok)_[A-Za-z0-9_]+)"')
_NUMBER: Final = re.compile(
    rb'("(?:id|order_id|customer_id|eventId|objectId|number|ID|sg_event_id|lead_id)"\s*:\s*)(\d{1,12})\b'
)
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_LEAVE: Final = 0.1  # of a list, in a week
_PATIENCE_S: Final = 180.0


class Done(NamedTuple):
    """What came of it."""

    accepted: int
    refused: int
    kinds: Counter[str]
    seconds: float


class Month:
    """Sends it all and counts the answers."""

    def __init__(self, firsthour: Firsthour, http: httpx.AsyncClient, people: int) -> None:
        self.firsthour, self.http, self.people = firsthour, http, people
        self.dice = random.Random(1)
        self.answers: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.secret = firsthour.secret("MONTH_SECRET")

    def person(self) -> int:
        """Few are heard of often."""
        return min(int(self.dice.expovariate(3 / self.people)), self.people - 1)

    def address(self) -> str:
        return f"person{self.person()}@example.com"

    async def day(self, number: int, at: datetime) -> None:
        """All that one day sends, at once."""
        every = [
            *(self.form(shape) for shape in (*BUILDERS.values(), *LANGUAGES.values())),
            *(self.lead(at, number, place) for place in range(self.people // 2)),
            *(self.purchase(at, number, place) for place in range(self.people // 4)),
            *(self.calls(at, number, place) for place in range(10)),
            *(self.visit(number, place) for place in range(self.people)),
            *(self.event(at, number, place) for place in range(10)),
            *(self.nonsense(place) for place in range(10)),
            *(self.hook(each) for each in self.hooks(number)),
        ]
        self.dice.shuffle(every)
        await asyncio.gather(*every)

    async def form(self, shape: dict[str, object]) -> None:
        body = json.dumps(shape).replace("ada@example.com", self.address()).encode()
        await self.post("form", "/f/website", body, {"Content-Type": "application/json", "Accept": "application/json"})

    async def lead(self, at: datetime, day: int, place: int) -> None:
        said = {
            "email": self.address(), "name": "Ada Lovelace",
            "country": self.dice.choice(("DE", "Niemcy", "GB", "Atlantis")),
            "phone": self.dice.choice(("+44 7700 900123", "+49 30 901820", None)), "occurred_at": at.isoformat(),
            "estimated_value": {"amount": "500.00", "currency": self.dice.choice(("EUR", "USD", "CAD"))},
            "consent": {"email": self.dice.random() < 0.9}, "message_id": f"lead-{day}-{place}",
            "time_zone": self.dice.choice(("Europe/Berlin", "W. Europe Standard Time", "EST", "Mars")),
        }  # fmt: skip
        await self.json("lead", "/v1/leads", said, "SHOP_KEY")

    async def purchase(self, at: datetime, day: int, place: int) -> None:
        said = {
            "email": self.address(), "order_id": f"o-{day}-{place}", "amount": f"{self.dice.randint(5, 500)}.90",
            "currency": self.dice.choice(("EUR", "GBP", "CAD", "JPY")), "occurred_at": at.isoformat(),
        }  # fmt: skip
        await self.json("purchase", "/v1/purchases", said, "SHOP_KEY")

    async def calls(self, at: datetime, day: int, place: int) -> None:
        """A server's SDK: who it is, what was done, two that belong together."""
        user, stamp = f"u-{self.person()}", at.isoformat()
        batch: list[dict[str, Any]] = [
            {"type": "identify", "userId": user, "traits": {"email": self.address(), "company": {"name": "Engines"}}},
            {"type": "track", "userId": user, "event": "Trial Started", "properties": {"plan": "pro"}},
            {"type": "alias", "userId": user, "previousId": f"anon-{self.person()}"},
            {"type": "track", "userId": "undefined", "event": "Signed Up"},
        ]
        sent = [{**each, "timestamp": stamp, "messageId": f"s-{day}-{place}-{n}"} for n, each in enumerate(batch)]
        await self.json("server SDK", "/v1/batch", {"batch": sent, "sentAt": utc_now().isoformat()}, "APP_KEY")

    async def visit(self, day: int, place: int) -> None:
        """The snippet: `text/plain`, the key in the body."""
        said = {
            "writeKey": self.firsthour.secret("SITE_KEY"), "type": "page", "anonymousId": f"anon-{self.person()}",
            "messageId": f"v-{day}-{place}", "context": {"page": {"url": "https://example.com/?utm_source=google"}},
        }  # fmt: skip
        await self.post("visit", "/v1/p", json.dumps(said).encode(), {"Content-Type": "text/plain"})

    async def event(self, at: datetime, day: int, place: int) -> None:
        said = {
            "specversion": "1.0", "id": f"e-{day}-{place}", "source": "/x", "time": at.isoformat(),
            "type": "contact.touched",
            "data": {"identity": {"email": self.address()}, "who": "ana", "channel": "phone", "outcome": "reached",
                     "human": True},
        }  # fmt: skip
        headers = {**self.firsthour.key("SHOP_KEY"), "Content-Type": "application/cloudevents+json"}
        await self.post("CloudEvent", "/v1/events", json.dumps(said).encode(), headers)

    async def nonsense(self, place: int) -> None:
        """What is refused, and hurts nobody."""
        bodies = (b"email=nobody", b"\xff\xfe=\x00", b"phone=12&message=x", b"email=none%40none.com", b"a" * 500)
        body = bodies[place % len(bodies)]
        await self.post("nonsense", "/f/website", body, _FORM)

    def hooks(self, day: int) -> Iterator[senders.Sent]:
        """Every documented webhook of every sender, each of ids of its own."""

        def changed(_kind: str, body: bytes) -> bytes:
            body = _ADDRESS.sub(self.address().encode(), body)
            body = _OWN_ID.sub(lambda found: b'"%s%d"' % (found[1], day), body)
            return _NUMBER.sub(lambda found: found[1] + b"%d" % (int(found[2]) + day), body)

        sent = senders.everything(self.secret, self.firsthour.url("ingest"), changed)
        return (each for each in sent if each.sender in _HOOKS)

    async def hook(self, sent: senders.Sent) -> None:
        headers = {"Content-Type": "application/json", **sent.headers}
        await self.post(f"webhook of {sent.sender}", f"/hooks/{sent.sender}", sent.body, headers)

    async def json(self, kind: str, path: str, said: dict[str, Any], key: str) -> None:
        headers = {"Content-Type": "application/json", **self.firsthour.key(key)}
        await self.post(kind, path, json.dumps(said).encode(), headers)

    async def post(self, kind: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        answer = await self.http.post(path, content=body, headers=headers)
        good = answer.status_code in (200, 202)
        (self.answers if good else self.wrong)[kind] += 1
        if not good and (kind != "nonsense" or answer.status_code >= 500):
            raise AssertionError(f"{kind}: {answer.status_code} {answer.text[:300]}")

    def file(self, folder: Path, week: int, at: datetime) -> None:
        """An export of the list, with who left it, down the bulk lane beside it all."""
        path = folder / f"week-{week}.csv"
        with path.open("w", newline="") as sheet:
            rows = csv.writer(sheet)
            rows.writerow(("Email Address", "First Name", "Last Name", "Country", "OPTIN_TIME", "UNSUB_TIME", "DNC"))
            when = at.isoformat(" ", "seconds")
            for place in range(self.people * 10):
                out = when if self.dice.random() < _LEAVE else ""
                rows.writerow((f"list{place}@example.com", "Ada", "Łoś", "Polska", when, out, ""))
        done = self.firsthour.command("import", str(path), "--source", f"list{week}", "--yes", check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.answers["row of an import"] += self.people * 10


async def settled(read: Callable[[], Awaitable[int]], patience_s: float = _PATIENCE_S) -> int:
    """The count, once it has not changed for three seconds."""
    end, before, since = time.monotonic() + patience_s, -1, time.monotonic()
    while time.monotonic() < end:
        now = await read()
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > 3:
            return now
        await asyncio.sleep(0.25)
    raise AssertionError(f"still at work after {patience_s:.0f} s: {before}")


async def send(firsthour: Firsthour, folder: Path, options: argparse.Namespace) -> Done:
    """The month, one day after the other."""
    begun, now = time.monotonic(), utc_now()
    async with httpx.AsyncClient(
        base_url=firsthour.url("ingest"), timeout=30, limits=httpx.Limits(max_connections=32)
    ) as http:
        month = Month(firsthour, http, options.people)
        imports: list[asyncio.Task[None]] = []
        for day in range(options.days):
            at = now - timedelta(days=options.days - day)
            if day % 7 == 0:
                imports.append(asyncio.create_task(asyncio.to_thread(month.file, folder, day // 7, at)))
            await month.day(day, at)
        await asyncio.gather(*imports)
    return Done(month.answers.total(), month.wrong.total(), month.answers, time.monotonic() - begun)


async def come_of_it(database: str) -> dict[str, int]:
    """What scoring and nurture have, when nothing moves any more."""
    conn = await asyncpg.connect(database.replace("postgresql+asyncpg", "postgresql"))
    try:

        async def events() -> int:
            return int(await conn.fetchval("SELECT count(*) FROM scoring.events"))

        async def deliveries() -> int:
            return int(await conn.fetchval("SELECT count(*) FROM nurture.deliveries"))

        found = {"events": await settled(events), "deliveries": await settled(deliveries)}
        for service in ("scoring", "nurture"):
            found[f"dead letters of {service}"] = int(
                await conn.fetchval(f"SELECT count(*) FROM {service}.dead_letters")
            )
            found[f"halts of {service}"] = int(await conn.fetchval(f"SELECT count(*) FROM {service}.consumer_halts"))
        found["contacts"] = int(await conn.fetchval("SELECT count(*) FROM scoring.contacts"))
        return found
    finally:
        await conn.close()


@contextmanager
def everything_up(folder: Path) -> Iterator[tuple[Firsthour, str]]:
    """Kafka, Postgres, the services, a receiver of webhooks and a mail server."""
    folder.chmod(0o711)
    (port,) = free_ports(1)
    mails = Controller(Sink(), hostname="127.0.0.1", port=port)
    mails.start()
    try:
        with bench_stack(folder) as stack, receiving_apart() as receiver:
            home = folder / "home"
            home.mkdir()
            made = Firsthour(stack.kafka, stack.database, "", home, receiver.port, port)
            (made.config / "sources.yaml").write_text(_SOURCES)
            with installed(
                stack.kafka, stack.database, "", home, receiver_port=receiver.port, smtp_port=port
            ) as running:  # fmt: skip
                yield running, stack.database
    finally:
        mails.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--people", type=int, default=40)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="firsthour-month-") as name, everything_up(Path(name)) as (firsthour, database):
        done = asyncio.run(send(firsthour, Path(name), options))
        found = asyncio.run(come_of_it(database))
    lost = {what: count for what, count in found.items() if count and what.startswith(("dead", "halts"))}
    print(
        f"{options.days} days in {done.seconds:.0f} s: {done.accepted} requests and rows accepted of "
        f"{len(done.kinds)} kinds, {done.refused} refused as they should be; {found['events']} events, "
        f"{found['contacts']} contacts, {found['deliveries']} deliveries; {lost or 'no dead letter, no halt'}"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
