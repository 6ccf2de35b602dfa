"""The examples of the pages on how events come in, and an installation that is set up as these pages say."""

import asyncio
import base64
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics
from tests.support.processes import ROOT, Firsthour

PAGES = ("sending-events", "forms", "webhooks", "importing")
PARTITIONS = 4


class Example(NamedTuple):
    """A fenced block: its page, the heading it stands under, its language."""

    page: str
    section: str
    language: str
    text: str


def examples(page: str) -> Iterator[Example]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    section = ""
    for heading, language, body in re.findall(r"^## ([^\n]*)$|^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if heading:
            section = heading
        else:
            yield Example(page, section, language, body)


ALL = [example for page in PAGES for example in examples(page)]
PREAMBLE = next(each.text for each in ALL if each.language == "sh")
# These are pasted once, before ingest is restarted with the new sources.
PREPARATIONS = [each.text for each in ALL if each.language == "sh" and ">> .firsthour/secrets.env" in each.text]


def section(page: str, name: str, *languages: str) -> list[Example]:
    """The examples of one section, but for the ones that come before all."""
    before = (PREAMBLE, *PREPARATIONS)
    return [
        each
        for each in ALL
        if (each.page, each.section) == (page, name) and each.language in languages and each.text not in before
    ]


def sources(site: str) -> dict[str, Any]:
    """The sources of config/sources.yaml and of every page, with the user's site at `site`."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())["sources"]
    for each in ALL:
        if each.language == "yaml":
            more = yaml.safe_load(each.text.replace("https://example.com", site))["sources"]
            assert not found.keys() & more.keys(), "each source is described once"
            found |= more
    return found


def environment(firsthour: Firsthour) -> dict[str, str]:
    """Of somebody who pastes the examples."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return firsthour.environment() | {
        "PATH": path, "INGEST": firsthour.url("ingest"), "SCORING": firsthour.url("scoring"), "COLUMNS": "120",
    }  # fmt: skip


def paste(firsthour: Firsthour, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what stands there, in a shell that has pasted the preamble."""
    script = f"{PREAMBLE}\n{text}".replace(".firsthour/", f"{firsthour.state}/")
    return subprocess.run(
        ["bash", "-uc", script], cwd=folder, env=environment(firsthour), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


class Installed(NamedTuple):
    """What the pages set up, and where the user's own site is."""

    firsthour: Firsthour
    site_port: int

    @property
    def site(self) -> str:
        return f"http://localhost:{self.site_port}"


@contextmanager
def installed_as_documented(firsthour: Firsthour, site_port: int) -> Iterator[Installed]:
    """First with the sources that come along; then with those of the pages, as a user would go on."""
    firsthour.command("setup")
    ours = sources(f"http://localhost:{site_port}")
    (firsthour.config / "sources.yaml").write_text(yaml.safe_dump({"sources": ours}))
    for text in PREPARATIONS:
        done = paste(firsthour, text, firsthour.folder)
        assert done.returncode == 0, done.stderr
    text = (firsthour.state / "secrets.env").read_text()
    shown = {name for each in ours.values() for name in _shown_by_senders(each)} - set(
        re.findall(r"^(\w+)=", text, re.MULTILINE)
    )
    with (firsthour.state / "secrets.env").open("a") as file:
        file.writelines(f"{name}={_as_shown(name)}\n" for name in sorted(shown))
    firsthour.command("setup")
    checked = firsthour.command("check", check=False)
    assert checked.returncode == 0, checked.stderr
    try:
        firsthour.start("ingest", "scoring")
        firsthour.wait_ready("ingest", "scoring")
        yield Installed(firsthour, site_port)
        assert firsthour.stop() == {"ingest": 0, "scoring": 0}
    finally:
        for process in firsthour.processes.values():
            process.kill()
            process.wait(10)


def _as_shown(name: str) -> str:
    """What a sender shows: a secret, or where it signs with a key of its own the public half."""
    if not name.endswith("VERIFICATION_KEY"):
        return "as-the-sender-shows-it"
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _shown_by_senders(source: dict[str, Any]) -> list[str]:
    own = [] if source["kind"] == "generic" else source.get("secrets", [])  # setup makes those of kind generic
    references = [*own, *source.get("options", {}).values()]
    return [each.removeprefix("env:") for each in references]


class Arrivals:
    """What comes onto the two topics of events."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def events(self, count: int) -> list[Decoded]:
        """So many events of sources, and what has come with them."""
        found: list[Decoded] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                for records in (await self._consumer.getmany(timeout_ms=200)).values():
                    found += [decode(record.value) for record in records]
        return sorted(found, key=lambda each: (each[0].source, each[0].type))


@asynccontextmanager
async def arriving(firsthour: Firsthour) -> AsyncIterator[Arrivals]:
    """From now on."""
    topics = Topics(firsthour.topic_prefix)
    consumer = AIOKafkaConsumer(bootstrap_servers=firsthour.kafka, group_id=None)
    await consumer.start()
    try:
        consumer.assign(
            [TopicPartition(topic, n) for topic in (topics.events, topics.events_bulk) for n in range(PARTITIONS)]
        )
        await consumer.seek_to_end()
        yield Arrivals(consumer)
    finally:
        await consumer.stop()
