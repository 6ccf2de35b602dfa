"""Every way in, every kind of claim, about somebody unknown, known by a stranger, or known by a trusted sender.

On a real ingest and a real scoring: what a request may change depends on whose word it is, and on nothing else of the
way it came. The rule itself, in more claims, is the table of tests/unit/scoring/test_trust.py.
"""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import pytest

from shared.events.updates import Update, UpdateEnvelope
from tests.malformed.target import ROOT, Target, running_target
from tests.support.scoring_service import World, a_world, scoring

Trust: TypeAlias = Literal["trusted", "public"]
Lead: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[Target, Lead], int]

LONG_AGO, HUGE = "2019-05-01T10:00:00Z", 10**9
SECRET = "of-the-partner"
SOURCES = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY]}
  page: {kind: segment, keys: [env:MALFORMED_PAGE_KEY]}
  app: {kind: segment, keys: [env:MALFORMED_APP_KEY], trust: trusted}
  shop: {kind: api, keys: [env:MALFORMED_SHOP_KEY]}
  partner:
    kind: generic
    secrets: [env:PARTNER_SECRET]
    signature: {header: X-Signature}
    events:
      - type: lead.captured
        fields:
          email: /email
          phone: /phone
          user_id: /user_id
          name: /name
          company: /company
          consent.email: /consent/email
          occurred_at: /occurred_at
          estimated_value.amount: /estimated_value/amount
          estimated_value.currency: /estimated_value/currency
"""
IMPORT: Final = "an operator's import"
_IN_A_PAGE: Final = {"Origin": "https://evil.example"}


def _identified(lead: Lead) -> Lead:
    """The same as Segment's SDKs say it."""
    traits = {name: lead[name] for name in ("email", "phone", "name", "company") if name in lead}
    message: Lead = {"anonymousId": f"device of {lead['email']}", "traits": traits}
    message |= {"userId": lead["user_id"]} if "user_id" in lead else {}
    return message | ({"timestamp": lead["occurred_at"]} if "occurred_at" in lead else {})


def _form(lead: Lead) -> dict[str, str]:
    plain = {name: str(value) for name, value in lead.items() if not isinstance(value, dict)}
    return plain | ({"consent": "yes" if lead["consent"]["email"] else "no"} if "consent" in lead else {})


def _hook(target: Target, lead: Lead) -> int:
    body = json.dumps(lead).encode()
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    return target.request("POST", "/hooks/partner", body, {"X-Signature": signature}).status


def _cloud_event(target: Target, lead: Lead, key: str) -> int:
    identity = {name: lead[name] for name in ("email", "phone", "user_id") if name in lead}
    said = {name: lead[name] for name in ("name", "consent", "estimated_value") if name in lead}
    traits = {"traits": {"company": lead["company"]}} if "company" in lead else {}
    event: dict[str, Any] = {"specversion": "1.0", "id": f"{lead['email']} {sorted(lead)}", "source": "/erp", "type": "lead.captured",
             "time": lead.get("occurred_at", "2026-01-01T00:00:00Z"), "data": {"identity": identity, **said, **traits}}  # fmt: skip
    return target.post("/v1/events", event, key).status


class Way(NamedTuple):
    """Whose word it is, how it is sent, and which claims cannot be made this way."""

    trust: Trust
    send: Send
    lacks: frozenset[str] = frozenset()


