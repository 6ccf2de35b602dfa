"""`firsthour doctor` on things that are really broken: closed ports, strangers on them, wrong users, wrong clocks."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from embedded.brokers.kafka import Kafka
from services.cli.doctor import outgoing, services_up, stores, stuck
from services.cli.doctor.finding import Finding, Place
from services.cli.service_database import connected
from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.webhook.settings import Webhook
from services.nurture.store import endpoints
from shared.clock import utc_now
from shared.db.tables import dead_letters, halts
from shared.db.tables.dead_letters import DeadLetterRow
from shared.kafka.topics import Topics, create_topics
from shared.secrets import SECRETS_FILE
from shared.settings import Settings, load
from tests.support.mail_server import mail_server_apart
from tests.support.processes import free_ports
from tests.support.small_disk import small_disk
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def stranger() -> Any:
    """The port of something that answers, and is not ours."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<p>hi"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def settings_of(**given: Any) -> Settings:
    return load(Settings, **given)


async def test_kafka(kafka: str, topic_prefix: str, stranger: int) -> None:
    (closed,) = free_ports(1)
    (finding,) = await stores.kafka(settings_of(kafka=f"127.0.0.1:{closed}"))
    assert (finding.state, "nothing listens there" in finding.said) == ("wrong", True)
    assert "FIRSTHOUR_KAFKA" in finding.do
    (finding,) = await stores.kafka(settings_of(kafka=f"127.0.0.1:{stranger}"))
    assert (finding.state, "is no Kafka for us" in finding.said) == ("wrong", True)
    here = settings_of(kafka=kafka, topic_prefix=topic_prefix)
    (finding,) = await stores.kafka(here)
    assert (finding.state, finding.do) == ("wrong", "create them: firsthour topics")
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    found: list[Finding] = []

    async def has_them() -> bool:  # a broker that made them knows of them a moment later
        found[:] = await stores.kafka(here)
        return found[0].state == "ok"

    await until(has_them)
    assert found[0].said == f"{kafka} answers, and has all 5 topics"


@pytest.mark.timeout(120)
async def test_a_broker_that_wants_another_password(tmp_path: Path) -> None:
    broker = Kafka(tmp_path)
    await broker.start()
    try:
        right = {
            "kafka": broker.bootstrap,
            "kafka_user": broker.access.user,
            "kafka_mechanism": broker.access.mechanism,
        }
        for word, said in (("wrong-and-long", "does not take our user"), (broker.access.password, "has no topic")):
            secret = tmp_path / "word"
            secret.write_text(word)
            (finding,) = await stores.kafka(settings_of(**right, kafka_password=f"file:{secret}"))
            assert (finding.state, said in finding.said) == ("wrong", True), finding
            assert word not in finding.said + finding.do
        (finding,) = await stores.kafka(settings_of(kafka=broker.bootstrap))
        assert (finding.state, "FIRSTHOUR_KAFKA" in finding.do) == ("wrong", True), finding
    finally:
        await broker.stop()


async def test_a_name_that_nobody_knows() -> None:
    (finding,) = await stores.kafka(settings_of(kafka="no-such-name.invalid:9092"))
    assert (finding.state, "its name is not known (DNS)" in finding.said) == ("wrong", True), finding
    (finding,) = await stores.database(settings_of(database="postgresql://me@no-such-name.invalid/x"), utc_now())
    assert (finding.state, "its name is not known (DNS)" in finding.said) == ("wrong", True), finding


async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """On a file system of four megabytes, where one may be mounted."""
    with small_disk(tmp_path) as disk:
        if not tmp_path.is_mount():
            pytest.skip("no file system may be mounted here")
        disk.fill()
        (finding,) = await services_up.state_folder(tmp_path)
        assert (finding.state, finding.said) == ("wrong", "0 MB are left on its disk")
        assert "make room" in finding.do
        disk.free()


async def test_what_waits_for_a_person_is_said(database: str) -> None:
    here, now = settings_of(database=database), utc_now()
    assert [each.state for each in await stuck.work(here, now)] == ["ok"]
    async with connected(database, "nurture") as conn:
        await halts.begin(conn, "live", "failures", "ten records failed")
        await dead_letters.insert(conn, [a_dead_letter(now - timedelta(hours=2))])
        await endpoints.disable(conn, "crm", "it answered 410")
    found = await stuck.work(here, now)
    assert [(each.state, each.said) for each in found] == [
        ("wrong", "nurture halted its live lane: ten records failed"),
        ("warning", "nurture could not work off 1 events, the last one 2.0 hours ago"),
        ("wrong", "the endpoint crm is off: nothing is sent to it"),
    ]
    assert all(each.do for each in found)
    for elsewhere in ("postgresql://127.0.0.1:1/x", "mysql://127.0.0.1/x"):
        assert await stuck.work(settings_of(database=elsewhere), now) == []
    async with connected(database, "nurture") as conn:
        await conn.exec_driver_sql("ALTER TABLE consumer_halts RENAME TO of_another_version")
    assert [(each.state, "migrate" in each.do) for each in await stuck.work(here, now)] == [("wrong", True)]


def a_dead_letter(at: datetime) -> DeadLetterRow:
    return DeadLetterRow("t", 0, 1, None, b"{", "permanent", "E", "broken", "/sources/x", 1, at, at)


