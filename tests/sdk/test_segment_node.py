"""Segment's own SDK for Node, unchanged, against a real ingest."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.sdk.ingest import NOWHERE, event_id, running
from tests.support.processes import free_ports
from tests.support.waiting import until

KINDS = {
    "m-track": "purchase.completed",
    "m-identify": "contact.identified",
    "m-page": "engagement.recorded",
    "m-screen": "engagement.recorded",
    "m-group": "contact.identified",
    "m-alias": "contact.identified",
    "m-anonymous": "engagement.recorded",
    "m-lead": "lead.captured",
}


@asynccontextmanager
async def sending(node: Path, url: str, key: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "node", "send.mjs", url, key, cwd=node, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def said(process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    """What it printed, once it has ended well."""
    async with asyncio.timeout(60):
        out, problems = await process.communicate()
    assert (process.returncode, problems) == (0, b"")
    return [json.loads(line) for line in out.splitlines()]


async def test_every_call_arrives(kafka: str, topic_prefix: str, tmp_path: Path, node: Path) -> None:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        async with sending(node, ingest.url, ingest.key("app")) as process:
            answers = await said(process)
        found = {str(event.id): (event, data) for event, data in await ingest.events(len(KINDS))}
    assert [answer["status"] for answer in answers] == [200] * len(answers)
    assert {number: event.type for number, (event, _) in found.items()} == {
        event_id("app", message): kind for message, kind in KINDS.items()
    }
    arrived = {message: found[event_id("app", message)][1] for message in KINDS}
    assert (arrived["m-track"].amount, arrived["m-track"].items[0].sku) == ("30.5", "A-1")
    assert arrived["m-identify"].identity.email == "ada@example.com"
    assert arrived["m-page"].campaign.gclid == "g-1"
    assert arrived["m-screen"].what == "Main"
    assert arrived["m-group"].traits == {"company": "Engines", "size": 12, "group_id": "g-1"}
    assert arrived["m-alias"].identity.anonymous_id == "device-7"
    assert arrived["m-anonymous"].identity.anonymous_id == "device-8"
    assert (arrived["m-lead"].identity.email, arrived["m-lead"].name) == ("bob@example.com", "Bob")


async def test_what_was_refused_for_now_is_sent_again_as_the_same_events(
    kafka: str, topic_prefix: str, tmp_path: Path, node: Path
) -> None:
    (port,) = free_ports(1)
    async with AsyncExitStack() as parts:
        async with running(NOWHERE, topic_prefix, tmp_path, port=port, ingest_spool_bytes=0) as cut_off:
            process = await parts.enter_async_context(sending(node, cut_off.url, cut_off.key("app")))

            async def refused() -> bool:
                return await cut_off.answers("/v1/batch", 503) > 0

            await until(refused)
        async with running(kafka, topic_prefix, tmp_path, port=port) as back:
            answers = await said(process)
            ids = {str(event.id) for event, _ in await back.events(len(KINDS))}
    assert ids == {event_id("app", message) for message in KINDS}
    assert {answer.get("status") for answer in answers} == {503, 200}


async def test_a_wrong_key_is_told_to_the_program(kafka: str, topic_prefix: str, tmp_path: Path, node: Path) -> None:
    async with running(kafka, topic_prefix, tmp_path) as ingest, sending(node, ingest.url, "wrong") as process:
        answers = await said(process)
    assert [answer for answer in answers if "code" in answer]
    assert {answer["status"] for answer in answers if "status" in answer} == {401}
