"""Alerts by fault: what is broken in real processes reaches a receiver by way of real Prometheus and Alertmanager.

The rules are the committed ones with their times made shorter: days of a source become seconds.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.tables import halts
from shared.kafka.topics import Topics
from tests.support.receiver import receiving_apart
from tests.support.stack import OwnStack, fresh_database
from tests.support.waiting import until
from tests.support.watched import ALERTS, RULES, Watched, quicker, watched
from tests.support.webhook_receiver import OK, Behave, Receiver, status
from tests.support.wrong_clock import clock_ahead


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_apart() as receiver:
        yield receiver


@pytest.mark.timeout(600)
async def test_each_fault_wakes_somebody(own_stack: OwnStack, receiver: Receiver, tmp_path: Path) -> None:
    wrong_clock, rules = clock_ahead(60), quicker(RULES.read_text())
    settings = {"FIRSTHOUR_INGEST_SPOOL_BYTES": "20000", "FIRSTHOUR_CANARY": "1s"}
    with fresh_database(own_stack) as database:
        async with watched(own_stack.kafka, database, "", tmp_path, receiver, rules=rules, settings=settings) as here:
            await a_certificate_that_ends(here)
            await a_form_that_is_broken(here)
            await what_does_not_stop_the_rest(here)
            await an_endpoint_that_is_slow(here)
            await what_everything_stands_on(here, own_stack)
            await a_service_that_is_gone(here, wrong_clock)
            await here.alert("DiskFilling", "LeadsRefused", "SpoolOld", "TimersLate", "ClockOff", within_s=120)


async def a_certificate_that_ends(here: Watched) -> None:
    """Of the proxy before ingest, by which the canary comes in."""

    async def scraped() -> bool:
        try:
            return len(await asyncio.to_thread(here.prometheus.ask, "firsthour_rollup_timestamp_seconds > 0")) == 2
        except OSError:
            return False

    await until(scraped, 60, every_s=0.5)
    assert await here.lead() == 202
    await here.alert("CertificateEnding")


async def a_form_that_is_broken(here: Watched) -> None:
    """Its page has an old key: its visitors see an error, and then there is silence."""
    assert await here.lead(says="the key of last year") == 401
    await here.alert("SourceSilent", within_s=60)
    assert {labels["source"] for labels in here.labels() if labels["alertname"] == "SourceSilent"} == {"website"}
    assert await here.lead() == 202
    await here.over("SourceSilent")


async def what_does_not_stop_the_rest(here: Watched) -> None:
    """Faults that each take their time to be noticed, and none of which hinders another: their waits are one."""
    producer = AIOKafkaProducer(bootstrap_servers=here.firsthour.kafka)
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
    await here.alert("DeadLetters", "AmountsWithoutRate", "WindowsAtRisk", within_s=120)  # these need the lane below
    await a_lane_that_is_halted(here)

    def told() -> bool:
        bodies = [each.body for each in list(here.receiver.received) if each.path == ALERTS]
        return any(b"EndpointFailing" in body and b"marketing-automation" in body for body in bodies)

    await until(told, 120, every_s=0.5)  # what arrived in the minute before the faults still counts for it
    here.receiver.behave = lambda _request: OK
    await here.alert("MailRefused", "RowsParked", "ModelsNotFitted", "ModelStale", within_s=120)
    del here.mail_server.says["MAIL"]
    scoring_yaml.write_text(as_it_was)  # scoring starts again below
    here.firsthour.command("resume", "--service", "scoring", "--lane", "live")
    await here.over("LaneHalted", "LeadsWait", "CanaryLost")
    await here.alert("CanaryLate", within_s=60)  # those that had waited come back, late


async def a_lane_that_is_halted(here: Watched) -> None:
    engine = make_engine(here.firsthour.database, application="test", schema="scoring")
    try:
        async with engine.begin() as conn:
            await halts.begin(conn, "live", "failures", "of this test")
    finally:
        await engine.dispose()
    await here.alert("LaneHalted", within_s=60)
    assert await here.lead() == 202
    await here.alert("LeadsWait", "CanaryLost", within_s=120)


async def an_endpoint_that_is_slow(here: Watched) -> None:
    here.receiver.behave = lambda request: OK if request.path == ALERTS else Behave(delay=10)
    for _ in range(80):
        await here.lead()
    pending = "UPDATE nurture.deliveries SET due_at = now() - interval '10min' WHERE state = 'pending' RETURNING id"
    await until(lambda: here.execute(pending))
    await here.alert("DeliveriesLate", within_s=60)
    here.receiver.behave = lambda _request: OK


async def what_everything_stands_on(here: Watched, stack: OwnStack) -> None:
    """Database and brokers go at once, and the brokers stay away."""
    stack.kill_postgres()
    stack.kill_kafka()
    answers = {await here.lead() for _ in range(30)}
    assert answers == {202, 503}, "first they go to the disk, until its bound"
    await here.alert("DatabaseAway", within_s=90)
    stack.start_postgres()
    await here.over("DatabaseAway")
    # What came due meanwhile waits, since nobody knows what is still to be read.
    await here.execute("UPDATE nurture.enrolments SET due_at = now() - interval '10min' WHERE status = 'active'")


async def a_service_that_is_gone(here: Watched, wrong_clock: dict[str, str]) -> None:
    """It comes back on a machine whose clock is a minute ahead of the database's."""
    here.firsthour.kill("scoring")
    await here.alert("ServiceDown")
    here.firsthour.settings.update(wrong_clock)
    here.firsthour.start("scoring")
