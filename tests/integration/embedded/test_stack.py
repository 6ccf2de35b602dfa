"""Kafka and Postgres together in one state folder: kept data, killed runs, clear words."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from embedded.brokers.kafka import Kafka
from embedded.brokers.kafka_security import answers
from embedded.brokers.ports import free_port, is_free
from embedded.brokers.process import ProcessDied
from embedded.brokers.stack import PortsTaken, check_ports, stack
from embedded.brokers.state import StateInUse, StateUnusable, locked
from tests.support.stack import reachable_folder
from tests.support.waiting import until


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder that does not exist yet."""
    with reachable_folder() as folder:
        yield folder / "state"


async def make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def topics(bootstrap: str) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def fetch(url: str, statement: str) -> object:
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(statement)
    finally:
        await conn.close()


async def test_a_second_start_finds_the_data_of_the_first(state: Path) -> None:
    said: list[tuple[str, str]] = []
    async with stack(
        state, fsync=False, authenticated=False, report=lambda name, text: said.append((name, text))
    ) as first:
        assert ("kafka", "ready") in said
        assert ("postgres", "ready") in said
        await make_topic(first.bootstrap, "kept")
        await fetch(first.database_url, "CREATE TABLE kept (n int)")
        pids = [first.kafka.child.pid, first.postgres.child.pid] if first.kafka.child and first.postgres.child else []
        assert all(psutil.pid_exists(pid) for pid in pids if pid)
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert not list((state / "run").iterdir())

    async with stack(state, fsync=False, authenticated=False) as second:
        assert "kept" in await topics(second.bootstrap)
        assert await fetch(second.database_url, "SELECT count(*) FROM kept") == 0


KILLED = """
import asyncio, sys
from pathlib import Path
from embedded.brokers.stack import stack
async def main():
    async with stack(Path(sys.argv[1]), kafka_port=int(sys.argv[2]), postgres_port=int(sys.argv[3]), fsync=False,
            authenticated=False) as s:
        print(s.kafka.child.pid, s.postgres.child.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_a_killed_run_leaves_nothing_and_the_next_one_starts(state: Path) -> None:
    ports = free_port(), free_port()
    arguments = [sys.executable, "-c", KILLED, str(state), *map(str, ports)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pids = [int(word) for word in (await asyncio.to_thread(run.stdout.readline)).split()]
        assert len(pids) == 2
        run.kill()
    if sys.platform == "linux":
        await until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    async with stack(state, kafka_port=ports[0], postgres_port=ports[1], fsync=False, authenticated=False) as running:
        assert await fetch(running.database_url, "SELECT 1") == 1
        assert await answers(ports[0])


async def test_one_state_serves_one_run(state: Path) -> None:
    with locked(state), pytest.raises(StateInUse, match=r"another `firsthour run` \(pid \d+\) uses .*--state"):
        async with stack(state):
            pass
    with locked(state):
        pass


def test_a_state_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StateUnusable, match=r"cannot use the state folder .*--state"),
        locked(tmp_path / "file" / "state"),
    ):
        pass


async def test_every_taken_port_is_named_with_what_changes_it(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [each.getsockname()[1] for each in (one, two)]
        assert not any(is_free(port) for port in taken)
        with pytest.raises(PortsTaken) as problem:
            check_ports({"FIRSTHOUR_A_PORT": taken[0], "FIRSTHOUR_B_PORT": taken[1], "FIRSTHOUR_C_PORT": 0})
        first, second = str(problem.value).splitlines()
        assert f"port {taken[0]} is taken" in first
        assert "set FIRSTHOUR_A_PORT to another" in first
        assert "set FIRSTHOUR_B_PORT to another" in second
        with pytest.raises(PortsTaken, match=str(taken[0])):
            async with stack(state, kafka_port=taken[0]):
                pass
        assert not (state / "kafka").exists(), "nothing was started"


def test_a_port_that_two_want_is_named() -> None:
    with pytest.raises(PortsTaken, match="used more than once: change FIRSTHOUR_A_PORT or FIRSTHOUR_B_PORT"):
        check_ports({"FIRSTHOUR_A_PORT": 28123, "FIRSTHOUR_B_PORT": 28123})


async def test_data_of_kafka_without_their_label_are_not_thrown_away(state: Path) -> None:
    metadata = state / "kafka" / "data" / "__cluster_metadata-0"
    metadata.mkdir(parents=True)
    with pytest.raises(StateUnusable, match=r"without its meta\.properties"):
        await Kafka(state).start()
    assert metadata.exists()


async def test_a_broker_that_cannot_start_says_why(state: Path) -> None:
    (state / "kafka").mkdir(parents=True)
    port = free_port()
    broker = Kafka(state, port)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ProcessDied, match="Kafka ended while it started") as death,
    ):
        await broker.start()
    assert "Address already in use" in death.value.log


def broker_of(bootstrap: str) -> tuple[psutil.Process, str]:
    """The process of the broker at that address, and its properties."""
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if "kafka.Kafka" in arguments and Path(arguments[-1]).is_absolute():
            try:
                properties = Path(arguments[-1]).read_text()
            except OSError:  # somebody else's
                continue
            if f"advertised.listeners=CLIENTS://{bootstrap}\n" in properties:
                return process, properties
    raise AssertionError(f"no broker at {bootstrap}")


def test_the_broker_is_for_this_machine_alone_and_makes_no_topic_by_itself(kafka: str) -> None:
    process, properties = broker_of(kafka)
    listening = [each.laddr[0] for each in process.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert "auto.create.topics.enable=false\n" in properties
