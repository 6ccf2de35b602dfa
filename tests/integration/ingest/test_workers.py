"""Two processes on one port: both take leads, each has its own spool, a killed one comes back, one set of figures."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets
from tests.support.processes import free_ports
from tests.support.stack import Stack
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]


@contextmanager
def workers(folder: Path, kafka: str, prefix: str, port: int, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ, "FIRSTHOUR_KAFKA": kafka, "FIRSTHOUR_TOPIC_PREFIX": prefix, "FIRSTHOUR_STATE": str(folder),
        "FIRSTHOUR_CONFIG": str(ROOT / "config"), "FIRSTHOUR_INGEST_PORT": str(port), "FIRSTHOUR_INGEST_WORKERS": "2",
        "PYTHONPATH": str(ROOT), **more,
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "ingest"], cwd=ROOT, env=environment, stdout=log, text=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=40)


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    return ensure_state_secrets(tmp_path, ["WEBSITE_KEY", "SHOP_KEY", "APP_KEY"])


async def test_two_workers_take_leads_and_a_killed_one_comes_back(
    stack: Stack, topic_prefix: str, tmp_path: Path, keys: dict[str, str]
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {keys['WEBSITE_KEY']}"}

    def post(count: int) -> int:
        taken = 0
        for n in range(count):  # a new connection each, so that the kernel spreads them
            taken += (
                httpx.post(f"{url}/v1/leads", json={"email": f"p{n}@example.com"}, headers=headers).status_code == 202
            )
        return taken

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def spools() -> list[str]:
        return sorted(path.parent.name for path in tmp_path.glob("spool/*/lock"))

    def counted() -> int:
        found = re.findall(
            r'^firsthour_ingest_events_total\{source="website"\} (\S+)', httpx.get(f"{url}/metrics").text, re.MULTILINE
        )
        return int(float(found[0])) if found else 0

    await create_topics(stack.kafka, Topics(topic_prefix), partitions=3, replication=1)
    with workers(tmp_path, stack.kafka, topic_prefix, port) as process:
        await until(ready)
        await until(lambda: len(children(process)) == 2 and len(spools()) == 2)
        assert post(40) == 40
        await until(lambda: counted() == 40)  # whichever worker is asked, it tells of both
        first, second = children(process)
        before = {first.pid, second.pid}
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: len(now := {each.pid for each in children(process)}) == 2 and now != before)
        await until(lambda: len(children(process)) == 2 and ready())
        assert post(20) == 20
        old = children(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not any(each.is_running() for each in old)


@pytest.mark.usefixtures("keys")
async def test_workers_end_when_their_parent_is_killed(stack: Stack, topic_prefix: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with workers(tmp_path, stack.kafka, topic_prefix, port) as process:
        await until(lambda: len(children(process)) == 2)
        both = children(process)
        process.kill()
        await until(
            lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in both), deadline_s=30
        )


async def test_a_wrong_configuration_ends_the_parent_too(stack: Stack, topic_prefix: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with workers(tmp_path, stack.kafka, topic_prefix, port, FIRSTHOUR_CONFIG=str(tmp_path / "nowhere")) as process:
        assert process.wait(60) == 1
