"""The broker of `firsthour run` lets in who has the secret in the state folder, and nobody else of this machine."""

import socket
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from embedded.brokers.kafka import Kafka
from embedded.brokers.kafka_security import answers
from embedded.brokers.state import kafka_access
from embedded.supervisor.run_options import RunOptions
from services.ingest.settings import IngestSettings
from services.nurture.settings import NurtureSettings
from services.scoring.settings import ScoringSettings
from shared.kafka.access import OPEN, STATE_FILE, Access
from shared.kafka.logins import MECHANISM, Logins, make_known
from shared.kafka.rights import USERS, grant, rights
from shared.kafka.topics import Topics, create_topics
from tests.support.stack import reachable_folder


@pytest.fixture
async def broker() -> AsyncIterator[Kafka]:
    """A broker on the data of an older version, which asked for no password."""
    with reachable_folder() as state:
        before = Kafka(state, authenticated=False)
        await before.start()
        await make_topic(before.bootstrap, OPEN, "kept")
        await before.stop()
        broker = Kafka(state, before.port)
        await broker.start()
        yield broker
        await broker.stop()


async def make_topic(bootstrap: str, access: Access, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000, **access.arguments())
    try:
        await admin.start()
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def topics(bootstrap: str, access: Access) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000, **access.arguments())
    try:
        await admin.start()
        return set(await admin.list_topics())
    finally:
        await admin.close()


def is_hung_up_on(port: int) -> bool:
    """Whether the metadata of the cluster are refused to who just asks."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
        connection.sendall(struct.pack(">i", len(request)) + request)
        try:
            return connection.recv(4) == b""
        except ConnectionResetError:
            return True


def private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == 0o600


async def may_tell(port: int, password: str) -> bool:
    try:
        await make_known(Logins(f"127.0.0.1:{port}", Access("firsthour", password, "PLAIN"), {"stranger": "mine"}))
    except (KafkaError, OSError):
        return False
    return True


async def may_write(bootstrap: str, access: Access, topic: str) -> bool:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=5000, **access.arguments()) as producer:
        try:
            await producer.send_and_wait(topic, b"x", partition=0)
        except TopicAuthorizationFailedError:
            return False
        return True


async def may_read(bootstrap: str, access: Access, topic: str, group: str) -> bool:
    """By the group or without one: both have to be refused to whoever may not."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, request_timeout_ms=5000,
        auto_offset_reset="earliest", **access.arguments(),
    )  # fmt: skip
    async with consumer:
        consumer.assign([partition])
        try:
            await consumer.committed(partition)
            consumer.seek(partition, 0)
            return (await consumer.getone(partition)) is not None
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
            return False


@pytest.mark.timeout(300)
async def test_each_service_may_do_what_its_work_needs_and_no_more(broker: Kafka) -> None:
    topics, state = Topics("some."), broker._state
    await create_topics(broker.bootstrap, topics, partitions=1, replication=1, access=broker.access)
    for name in topics.retention_days():
        assert await may_write(broker.bootstrap, broker.access, name), "whoever sets it up may do everything"
    kinds = {"ingest": IngestSettings, "scoring": ScoringSettings, "nurture": NurtureSettings}
    logins = {name: kind(state=state, kafka=broker.bootstrap).kafka_access() for name, kind in kinds.items()}
    assert {name: access.user for name, access in logins.items()} == {name: name for name in USERS}
    for access in logins.values():
        assert not await may_write(broker.bootstrap, access, topics.events), "nothing before it is granted"

    for _ in range(2):  # safe to repeat
        await grant(broker.bootstrap, topics, access=broker.access)
    granted = {(each.user, each.operation, each.name) for each in rights(topics)}
    for user, access in logins.items():
        for topic in topics.retention_days():
            assert await may_write(broker.bootstrap, access, topic) is ((user, "write", topic) in granted), (
                user,
                topic,
            )
            read = await may_read(broker.bootstrap, access, topic, f"some.{user}")
            assert read is ((user, "read", topic) in granted), (user, topic)
    assert not await may_read(broker.bootstrap, logins["nurture"], topics.updates, "some.scoring"), "another's group"
    for access in logins.values():
        with pytest.raises(KafkaError):
            await grant(broker.bootstrap, topics, access=access)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap, **access.arguments())
        await admin.start()
        answer = await admin.create_topics([NewTopic("mine", num_partitions=1, replication_factor=1)])
        assert [code for _, code, *_ in answer.topic_errors] == [29]  # not authorised
        answer = await admin.delete_topics([topics.events])
        assert [code for _, code in answer.topic_error_codes] == [29]
        await admin.close()