_SEGMENT: Final = frozenset({"consent", "estimated_value"})
WAYS: Final[Mapping[str, Way]] = {
    "a form without a key": Way(
        "public", lambda t, lead: t.form("website", _form(lead)).status, frozenset({"occurred_at", "estimated_value"})
    ),
    "a page's key": Way("public", lambda t, lead: t.post("/v1/leads", lead, "WEBSITE").status),
    "Segment in a page": Way(
        "public", lambda t, lead: t.post("/v1/identify", _identified(lead), "PAGE").status, _SEGMENT
    ),
    "a server's key in a page": Way("public", lambda t, lead: t.post("/v1/leads", lead, "SHOP", **_IN_A_PAGE).status),
    "our own server": Way("trusted", lambda t, lead: t.post("/v1/leads", lead, "SHOP").status),
    "a server's Segment": Way(
        "trusted", lambda t, lead: t.post("/v1/identify", _identified(lead), "APP").status, _SEGMENT
    ),
    "a CloudEvent": Way("trusted", lambda t, lead: _cloud_event(t, lead, "SHOP")),
    "a verified webhook": Way("trusted", _hook),
    IMPORT: Way("trusted", lambda _t, _lead: 0),  # all at once, see `Sender`
}
# What is claimed of a person, beside the address that the claim is about, and what is looked at afterwards.
CLAIMS: Final[Mapping[str, Callable[["Person"], Lead]]] = {
    "identity: a new number beside her address": lambda her: {"email": her.email, "phone": her.number(5)},
    "address: another one beside her number": lambda her: {"email": her.other, "phone": her.number(4)},
    "id: her user id beside another address": lambda her: {"email": her.other, "user_id": her.user_id},
    "trait: another name": lambda her: {"email": her.email, "name": "Eve"},
    "trait: one that is unknown": lambda her: {"email": her.email, "company": "Engines"},
    "consent: withdrawn": lambda her: {"email": her.email, "consent": {"email": False}},
    "time: long ago": lambda her: {"email": her.email, "occurred_at": LONG_AGO},
    "money: a huge estimate": lambda her: {
        "email": her.email, "estimated_value": {"amount": "999999999999", "currency": "EUR"}},
}  # fmt: skip
NAMES: Final = tuple(CLAIMS)
KNOWN_BY: Final[tuple[Trust | None, ...]] = (None, "public", "trusted")
# By claim: what comes of it, for who is unknown, known by a stranger, known by a trusted sender.
MAY: Final[Mapping[Trust, Mapping[str, tuple[str, str, str]]]] = {
    "trusted": {
        NAMES[0]: ("apart, new number", "hers, new number", "hers, new number"),
        NAMES[1]: ("apart", "apart", "apart"),
        NAMES[2]: ("apart", "apart", "hers"),
        NAMES[3]: ("Eve", "Eve", "Eve"),
        NAMES[4]: ("Engines", "Engines", "Engines"),
        NAMES[5]: ("no", "no", "no"),
        NAMES[6]: ("as claimed", "as claimed", "as claimed"),
        NAMES[7]: ("huge", "huge", "huge"),
    },
    "public": {
        NAMES[0]: ("apart, new number", "hers, new number", "hers, old number"),
        NAMES[1]: ("apart", "apart", "apart"),
        NAMES[2]: ("apart", "apart", "apart"),
        NAMES[3]: ("Eve", "Eve", "Ada"),
        NAMES[4]: ("Engines", "Engines", "Engines"),
        NAMES[5]: ("nothing", "nothing", "yes"),  # a stranger's yes waits for the click
        NAMES[6]: ("at receipt", "at receipt", "at receipt"),
        NAMES[7]: ("bounded", "bounded", "bounded"),
    },
}


class Person(NamedTuple):
    """The one whom a cell of the table is about."""

    cell: int

    @property
    def email(self) -> str:
        return f"her-{self.cell}@example.com"

    @property
    def other(self) -> str:
        return f"other-{self.cell}@example.com"

    @property
    def user_id(self) -> str:
        return f"u-{self.cell}"

    def number(self, kind: int) -> str:
        return f"+4916{kind}{self.cell:07d}"

    def known(self) -> Lead:
        return {
            "email": self.email, "phone": self.number(4), "user_id": self.user_id, "name": "Ada",
            "consent": {"email": True},
        }  # fmt: skip


class Cell(NamedTuple):
    """One field of the table."""

    person: Person
    way: str
    claim: str
    known_by: Trust | None

    @property
    def expected(self) -> str:
        return MAY[WAYS[self.way].trust][self.claim][KNOWN_BY.index(self.known_by)]


def the_cells() -> list[Cell]:
    """Every way, every claim, whatever is known; without what cannot be said in that way."""
    cells: list[Cell] = []
    for name, way in WAYS.items():
        for claim, made in CLAIMS.items():
            for known_by in KNOWN_BY:
                person = Person(len(cells) + 1)
                if not way.lacks & made(person).keys():
                    cells.append(Cell(person, name, claim, known_by))
    return cells