async def test_database_and_clock(database: str) -> None:
    now = utc_now()
    findings = {each.what: each for each in await stores.database(settings_of(database=database), now)}
    assert {name: each.state for name, each in findings.items()} == {"database": "ok", "clock": "ok"}
    ahead = await stores.database(settings_of(database=database), now + timedelta(minutes=10))
    (clock,) = [each for each in ahead if each.what == "clock"]
    assert clock.state == "wrong"
    assert clock.said.endswith("s ahead of the database")
    assert 590 <= int(clock.said.split(" is ")[1].split(" s ")[0]) <= 600


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda parts: parts._replace(netloc=f"nobody_here:wrong@{parts.netloc.rpartition('@')[2]}"), "does not take our user"),
        (lambda parts: parts._replace(path="/no_such_database"), "no database of that name"),
        (lambda parts: parts._replace(scheme="mysql"), "must be a URL such as postgresql://"),
    ],
)  # fmt: skip
async def test_what_the_database_refuses(database: str, change: Callable[[Any], Any], said: str) -> None:
    broken = urlunsplit(change(urlsplit(database)))
    (finding,) = await stores.database(settings_of(database=broken), utc_now())
    assert (finding.state, said in finding.said) == ("wrong", True), finding
    assert "wrong@" not in finding.said + finding.do


async def test_services_and_strangers_on_their_ports(stranger: int) -> None:
    (closed,) = free_ports(1)
    (finding,) = await services_up.service("ingest", Place("0.0.0.0", closed))
    assert (finding.state, finding.said) == ("wrong", f"nothing listens on port {closed} of 127.0.0.1")
    (finding,) = await services_up.service("ingest", Place("127.0.0.1", stranger))
    assert (finding.state, "something else than ingest" in finding.said) == ("wrong", True)
    assert "FIRSTHOUR_INGEST_PORT" in finding.do
    (finding,) = await services_up.service("ingest", Place("no-such-name.invalid", 8080))
    assert (finding.state, finding.do) == ("wrong", "say where it is: --ingest URL")


async def test_mail_and_webhooks(stranger: int, tmp_path: Path) -> None:
    (closed,) = free_ports(1)

    def receiver(url: str, *, private: bool = True) -> Webhook:
        return Webhook("crm", url, (), 1, private)

    def server(host: str, port: int) -> MailServer:
        return MailServer(host, port, "none", None, None, "a@example.com", "", 1)

    for url, private, said in (
        (f"http://127.0.0.1:{closed}/x", True, "nothing listens on port"),
        ("https://no-such-name.invalid/x", True, "is not known (DNS)"),
        (f"https://127.0.0.1:{stranger}/x", False, "is no address that we send to"),
        (f"https://127.0.0.1:{stranger}/x", True, "cannot be reached (SSLError)"),
    ):
        (finding,) = await outgoing.webhook(receiver(url, private=private))
        assert (finding.state, said in finding.said) == ("wrong", True), finding
    assert [each.state for each in await outgoing.webhook(receiver(f"http://127.0.0.1:{stranger}/x"))] == ["ok"]
    assert [each.state for each in await outgoing.mail(None, tmp_path)] == ["ok"]
    for host, port, said in (
        ("127.0.0.1", closed, "cannot be used"),
        ("no-such-name.invalid", 25, "is not known (DNS)"),
    ):
        (finding,) = await outgoing.mail(server(host, port), tmp_path)
        assert (finding.state, said in finding.said) == ("wrong", True), finding


async def test_the_mail_password_may_stand_in_the_state_folder(tmp_path: Path) -> None:
    with mail_server_apart() as server:
        ours = MailServer("127.0.0.1", server.port, "none", "firsthour", "env:MAIL_PASSWORD", "a@example.com", "", 1)
        (finding,) = await outgoing.mail(ours, tmp_path)
        assert "its password is missing" in finding.said
        (tmp_path / SECRETS_FILE).write_text("MAIL_PASSWORD=long-and-unlike-anything-else\n")
        (finding,) = await outgoing.mail(ours, tmp_path)
        assert "its password is missing" not in finding.said


def test_it_says_all_at_once_and_exits_1(tmp_path: Path) -> None:
    ports = free_ports(5)
    names = ("INGEST_PORT", "SCORING_PORT", "NURTURE_PORT")
    environment = {
        "PATH": os.environ["PATH"],
        "FIRSTHOUR_KAFKA": f"127.0.0.1:{ports[3]}",
        "FIRSTHOUR_DATABASE": f"postgresql://me:very-secret@127.0.0.1:{ports[4]}/x",
        **{f"FIRSTHOUR_{name}": str(port) for name, port in zip(names, ports, strict=False)},
    }
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sources.yaml").write_text("sources: 7\n")
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "doctor", "--config", str(tmp_path / "config"), "--state", str(tmp_path / "state"),
         "--json", "--now", "2026-01-01T10:00:00"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    found = {each["what"]: each["state"] for each in told["findings"]}
    assert told["well"] is False
    expected = dict.fromkeys(("configuration", "ingest", "scoring", "nurture", "kafka", "database"), "wrong")
    assert found == {**expected, "state folder": "warning"}
    assert "very-secret" not in done.stdout + done.stderr
