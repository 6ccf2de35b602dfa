"""kill -9 of ingest in every phase, with Kafka there, gone and coming back: every id that got its 202 is on the topic."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from shared.events.envelope import decode
from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets
from tests.support.processes import free_ports
from tests.support.stack import OwnStack
from tests.support.topics import records_on
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
OUTAGES = 1
PHASES = ("there", "gone", "coming back")
KILLS_IN_EACH_PHASE = 4
PEOPLE = 12


@dataclass
class Ingest:
    """ingest as its own process group, killed and started again at will."""

    folder: Path
    kafka: str
    workers: int
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        environment = {
            **os.environ, "FIRSTHOUR_KAFKA": self.kafka, "FIRSTHOUR_STATE": str(self.folder),
            "FIRSTHOUR_CONFIG": str(ROOT / "config"), "FIRSTHOUR_INGEST_PORT": str(self.port),
            "FIRSTHOUR_INGEST_WORKERS": str(self.workers), "FIRSTHOUR_INGEST_KAFKA_DEADLINE": "0.7",
        }  # fmt: skip
        with (self.folder / "ingest.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli.main", "ingest"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                start_new_session=True,
            )

    def kill(self, dice: random.Random) -> None:
        """One worker of several, or all of it."""
        assert self.process is not None
        self.kills += 1
        workers = psutil.Process(self.process.pid).children()
        if workers and dice.random() < 0.5:
            with contextlib.suppress(psutil.NoSuchProcess):
                dice.choice(workers).kill()
            return
        self.kill_all()
        self.start()

    def kill_all(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def settled(self) -> bool:
        """Whether nothing is left in a spool."""
        return not list(self.folder.glob("spool/*/*.events"))


async def person(number: int, ingest: Ingest, key: str, accepted: dict[str, str], stopping: asyncio.Event) -> None:
    """Sends one lead after the other, the next only when the last was accepted."""
    sequence = 0
    async with httpx.AsyncClient(timeout=5) as client:
        while not stopping.is_set():
            message_id = f"{number}-{sequence}"
            lead = {"user_id": f"u-{number}", "message_id": message_id}
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(
                    f"http://127.0.0.1:{ingest.port}/v1/leads", json=lead, headers={"Authorization": f"Bearer {key}"}
                )
                if answer.status_code == 202:
                    accepted[message_id] = answer.json()["id"]
                    sequence += 1
                    continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.05)


async def on_the_topic(kafka: str, topic: str) -> dict[bytes, list[str]]:
    """Key → event ids in their order, from the beginning to the end."""
    found: dict[bytes, list[str]] = defaultdict(list)
    for record in await records_on(kafka, topic):
        found[record.key].append(str(decode(record.value).event.id))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
async def test_whenever_ingest_is_killed_what_it_acknowledged_is_on_the_topic(
    own_stack: OwnStack, tmp_path: Path, workers: int
) -> None:
    key = ensure_state_secrets(tmp_path, ["WEBSITE_KEY", "SHOP_KEY", "APP_KEY"])["WEBSITE_KEY"]
    await create_topics(own_stack.kafka, Topics(), partitions=4, replication=1)
    dice = random.Random(workers)
    ingest, stopping = Ingest(tmp_path, own_stack.kafka, workers), asyncio.Event()
    accepted = dict[str, str]()

    async def killed_in_mid_load() -> None:
        before = len(accepted)
        more = dice.randrange(1, 120)
        await until(lambda: len(accepted) > before + more, 60)
        await asyncio.to_thread(ingest.kill, dice)

    ingest.start()
    people = [asyncio.create_task(person(n, ingest, key, accepted, stopping)) for n in range(PEOPLE)]
    try:
        for _ in range(OUTAGES):
            for phase in PHASES:
                if phase == "gone":
                    await asyncio.to_thread(own_stack.kill_kafka)
                if phase == "coming back":
                    await asyncio.to_thread(own_stack.start_kafka)
                for _ in range(KILLS_IN_EACH_PHASE):
                    await killed_in_mid_load()
        stopping.set()
        await asyncio.gather(*people)
        await until(ingest.settled, 60)
    finally:
        stopping.set()
        await asyncio.gather(*people, return_exceptions=True)
        ingest.kill_all()

    topic = await on_the_topic(own_stack.kafka, Topics().events)
    there = {identifier for ids in topic.values() for identifier in ids}
    assert ingest.kills == OUTAGES * len(PHASES) * KILLS_IN_EACH_PHASE >= 12
    assert len(accepted) > 200
    assert set(accepted.values()) - there == set(), "accepted and lost"
    by_id = {identifier: message_id for message_id, identifier in accepted.items()}
    if workers == 1:  # each worker keeps the order of what it was given; two of them know nothing of each other
        for ids in topic.values():
            first_time = list(dict.fromkeys(by_id[each] for each in ids if each in by_id))
            assert first_time == sorted(first_time, key=lambda each: int(each.partition("-")[2])), (
                "a later one overtook"
            )
