"""The broker of `firsthour run` lets in who has the secret in the state folder, and nobody else of this machine."""

import socket
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from embedded.brokers.kafka import Kafka, answers
from embedded.brokers.state import kafka_access
from embedded.supervisor.run_options import RunOptions
from shared.kafka.access import OPEN, Access
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
        Access("firsthour", "guessed", "PLAIN"),
        Access("", "", "PLAIN"),
        Access("admin", "", "PLAIN"),
    ):
        with pytest.raises(KafkaError):
            await topics(broker.bootstrap, stranger)
        assert not await answers(broker.port, stranger)
    assert is_hung_up_on(broker.port)
    assert is_hung_up_on(broker._controller_port), "who reaches the controller can change everything"

    assert private(state / "kafka-access.json")
    assert private(state / "kafka" / "server.properties")
    assert RunOptions(state=state, kafka="127.0.0.1:9092").kafka_access() == OPEN, "it is for its own broker alone"


def test_the_secret_stays_and_follows_the_broker_to_another_port(tmp_path: Path) -> None:
    first = kafka_access(tmp_path, "127.0.0.1:20001")
    assert kafka_access(tmp_path, "127.0.0.1:20002") == first
    assert RunOptions(state=tmp_path, kafka="127.0.0.1:20002").kafka_access() == first
    assert RunOptions(state=tmp_path, kafka="127.0.0.1:20001").kafka_access() == OPEN
    (tmp_path / "kafka-access.json").write_text("damaged")
    again = kafka_access(tmp_path, "127.0.0.1:20002")
    assert again.user
    assert again.password != first.password, "a new one: the broker is told the same"
