"""The demo: sample people arrive over HTTP at a readable pace, and each is followed from outside."""

import asyncio
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import httpx
from rich.console import Console
from rich.live import Live

from demo import view
from demo.people import Person, people
from demo.view import Row
from shared.secrets import ensure_admin_token, resolve

_LOOK_S: Final = 0.2
_PATIENCE_S: Final = 60.0
_KEYS: Final = ("WEBSITE_KEY", "SHOP_KEY")  # of the sources that come with Firsthour
_TALK: Final = {"first-hour": "left the first hour by its goal", "thank-customer": "thanked as a customer"}


@dataclass(frozen=True, slots=True)
class Options:
    """`leads` people, one every `pace` seconds. `leave`: stop after the summary, else run until Ctrl-C."""

    leads: int = 12
    pace: float = 2.0
    seed: int = 1
    leave: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is: the addresses of the services and of the sinks, and the state folder with the keys."""

    ingest: str
    scoring: str
    nurture: str
    sinks: str
    state: Path


@dataclass(slots=True)
class _Lead:
    person: Person
    row: Row
    posted: float = 0.0  # the wall clock, as the sinks' receipts
    contact_id: str | None = None
    bought: bool = False

    @property
    def to_buy(self) -> bool:
        """Whether this person will buy and has not yet."""
        return self.person.buys and not self.bought


@dataclass
class _Demo:
    place: Place
    options: Options
    http: httpx.AsyncClient
    console: Console
    leads: list[_Lead] = field(default_factory=list)
    landed: dict[str, Any] = field(default_factory=lambda: {"items": [], "refused": 0})
    mails: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        website, shop = (resolve(f"env:{name}", os.environ, self.place.state) for name in _KEYS)
        self.website = {"Authorization": f"Bearer {website}"}
        self.shop = {"Authorization": f"Bearer {shop}"}
        self.token = {"Authorization": f"Bearer {ensure_admin_token(self.place.state)}"}

    async def come(self, person: Person) -> None:
        """A visitor looks around, then asks to be contacted."""
        device = secrets.token_hex(8)
        for _ in range(person.views):
            view_of = {"anonymousId": device, "properties": {"url": "https://example.com/pricing"}}
            await self._post("/v1/page", json=view_of, headers=self.website)
        lead = _Lead(person, Row(person.name, "form" if person.by_form else "API"))
        self.leads.append(lead)
        lead.posted = time.time()  # noqa: TID251 - compared with the receipts of another process
        about = {"email": person.email, "name": person.name, "company": person.company, "country": person.country,
                 "interest": person.interest, "anonymous_id": device}  # fmt: skip
        if person.by_form:
            await self._post("/f/website", data=about, headers={"Accept": "application/json"})
        else:
            worth = {"estimated_value": {"amount": person.value, "currency": "EUR"}} if person.value else {}
            await self._post("/v1/leads", json={**about, **worth}, headers=self.website)

    async def buy(self, lead: _Lead) -> None:
        """A lead becomes a customer."""
        lead.bought = True
        order = {"email": lead.person.email, "order_id": secrets.token_hex(4), "amount": lead.person.value or "99.00",
                 "currency": "EUR"}  # fmt: skip
        await self._post("/v1/purchases", json=order, headers=self.shop)
        self.tell(lead, "bought")

    async def _post(self, path: str, **given: Any) -> None:
        answer = await self.http.post(f"{self.place.ingest}{path}", **given)
        answer.raise_for_status()

    async def _get(self, url: str, **params: str) -> list[dict[str, Any]]:
        answer = await self.http.get(url, params=params, headers=self.token)
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def look(self) -> None:
        """See what landed and what became of each lead."""
        self.landed = (await self.http.get(f"{self.place.sinks}/webhooks.json")).json()
        self.mails = (await self.http.get(f"{self.place.sinks}/mails.json")).json()["items"]
        for lead in self.leads:
            await self._look_at(lead)

    async def _look_at(self, lead: _Lead) -> None:
        email = lead.person.email
        for webhook in self.landed["items"]:
            data = webhook["payload"]["data"]
            if data["contact"]["email"] == email:
                self._followed_up(lead, webhook)
        for mail in self.mails:
            if email in mail["to"]:
                self.tell(lead, f"mail “{mail['subject']}”")
        await self._value(lead)
        if lead.contact_id is not None:
            for task in await self._get(f"{self.place.nurture}/v1/tasks", contact=lead.contact_id):
                self.tell(lead, f"task {task['name']} for {task['rep']}")
            if lead.bought:
                for run in await self._get(f"{self.place.nurture}/v1/enrolments", contact=lead.contact_id):
                    done = run["workflow"] != "first-hour" or run["status"] == "goal_reached"
                    if done and run["workflow"] in _TALK:
                        self.tell(lead, _TALK[run["workflow"]])

    def _followed_up(self, lead: _Lead, webhook: dict[str, Any]) -> None:
        if lead.row.seconds is None:
            received = _seconds_since_1970(webhook["received_at"])
            lead.row.seconds = max(0.0, received - lead.posted)
            if lead.row.note(f"webhook to {webhook['endpoint']}"):
                self.print_line(lead)

    async def _value(self, lead: _Lead) -> None:
        found = await self._get(f"{self.place.scoring}/v1/contacts", email=lead.person.email)
        if not found:
            return
        contact = found[0]
        lead.contact_id = contact["id"]
        account = "customer" if contact["stage"] == "customer" else "lead"
        worth = contact[f"{account}_value"]
        value = f"{worth['amount']} {worth['currency']}"
        if value != lead.row.value:
            bookings = await self._get(f"{self.place.scoring}/v1/contacts/{lead.contact_id}/bookings")
            lead.row.value, lead.row.reason = value, _main_reason(bookings, account)

    def tell(self, lead: _Lead, what: str) -> None:
        """Note and show what happened next to a lead."""
        if lead.row.note(what):
            self.print_line(lead)

    def print_line(self, lead: _Lead) -> None:
        """Where there is no terminal, a line for each change."""
        if not self.console.is_terminal and not self.options.as_json:
            self.console.print(view.line(lead.row), soft_wrap=True)

    @property
    def complete(self) -> bool:
        """Whether every lead was followed up, valued, and every buyer left by the goal."""
        return all(
            lead.row.seconds is not None
            and lead.row.value
            and (not lead.bought or _TALK["first-hour"] in lead.row.then)
            and any(what.startswith("mail") for what in lead.row.then)
            for lead in self.leads
        )

    def summary(self) -> dict[str, Any]:
        return view.summary(
            [lead.row for lead in self.leads],
            webhooks=len(self.landed["items"]),
            refused=self.landed["refused"],
            mails=len(self.mails),
            purchases=sum(lead.bought for lead in self.leads),
        )


async def show(place: Place, options: Options) -> None:
    """Run the demo against running services, and show it, until it is over (`leave`) or cancelled."""
    console = Console(stderr=options.as_json)
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:  # no proxy: all of it is on this machine
        demo = _Demo(place, options, http, console)
        with Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else _Quiet() as live:
            coming = asyncio.create_task(_come_one_by_one(demo))
            end = time.monotonic() + _PATIENCE_S + options.leads * (options.pace + 1)
            while not (coming.done() and demo.complete) and time.monotonic() < end:
                await asyncio.sleep(_LOOK_S)
                if coming.done():
                    coming.result()  # what went wrong with it is said
                await demo.look()
                live.update(view.table([lead.row for lead in demo.leads], page=f"{place.sinks}/"), refresh=True)
            await coming
    result = demo.summary()
    if options.as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    else:
        console.print(view.as_text(result), soft_wrap=True)
    if not options.leave:
        if not options.as_json:
            console.print("Everything keeps running: post leads of your own. Ctrl-C stops it.")
        await asyncio.Event().wait()


class _Quiet:
    """Stands in for rich's Live where there is no terminal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def update(self, _table: object, *, refresh: bool) -> None:
        """Do nothing: lines are printed as they come."""


async def _come_one_by_one(demo: _Demo) -> None:
    everybody = people(demo.options.leads, seed=demo.options.seed, run=secrets.token_hex(3))
    for person in everybody:
        await demo.come(person)
        await asyncio.sleep(demo.options.pace)
        ready = (lead for lead in demo.leads if lead.row.seconds is not None and lead.to_buy)
        if buyer := next(ready, None):
            await demo.buy(buyer)
    await asyncio.sleep(demo.options.pace)
    for lead in demo.leads:
        if lead.to_buy:
            await demo.buy(lead)


def _main_reason(bookings: list[dict[str, Any]], account: str) -> str:
    """The factor that moved the value most."""
    sums: dict[str, float] = {}
    for booking in bookings:
        if booking["account"] == account:
            sums[booking["factor"]] = sums.get(booking["factor"], 0.0) + float(booking["amount"]["amount"])
    return max(sums, key=lambda factor: abs(sums[factor])) if sums else ""


def _seconds_since_1970(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
