"""`firsthour import` onto a real broker: what is on the topic afterwards, and what is beside the file."""

import asyncio
import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics, create_topics

ROOT = Path(__file__).parents[2]
LEADS = """\
Vorname;Nachname;E-Mail;Telefon;Firma;Erstellt am;Umsatzziel;Nachricht;utm_source
Ada;Lovelace;Ada@Example.com;030 12345;Engines;13.01.2026 10:00;gross;"Guten Tag,
wir hätten eine Frage";google
Grace;Hopper;grace@example.com;+44 1632 960961;Navy;14.01.2026 23:30;;;
"""


@dataclass
class Place:
    """Where an import goes to."""

    kafka: str
    prefix: str
    folder: Path

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error::ResourceWarning",
            "FIRSTHOUR_KAFKA": self.kafka,
            "FIRSTHOUR_TOPIC_PREFIX": self.prefix,
            "FIRSTHOUR_STATE": str(self.folder / "state"),
            "COLUMNS": "200",
        }

    def run(self, file: Path, *options: str, say: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", "import", str(file), *options],
            cwd=ROOT, env=self.environment(), input=say, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def imported(self, file: Path, *options: str, code: int = 0) -> dict[str, Any]:
        done = self.run(file, "--yes", "--json", *options)
        assert done.returncode == code, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def events(self) -> list[tuple[bytes, Decoded]]:
        """Everything on the bulk lane now."""
        topic = Topics(self.prefix).events_bulk
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, group_id=None, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or range(3)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning()
            found: list[tuple[bytes, Decoded]] = []
            async with asyncio.timeout(20):
                while len(found) < sum(ends.values()):
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += [(record.key, decode(record.value)) for record in records]
            return found
        finally:
            await consumer.stop()


@pytest.fixture
async def place(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    return Place(kafka, topic_prefix, tmp_path)


async def test_leads_of_a_german_sheet_are_events_on_the_bulk_lane(place: Place) -> None:
    told = place.imported(place.file("leads.csv", LEADS.encode("cp1252")), "--zone", "Europe/Berlin")
    assert (told["taken"], told["refused"], told["understood"]["encoding"]) == (2, 0, "cp1252")
    found = {data.identity.email: (key, event, data) for key, (event, data) in await place.events()}
    key, event, ada = found["ada@example.com"]
    assert (event.type, event.source, event.subject) == ("lead.captured", "/sources/import", "email:ada@example.com")
    assert event.time.isoformat() == "2026-01-13T09:00:00+00:00"
    assert (ada.name, ada.campaign.source) == ("Ada Lovelace", "google")
    assert ada.message == "Guten Tag,\nwir hätten eine Frage"
    assert ada.traits == {"company": "Engines", "Umsatzziel": "gross", "phone_as_written": "030 12345"}
    assert len(key) == 32
    _, _, grace = found["grace@example.com"]
    assert grace.identity.phone == "+441632960961"
