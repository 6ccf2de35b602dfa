"""Every example on how events come in is run as it stands there, and what it sends arrives."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from services.ingest.domain.hooks.hook import Incoming, sha256
from tests.e2e.docs_examples import (
    ALL,
    PREAMBLE,
    PREPARATIONS,
    Installed,
    arriving,
    environment,
    paste,
    section,
)
from tests.sdk.conftest import node
from tests.support.processes import ROOT
from tests.support.waiting import until

__all__ = ["node"]
pytestmark = pytest.mark.xdist_group("docs")

LEAD, PURCHASE, REFUND = "lead.captured", "purchase.completed", "purchase.refunded"
KNOWN, DONE, COST = "contact.identified", "engagement.recorded", "cost.recorded"
# Page and section → source and type of what its shell commands send.
ARRIVES: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("sending-events", "A lead, as JSON"): [("website", LEAD)],
    ("sending-events", "A purchase, as JSON"): [("shop", PURCHASE)],
    ("sending-events", "Segment, in a server"): [("app", KNOWN), ("app", DONE), ("app", DONE)],
    ("sending-events", "CloudEvents"): [("shop", COST), ("shop", DONE), ("shop", "feedback.given"), ("shop", REFUND)],
    ("forms", "A plain HTML form"): [("website", LEAD)],
    ("forms", "WordPress"): [("website", LEAD)],
    ("forms", "Webflow"): [("webflow", LEAD)],
    ("webhooks", "Stripe"): [("stripe", KNOWN), ("stripe", PURCHASE)],
    ("webhooks", "Meta lead ads"): [],
    ("webhooks", "Google lead forms"): [("google", LEAD)],
    ("webhooks", "Anything else"): [("crm", LEAD)],
    ("importing", ""): [("import", LEAD), ("import", LEAD)],
    ("importing", "Columns"): [("import", PURCHASE)],
    ("importing", "What advertising cost"): [("costs", COST), ("costs", COST)],
    ("importing", "JSON lines"): [("fair", LEAD)],
}  # fmt: skip
ADDRESSES = {"ada@example.com", "grace@example.com", None}


def test_no_command_is_left_out() -> None:
    commands = {(each.page, each.section) for each in ALL if each.language == "sh"}
    before = {(each.page, each.section) for each in ALL if each.text in (PREAMBLE, *PREPARATIONS)}
    assert commands - before <= set(ARRIVES) <= commands


@pytest.mark.parametrize(("page", "name"), ARRIVES)
async def test_the_commands_of_a_section_work_as_they_stand(
    documented: Installed, tmp_path: Path, page: str, name: str
) -> None:
    firsthour, expected = documented.firsthour, ARRIVES[page, name]
    asking = [each.text for each in section(page, name, "sh") if "$SCORING" in each.text]
    sending = [each.text for each in section(page, name, "sh") if each.text not in asking]
    async with arriving(firsthour) as arrivals:
        done = await asyncio.to_thread(paste, firsthour, "\n".join(sending), tmp_path)
        assert (done.returncode, "curl: " in done.stderr) == (0, False), done.stdout + done.stderr
        events = await arrivals.events(len(expected))
    assert [(event.source, event.type) for event, _ in events] == [(f"/sources/{of}", kind) for of, kind in expected]
    assert {getattr(getattr(data, "identity", None), "email", None) for _, data in events} <= ADDRESSES
    for text in asking:

        async def known(text: str = text) -> bool:
            answer = await asyncio.to_thread(paste, firsthour, text, tmp_path)
            return "ada@example.com" in answer.stdout

        await until(known)


def test_metas_question_comes_back(documented: Installed, tmp_path: Path) -> None:
    (example,) = section("webhooks", "Meta lead ads", "sh")
    assert paste(documented.firsthour, example.text, tmp_path).stdout == "1158201444"


async def run_program(documented: Installed, command: list[str], folder: Path) -> None:
    given = environment(documented.firsthour) | {"APP_KEY": documented.firsthour.secret("APP_KEY")}
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


async def test_the_python_program_sends_what_it_says(documented: Installed, tmp_path: Path) -> None:
    (example,) = section("sending-events", "Segment, in a server", "python")
    async with arriving(documented.firsthour) as arrivals:
        await run_program(documented, [sys.executable, "-c", example.text], tmp_path)
        events = await arrivals.events(2)
    assert [(event.type, data.identity.user_id) for event, data in events] == [(KNOWN, "u-1"), (PURCHASE, "u-1")]


async def test_the_node_program_sends_what_it_says(documented: Installed, node: Path) -> None:
    (example,) = section("sending-events", "Segment, in a server", "js")
    (node / "example.mjs").write_text(example.text)
    async with arriving(documented.firsthour) as arrivals:
        await run_program(documented, ["node", "example.mjs"], node)
        events = await arrivals.events(2)
    assert [(event.type, data.identity.user_id) for event, data in events] == [(KNOWN, "u-1"), (LEAD, "u-1")]


async def test_imported_leads_are_of_the_time_that_the_file_says(documented: Installed, tmp_path: Path) -> None:
    (example,) = section("importing", "", "sh")
    async with arriving(documented.firsthour) as arrivals:
        done = await asyncio.to_thread(paste, documented.firsthour, example.text, tmp_path)
        events = await arrivals.events(2)
    assert "refused_reason" in done.stdout
    assert {event.time for event, _ in events} == {
        datetime(2026, 1, 31, 9, 0, tzinfo=UTC), datetime(2026, 1, 30, 8, 30, tzinfo=UTC),
    }  # fmt: skip


def test_the_error_that_is_shown_is_the_error_that_is_answered(documented: Installed) -> None:
    (shown,) = section("sending-events", "A lead, as JSON", "json")
    firsthour = documented.firsthour
    answer = httpx.post(f"{firsthour.url('ingest')}/v1/leads", json={"email": "nobody"}, headers=firsthour.key())
    assert answer.json() == json.loads(shown.text)


def test_the_sender_that_is_shown_verifies_and_reads() -> None:
    (example,) = section("webhooks", "Add a sender", "python")
    module = ModuleType("acme")
    exec(compile(example.text, "acme.py", "exec"), module.__dict__)
    document: dict[str, Any] = {
        "id": "b-1", "event": "demo.booked", "booked_at": "2026-01-01T10:00:00Z", "visitor": {"email": "ada@example.com"},
    }  # fmt: skip
    body = json.dumps(document).encode()
    headers = {"x-acme-signature": base64.b64encode(sha256(b"secret", body)).decode()}
    incoming = Incoming(headers, body, "", datetime(2026, 1, 1, tzinfo=UTC))
    module.HOOK.verify(incoming, ["secret"], {})
    (fact,) = module.HOOK.read(incoming, document, {}).facts
    assert (fact.type, fact.sender_id, fact.identity.email) == (LEAD, "b-1", "ada@example.com")


@pytest.mark.parametrize("page", ["sending-events", "forms", "webhooks", "importing"])
def test_every_link_to_a_heading_leads_there(page: str) -> None:
    def anchors(name: str) -> set[str]:
        lines = (ROOT / "docs" / name).read_text().splitlines()
        headings = [line.lstrip("# ") for line in lines if line.startswith("#")]
        plain = ["".join(c for c in each.lower() if c.isalnum() or c in " -") for each in headings]
        return {each.replace(" ", "-") for each in plain}

    for target, anchor in links((ROOT / "docs" / f"{page}.md").read_text()):
        assert anchor in anchors(target or f"{page}.md"), f"{target}#{anchor}"


def links(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("](")[1:]:
        target, hash_, anchor = part.partition(")")[0].partition("#")
        if hash_ and not target.startswith("http") and os.sep not in target:
            yield target, anchor