@pytest.mark.timeout(300)
async def test_only_who_has_the_secret_is_let_in(broker: Kafka) -> None:
    state = broker._state
    settings = RunOptions(state=state, kafka=broker.bootstrap)
    access = settings.kafka_access()
    assert access == broker.access
    assert access.password not in repr(access)
    assert "kept" in await topics(broker.bootstrap, access), "the data of before"
    assert await create_topics(broker.bootstrap, Topics(""), partitions=1, replication=1, access=access)

    for stranger in (
        OPEN,
        Access("firsthour", "guessed", MECHANISM),
        Access("firsthour", access.password, "PLAIN"),  # which would show it to whoever listens instead of the broker
        Access("", "", MECHANISM),
        Access("admin", "", MECHANISM),
    ):
        with pytest.raises(KafkaError):
            await topics(broker.bootstrap, stranger)
        assert not await answers(broker.port, stranger)
    assert is_hung_up_on(broker.port)
    controller = broker._controller_port
    assert is_hung_up_on(controller), "who reaches the controller can change everything"
    assert not await may_tell(controller, access.password), "its own password, of this start alone"
    assert not await may_tell(controller, "")

    assert private(state / "kafka-access.json")
    assert private(state / "kafka" / "server.properties")
    assert RunOptions(state=state, kafka="127.0.0.1:9092").kafka_access() == OPEN, "it is for its own broker alone"


@pytest.mark.timeout(300)
async def test_a_lost_secret_and_one_of_an_older_version_are_mended_by_a_start(broker: Kafka) -> None:
    """An older version logged in by PLAIN, and the broker's data held no logins."""
    path, before = broker._state / STATE_FILE, broker.access
    await broker.stop()
    path.write_text(path.read_text().replace(MECHANISM, "PLAIN"))
    await broker.start()
    assert broker.access == before
    assert "kept" in await topics(broker.bootstrap, broker.access)

    await broker.stop()
    path.unlink()
    await broker.start()
    assert broker.access.password != before.password
    assert "kept" in await topics(broker.bootstrap, broker.access)
    assert not await answers(broker.port, before), "what was known is no longer"
    ingest = IngestSettings(state=broker._state, kafka=broker.bootstrap).kafka_access()
    assert await answers(broker.port, ingest)


def test_the_secret_stays_and_follows_the_broker_to_another_port(tmp_path: Path) -> None:
    first, services = kafka_access(tmp_path, "127.0.0.1:20001")
    assert set(services) == set(USERS)
    assert len({first.password, *services.values()}) == 4
    assert kafka_access(tmp_path, "127.0.0.1:20002") == (first, services)
    assert ScoringSettings(state=tmp_path, kafka="127.0.0.1:20002").kafka_access().user == "scoring"
    assert RunOptions(state=tmp_path, kafka="127.0.0.1:20002").kafka_access() == first
    assert RunOptions(state=tmp_path, kafka="127.0.0.1:20001").kafka_access() == OPEN
    (tmp_path / "kafka-access.json").write_text("damaged")
    again, _ = kafka_access(tmp_path, "127.0.0.1:20002")
    assert again.user
    assert again.password != first.password, "a new one: the broker is told the same"
