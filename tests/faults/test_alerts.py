"""Alerts by fault: what is broken in real processes reaches a receiver by way of real Prometheus and Alertmanager.

The rules are the committed ones with their times made shorter: days of a source become seconds.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.tables import halts
from shared.kafka.topics import Topics
from tests.support.mail_server import ScriptedMailServer, mail_server_apart
from tests.support.processes import SERVICES, Firsthour, installed
from tests.support.prometheus import Prometheus, watching
from tests.support.receiver import receiving_apart
from tests.support.stack import OwnStack, fresh_database
from tests.support.tls import tls_proxy
from tests.support.waiting import until
from tests.support.webhook_receiver import OK, Behave, Receiver, status
from tests.support.wrong_clock import clock_ahead

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
ALERTS = "/alerts"
_QUICKER = 3  # a threshold of a minute becomes 20 s: twice the pause between two looks into Postgres


def quicker(rules: str) -> str:
    """The committed rules: what has to last, lasts a second; ranges are shorter; thresholds in seconds are a third."""
    rules = re.sub(r"for: \w+", "for: 1s", rules)
    rules = re.sub(r"\[(?:5m|15m)\]", "[15s]", rules)
    rules = rules.replace("[10m]", "[60s]")
    rules = rules.replace("offset 15m", "offset 15s")
    rules = rules.replace("source_silence_seconds > 3600", "source_silence_seconds > 10")
    rules = rules.replace("[7d] offset 1d", "[60s] offset 10s")
    rules = rules.replace("firsthour_canary_interval_seconds) + 30", "firsthour_canary_interval_seconds) + 10")
    return re.sub(r"> (60|120|300)\b", lambda found: f"> {int(found[1]) / _QUICKER:.0f}", rules)


@dataclass
class World:
    """An installation of this test, what watches it, and where its alerts arrive."""

    stack: OwnStack
    firsthour: Firsthour
    prometheus: Prometheus
    receiver: Receiver
    mail_server: ScriptedMailServer

    def alerted(self) -> set[str]:
        """The names of all alerts that have arrived."""
        return {labels["alertname"] for labels in self.labels()}

    def labels(self) -> list[dict[str, str]]:
        """Of each alert that has arrived."""
        bodies = [json.loads(each.body) for each in list(self.receiver.received) if each.path == ALERTS]
        return [alert["labels"] for body in bodies for alert in body["alerts"] if alert["status"] == "firing"]

    async def alert(self, *names: str, within_s: float = 90.0) -> None:
        """Wait until each has arrived."""
        try:
            await until(lambda: set(names) <= self.alerted(), within_s, every_s=0.5)
        except AssertionError:
            raise AssertionError(f"not within {within_s} s: {sorted(set(names) - self.alerted())}") from None

    async def over(self, *names: str) -> None:
        """Wait until none of them fires any more."""
        await until(lambda: not set(names) & self.prometheus.alerts(), 60, every_s=0.5)

    async def execute(self, statement: str) -> bool:
        """Run it in the installation's database; whether it found any row."""
        conn = await asyncpg.connect(self.firsthour.database)
        try:
            return not (await conn.execute(statement)).endswith(" 0")
        finally:
            await conn.close()

    async def lead(self, key: str = "WEBSITE_KEY", *, says: str | None = None, **more: object) -> int:
        """Post one, with a key of ours or with what the page `says` is one; the status of the answer."""
        async with httpx.AsyncClient(timeout=20) as http:
            body = {"email": f"{uuid4().hex[:12]}@example.com", "message": "m" * 1000, **more}
            url = f"{self.firsthour.url('ingest')}/v1/leads"
            headers = {"Authorization": f"Bearer {says}"} if says else self.firsthour.key(key)
            return (await http.post(url, json=body, headers=headers)).status_code


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_apart() as receiver:
        yield receiver


@asynccontextmanager
async def world(stack: OwnStack, receiver: Receiver, folder: Path) -> AsyncIterator[World]:
    with (
        fresh_database(stack) as database,
        mail_server_apart() as mail_server,
        tls_proxy(folder, ends_in=timedelta(days=3)) as proxy,
        installed(
            stack.kafka, database, "", folder, receiver_port=receiver.port, smtp_port=mail_server.port,
            settings={
                "FIRSTHOUR_INGEST_SPOOL_BYTES": "20000",
                "FIRSTHOUR_CANARY": "1s",
                "FIRSTHOUR_CANARY_URL": f"https://127.0.0.1:{proxy.port}",
                "SSL_CERT_FILE": str(proxy.ca),
            },
        ) as firsthour,
        watching(
            folder, {name: firsthour.ports[name] for name in SERVICES}, rules=quicker(RULES.read_text()),
            receiver=receiver.url(ALERTS),
        ) as prometheus,
    ):  # fmt: skip
        proxy.before = firsthour.ports["ingest"]
        yield World(stack, firsthour, prometheus, receiver, mail_server)


@pytest.mark.timeout(600)
async def test_each_fault_wakes_somebody_and_quiet_traffic_nobody(
    own_stack: OwnStack, receiver: Receiver, tmp_path: Path
) -> None:
    wrong_clock = clock_ahead(60)
    async with world(own_stack, receiver, tmp_path) as here:
        await quiet_traffic(here)
        await a_form_that_is_broken(here)
        await what_does_not_stop_the_rest(here)
        await an_endpoint_that_is_slow(here)
        await a_lane_that_is_halted(here)
        await a_database_that_is_away(here)
        await brokers_that_are_away(here)
        await a_service_that_is_gone(here)
        await a_clock_that_is_off(here, wrong_clock)


