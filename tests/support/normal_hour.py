"""An ordinary hour of a small company: what its visitors, shop, product and people send, and a file imported beside it.

With what is ordinary, too: robots, wrong input, an order sent twice, a receiver that is slow or away for a moment.
"""

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from tests.support.processes import ROOT, Firsthour
from tests.support.webhook_receiver import OK, Behave, Received, status

_PEOPLE: Final = 20_000  # of whom the file and the sources both speak
_BROWSER: Final = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@dataclass
class NormalHour:
    """What happens within it, as evenly as real things do; `sent` counts each kind."""

    firsthour: Firsthour
    http: httpx.AsyncClient
    seconds: float
    sent: Counter[str] = field(default_factory=Counter)
    _dice: Random = field(default_factory=lambda: Random(7))
    _numbers: "count[int]" = field(default_factory=count)
    _to_call: deque[tuple[float, str]] = field(default_factory=deque)  # since when each lead waits for a person
    _orders: deque[dict[str, str]] = field(default_factory=deque)

    async def pass_by(self) -> None:
        """Live through it; an answer that is not the expected one is an AssertionError."""
        times: dict[Callable[[], Awaitable[None]], int] = {
            self.lead: 40, self.form: 30, self.robot: 20, self.mistake: 10, self.valuable_lead: 8,
            self.purchase: 40, self.purchase_again: 6, self.refund: 3, self.visit: 120, self.call: 100, self.task: 60,
        }  # fmt: skip
        async with asyncio.TaskGroup() as all_of_them:
            for what, often in times.items():
                all_of_them.create_task(self._often(what, often))

    async def _often(self, what: Callable[[], Awaitable[None]], times: int) -> None:
        loop, gap = asyncio.get_running_loop(), self.seconds / times
        due, end = loop.time(), loop.time() + self.seconds
        while (due := due + gap * self._dice.uniform(0.5, 1.5)) < end:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await what()

    async def lead(self) -> None:
        """From a page of ours, by its own server."""
        email = self._somebody()
        await self._post("lead", "/v1/leads", "WEBSITE_KEY", {"email": email, "name": "Ada", "interest": "pricing"})
        self._waits(email)

    async def form(self) -> None:
        email = self._somebody()
        told = {"email": email, "message": "Please call me", "consent": "yes", "consent_wording": "Yes, write to me."}
        answer = await self.http.post(f"{self.firsthour.url('ingest')}/f/website", data=told, headers=_BROWSER)
        self._answered("form", answer, 200)
        self._waits(email)

    async def robot(self) -> None:
        """It fills in what people cannot see; nobody answers it."""
        told = {"email": self._somebody(), "message": "cheap watches", "_gotcha": "http://example.net"}
        answer = await self.http.post(f"{self.firsthour.url('ingest')}/f/website", data=told, headers=_BROWSER)
        self._answered("robot", answer, 200)

    async def mistake(self) -> None:
        """It names nobody, and its sender is told so."""
        await self._post(
            "mistake", "/v1/leads", "WEBSITE_KEY", {"email": "nobody", "interest": "pricing"}, expected=422
        )

    async def valuable_lead(self) -> None:
        email, worth = self._somebody(), {"amount": "25000.00", "currency": "EUR"}
        await self._post("valuable_lead", "/v1/leads", "SHOP_KEY", {"email": email, "estimated_value": worth})
        self._waits(email)

    async def purchase(self) -> None:
        order = {
            "email": self._somebody(),
            "order_id": f"A-{next(self._numbers)}",
            "amount": "49.90",
            "currency": "EUR",
        }
        await self._post("purchase", "/v1/purchases", "SHOP_KEY", order)
        self._orders.append(order)

    async def purchase_again(self) -> None:
        """The shop did not hear our answer."""
        if self._orders:
            await self._post("purchase_again", "/v1/purchases", "SHOP_KEY", self._orders[-1])

    async def refund(self) -> None:
        if self._orders:
            order = self._orders.popleft()
            data = {key: order[key] for key in ("order_id", "amount", "currency")}
            await self._event("refund", "purchase.refunded", order["email"], data)

    async def visit(self) -> None:
        """Five pages of one who is signed in, as Segment's library sends them."""
        user = f"u-{self._dice.randrange(_PEOPLE)}"
        pages = [
            {"type": "page", "userId": user, "properties": {"url": f"https://example.com/{page}"}} for page in range(5)
        ]
        await self._post("visit", "/v1/batch", "APP_KEY", {"batch": pages}, expected=200)

    async def call(self) -> None:
        """A person gets round to whoever has waited longest, six minutes of the hour or more, and says so in the CRM."""
        if self._to_call and self._to_call[0][0] <= asyncio.get_running_loop().time() - self.seconds / 10:
            data = {"who": "ana", "channel": "phone", "outcome": "reached", "human": True}
            await self._event("call", "contact.touched", self._to_call.popleft()[1], data)

    async def task(self) -> None:
        """A person does the task that has been open longest."""
        nurture, token = self.firsthour.url("nurture"), self.firsthour.token()
        open_ones = (await self.http.get(f"{nurture}/v1/tasks?state=open&limit=200", headers=token)).json()["items"]
        if open_ones:
            done = f"{nurture}/v1/tasks/{open_ones[-1]['id']}/done"
            self._answered("task", await self.http.post(done, json={"who": "ben"}, headers=token), 200)

    def _somebody(self) -> str:
        return person(self._dice)

    def _waits(self, email: str) -> None:
        self._to_call.append((asyncio.get_running_loop().time(), email))

    async def _event(self, what: str, type_: str, email: str, data: dict[str, Any]) -> None:
        event = {
            "specversion": "1.0", "id": f"{what}-{next(self._numbers)}", "source": "/crm", "type": type_,
            "data": {"identity": {"email": email}, **data},
        }  # fmt: skip
        url, headers = f"{self.firsthour.url('ingest')}/v1/events", self.firsthour.key("SHOP_KEY")
        headers["Content-Type"] = "application/cloudevents+json"
        self._answered(what, await self.http.post(url, content=json.dumps(event), headers=headers), 202)

    async def _post(self, what: str, path: str, key: str, body: dict[str, Any], *, expected: int = 202) -> None:
        url = f"{self.firsthour.url('ingest')}{path}"
        self._answered(what, await self.http.post(url, json=body, headers=self.firsthour.key(key)), expected)

    def _answered(self, what: str, answer: httpx.Response, expected: int) -> None:
        assert answer.status_code == expected, f"{what}: {answer.status_code} {answer.text}"
        self.sent[what] += 1


