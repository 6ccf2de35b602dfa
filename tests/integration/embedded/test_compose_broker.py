"""The broker of docker-compose.yml, by its own settings and its own passwords, on the Kafka that is here without Docker."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from embedded.brokers import jars
from embedded.brokers.kafka import Kafka
from embedded.brokers.kafka_security import answers
from embedded.brokers.ports import free_port
from embedded.brokers.process import Child, Command
from services.cli.setup import make_topics
from shared.kafka.access import OPEN, Access
from shared.kafka.logins import MECHANISM, read_logins, write_logins
from shared.kafka.rights import USERS
from shared.kafka.topics import Topics
from shared.settings import Settings, load
from tests.integration.embedded.test_kafka_access import is_hung_up_on, may_read, may_write
from tests.support.stack import reachable_folder

ROOT = Path(__file__).parents[3]


class ComposeBroker:
    """The passwords as the container `secrets` makes them, and the broker as its container is told to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.controller = free_port(), free_port()
        for name in ("kafka", "setup", *USERS):
            (folder / "logins" / name).mkdir(parents=True)
        command = [
            sys.executable,
            *map(str, (ROOT / "deploy/compose/passwords.py", folder / "secrets", folder / "logins")),
        ]
        subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT)}, timeout=60)
        service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"]
        self.settings: dict[str, str] = service["environment"]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def access(self, user: str) -> Access:
        folder = "setup" if user == "firsthour" else user
        return Access(user, (self.folder / "logins" / folder / "kafka-password").read_text(), MECHANISM)

    async def set_up(self) -> None:
        """As its container does it, at the address that the broker has here."""
        path, whole = self.folder / "logins" / "setup" / "kafka-logins.json", self.access("firsthour")
        logins = read_logins(path)
        assert logins.controller == "kafka:9093"
        write_logins(path, replace(logins, controller=f"127.0.0.1:{self.controller}"))
        settings = load(
            Settings, kafka=self.bootstrap, kafka_user=whole.user, kafka_password=whole.password,
            kafka_grant=True, kafka_logins=path, topic_partitions=1,
        )  # fmt: skip
        for _ in range(2):  # at each start
            await make_topics(settings)

    async def start(self) -> Child:
        """As the image does it: a property of each KAFKA_A_B, made ready once, and started with KAFKA_OPTS."""
        places = {":9092": f":{self.port}", ":9093": f":{self.controller}", "kafka:": "127.0.0.1:"}
        lines = []
        for name, text in self.settings.items():
            if name in ("KAFKA_OPTS", "KAFKA_HEAP_OPTS"):
                continue
            value = text.replace("/var/lib/kafka/data", str(self.folder / "data"))
            for old, new in places.items():
                value = value.replace(old, new)
            value = value.replace("//:", "//127.0.0.1:").replace("localhost", "127.0.0.1")
            lines.append(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}\n")
        properties = self.folder / "server.properties"
        properties.write_text("".join(lines))
        options = self.settings["KAFKA_OPTS"].replace("/login/", f"{self.folder}/logins/kafka/").split()
        classpath = jars.class_path(jars.read_pins(), jars.cache_folder())
        command = Kafka(self.folder).command("kafka", classpath, properties, *options)
        format_ = (*command.arguments[:-2], "kafka.tools.StorageTool", "format", "-t", "5L6g3nShT-eMCtK--X86sw", "-c")
        subprocess.run(
            [*format_, str(properties)], check=True, env=dict(os.environ), timeout=120, stdout=subprocess.PIPE
        )
        child = Child(Command("kafka", command.arguments, command.environment, self.folder), self.folder)
        child.start()
        return child


@pytest.fixture
async def broker() -> AsyncIterator[ComposeBroker]:
    with reachable_folder() as folder:
        broker = ComposeBroker(folder)
        (folder / "kafka" / "tmp").mkdir(parents=True)
        child = await broker.start()
        try:
            await broker.set_up()  # waits for the broker
            yield broker
        finally:
            child.kill()
            await asyncio.wait_for(child.ended(), 30)


@pytest.mark.timeout(300)
async def test_compose_s_broker_lets_each_in_by_its_own_password_to_its_own_work(broker: ComposeBroker) -> None:
    topics, whole = Topics(), broker.access("firsthour")
    assert is_hung_up_on(broker.port)
    assert is_hung_up_on(broker.controller)
    for stranger in (
        OPEN,
        Access("ingest", "guessed", MECHANISM),
        Access("scoring", broker.access("ingest").password, MECHANISM),
        Access("firsthour", whole.password, "PLAIN"),
    ):
        assert not await answers(broker.port, stranger)
    assert await may_write(broker.bootstrap, broker.access("ingest"), topics.events)
    assert not await may_write(broker.bootstrap, broker.access("ingest"), topics.updates)
    assert not await may_read(broker.bootstrap, broker.access("ingest"), topics.events, "ingest")
    assert await may_read(broker.bootstrap, broker.access("scoring"), topics.events, "scoring")
    assert not await may_read(broker.bootstrap, broker.access("nurture"), topics.events, "nurture")