async def quiet_traffic(here: World) -> None:
    async def scraped() -> bool:
        try:
            return len(await asyncio.to_thread(here.prometheus.ask, "firsthour_rollup_timestamp_seconds > 0")) == 2
        except OSError:
            return False

    await until(scraped, 60, every_s=0.5)
    sent = 0

    async def quiet() -> bool:
        nonlocal sent
        assert await here.lead() == 202
        sent += 1
        return sent >= 15 and bool(here.alerted())

    await until(quiet, 90, every_s=1)
    # Of the proxy before ingest, by which the canary comes in, too.
    assert here.alerted() == {"CertificateEnding"}


async def a_form_that_is_broken(here: World) -> None:
    """Its page has an old key: its visitors see an error, and then there is silence."""
    assert await here.lead(says="the key of last year") == 401
    await here.alert("SourceSilent", within_s=60)
    assert {labels["source"] for labels in here.labels() if labels["alertname"] == "SourceSilent"} == {"website"}
    assert await here.lead() == 202
    await here.over("SourceSilent")


async def what_does_not_stop_the_rest(here: World) -> None:
    """Faults that each take their time to be noticed, and none of which hinders another."""
    producer = AIOKafkaProducer(bootstrap_servers=here.stack.kafka)
    await producer.start()
    try:
        await producer.send_and_wait(Topics("").events, b"no event", key=b"k")
    finally:
        await producer.stop()
    here.receiver.received.clear()
    here.receiver.behave = lambda request: OK if request.path == ALERTS else status(500)
    here.mail_server.says["MAIL"] = "550 5.7.1 we do not know you"
    for _ in range(5):
        await here.lead()
    await here.lead(estimated_value={"amount": "100.00", "currency": "ISK"})
    await here.lead("SHOP_KEY", occurred_at=(utc_now() - timedelta(minutes=50)).isoformat())
    scoring_yaml = here.firsthour.config / "scoring.yaml"
    as_it_was = scoring_yaml.read_text()
    scoring_yaml.write_text("sources: [")
    # A fit is due: of one kind since a day, of the other one nobody has heard for long.
    await here.execute(
        "UPDATE scoring.fits SET at = at - CASE kind WHEN 'lead' THEN interval '4d' ELSE interval '2d' END"
    )
    await until(lambda: here.execute("SELECT FROM nurture.enrolments WHERE status = 'active'"))
    await here.execute(
        "UPDATE nurture.enrolments SET document = 'no run', due_at = now() WHERE id ="
        " (SELECT id FROM nurture.enrolments WHERE status = 'active' LIMIT 1)"
    )

    def told() -> bool:
        bodies = [each.body for each in list(here.receiver.received) if each.path == ALERTS]
        return any(b"EndpointFailing" in body and b"marketing-automation" in body for body in bodies)

    await until(told, 120, every_s=0.5)  # what arrived in the quiet minute before still counts for it
    here.receiver.behave = lambda _request: OK
    await here.alert(
        "DeadLetters", "MailRefused", "AmountsWithoutRate", "WindowsAtRisk", "RowsParked", "ModelsNotFitted", "ModelStale",
        within_s=120,
    )  # fmt: skip
    del here.mail_server.says["MAIL"]
    scoring_yaml.write_text(as_it_was)  # scoring starts again below


async def an_endpoint_that_is_slow(here: World) -> None:
    here.receiver.behave = lambda request: OK if request.path == ALERTS else Behave(delay=10)
    for _ in range(80):
        await here.lead()
    pending = "UPDATE nurture.deliveries SET due_at = now() - interval '10min' WHERE state = 'pending' RETURNING id"
    await until(lambda: here.execute(pending))
    await here.alert("DeliveriesLate", within_s=60)
    here.receiver.behave = lambda _request: OK


async def a_lane_that_is_halted(here: World) -> None:
    engine = make_engine(here.firsthour.database, application="test", schema="scoring")
    try:
        async with engine.begin() as conn:
            await halts.begin(conn, "live", "failures", "of this test")
    finally:
        await engine.dispose()
    await here.alert("LaneHalted", within_s=60)
    assert await here.lead() == 202
    await here.alert("LeadsWait", "CanaryLost", within_s=120)
    here.firsthour.command("resume", "--service", "scoring", "--lane", "live")
    await here.over("LaneHalted", "LeadsWait", "CanaryLost")
    await here.alert("CanaryLate", within_s=60)  # those that had waited come back, late


async def a_database_that_is_away(here: World) -> None:
    here.stack.kill_postgres()
    await here.alert("DatabaseAway", within_s=90)
    here.stack.start_postgres()
    await here.over("DatabaseAway")


async def brokers_that_are_away(here: World) -> None:
    here.stack.kill_kafka()
    answers = {await here.lead() for _ in range(30)}
    assert answers == {202, 503}, "first they go to the disk, until its bound"
    # What came due meanwhile waits, since nobody knows what is still to be read.
    await here.execute("UPDATE nurture.enrolments SET due_at = now() - interval '10min' WHERE status = 'active'")
    await here.alert("DiskFilling", "LeadsRefused", "SpoolOld", "TimersLate", within_s=120)


async def a_service_that_is_gone(here: World) -> None:
    here.firsthour.kill("scoring")
    await here.alert("ServiceDown")


async def a_clock_that_is_off(here: World, wrong_clock: dict[str, str]) -> None:
    """The service comes back on a machine whose clock is a minute ahead of the database's."""
    here.firsthour.settings.update(wrong_clock)
    here.firsthour.start("scoring")
    await here.alert("ClockOff")