def known_through(cell: Cell) -> str:
    """By whom she is known: by the very one that claims, or else by another of that trust."""
    if WAYS[cell.way].trust == cell.known_by:
        return cell.way
    return "a page's key" if cell.known_by == "public" else "our own server"


@dataclass
class Sender:
    """Sends each lead its way, and what is imported in one file at the end of a round."""

    world: World
    target: Target
    rows: list[Lead] = field(default_factory=list)
    bulk: int = 0

    def send(self, way: str, lead: Lead) -> None:
        self.world.sent += 1
        if way == IMPORT:
            self.rows.append(lead)
        else:
            assert WAYS[way].send(self.target, lead) in (200, 202), (way, lead)

    def import_(self) -> None:
        file = self.world.state.with_name(f"{self.bulk}.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        environment = {
            "PATH": os.environ["PATH"], "FIRSTHOUR_KAFKA": self.world.kafka, "FIRSTHOUR_STATE": str(self.world.state),
            "FIRSTHOUR_TOPIC_PREFIX": self.world.topics.prefix,
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "services.cli.main", "import", str(file), "--kind", "leads", "--yes", "--json"],
            cwd=ROOT, env=environment, check=True, timeout=60, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.bulk += len(self.rows)
        self.rows.clear()

    async def updates(self) -> list[UpdateEnvelope]:
        """All that came of it, once it is settled."""
        await asyncio.to_thread(self.import_)
        await self.world.settled()
        live = await self.world.updates(self.world.sent - self.bulk)
        return [*live, *await self.world.updates(self.bulk, self.world.topics.updates_bulk)]


def seen(cell: Cell, before: Update | None, after: Update) -> str:
    """What the claim came to, in the table's words."""
    contact = after.contact
    whose = "hers" if before is not None and contact.id == before.contact.id else "apart"
    kind = cell.claim.partition(":")[0]
    if kind == "identity":
        return f"{whose}, {'new' if contact.phone == cell.person.number(5) else 'old'} number"
    if kind in ("address", "id"):
        return whose
    if kind == "trait":
        return str(contact.name if "name" in cell.claim else contact.traits.get("company"))
    if kind == "consent":
        return {True: "yes", False: "no", None: "nothing"}[contact.consent.get("email")]
    if kind == "time":
        return "as claimed" if json.loads(bytes(after.event))["time"] == LONG_AGO else "at receipt"
    return "huge" if after.after.lead > HUGE else "bounded"


@pytest.fixture
def target(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Target]:
    """An ingest whose scoring is there too."""
    with running_target(kafka, topic_prefix, tmp_path, SOURCES, {"PARTNER_SECRET": SECRET}) as target:
        yield target


@pytest.fixture
async def world(kafka: str, database: str, topic_prefix: str, target: Target, tmp_path: Path) -> AsyncIterator[World]:
    assert target.port
    async with a_world(kafka, database, topic_prefix, tmp_path / "scoring") as world:
        yield world


async def test_what_a_request_may_change(world: World, target: Target) -> None:
    cells, sender = the_cells(), Sender(world, target)
    async with scoring(world):
        for cell in cells:
            if cell.known_by is not None:
                await asyncio.to_thread(sender.send, known_through(cell), cell.person.known())
        known = {each.id: each.data for each in await sender.updates()}
        for cell in cells:
            await asyncio.to_thread(sender.send, cell.way, CLAIMS[cell.claim](cell.person))
        claimed = [each.data for each in await sender.updates() if each.id not in known]
    before = {update.contact.email: update for update in known.values()}
    told = {json.loads(bytes(update.event))["data"]["identity"]["email"]: update for update in claimed}
    wrong = []
    for cell in cells:
        email = CLAIMS[cell.claim](cell.person)["email"]
        found = seen(cell, before.get(cell.person.email), told[email])
        if found != cell.expected:
            wrong.append(f"{cell.way} | {cell.claim} | known by {cell.known_by}: {found}, not {cell.expected}")
    assert not wrong, "\n" + "\n".join(wrong)