async def normal_hour(firsthour: Firsthour, *, seconds: float, rows: int) -> Counter[str]:
    """What an hour brings, within so many seconds, and beside it an import of so many rows; how often what was sent."""
    file = firsthour.folder / "old-leads.csv"
    _write_old_leads(file, rows)
    async with httpx.AsyncClient(timeout=20) as http, asyncio.TaskGroup() as both:
        hour = NormalHour(firsthour, http, seconds)
        both.create_task(hour.pass_by())
        both.create_task(_imported(firsthour, file, rows))
    return hour.sent


def as_receivers_are() -> Callable[[Received], Behave]:
    """Every 20th request takes a second; every 50th finds the receiver being deployed."""
    numbers = count(1)

    def behave(_request: Received) -> Behave:
        number = next(numbers)
        return status(503) if number % 50 == 0 else Behave(delay=1.0) if number % 20 == 0 else OK

    return behave


def person(dice: Random) -> str:
    """The address of one of those whom the company knows or will know."""
    number = dice.randrange(_PEOPLE)
    return f"person{number}@example{number % 211}.com"


def _write_old_leads(file: Path, rows: int) -> None:
    dice = Random(11)
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write("Lead ID,Email,Company,Country,Lead Source,Created Date\n")
        for row in range(rows):
            out.write(f"L-{row},{person(dice)},Engines {row % 5000},DE,Web,2026-0{1 + row % 9}-1{row % 10} 10:30:00\n")


async def _imported(firsthour: Firsthour, file: Path, rows: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", "--json",
        cwd=ROOT, env=firsthour.environment(), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        told, _ = await process.communicate()
        said = json.loads(told)
        assert said["finished"], said
        assert said["taken"] == rows, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
