"""What is shown is what was asked for: of whom, as of when, in which order, and where it goes on."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from services.scoring.api import changes as watching_api
from services.scoring.api import claims
from services.scoring.api import costs as costs_api
from services.scoring.claiming import Claiming
from services.scoring.config import load_scoring
from services.scoring.domain.costs import told
from services.scoring.domain.model.learnt import version_of
from services.scoring.facts import FactMaker
from services.scoring.load import Load
from services.scoring.models import InForce
from services.scoring.store import changes, costs
from services.scoring.store import models as stored
from services.scoring.store.models import StoredModel
from services.scoring.watching import Watching
from shared.clock import new_id, utc_now
from shared.http.auth import Tokens
from shared.http.problems import install_problems
from shared.money import Money
from tests.support.scoring_service import CONFIG, TOKEN, Api, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_cost, a_lead, a_purchase, an_engagement, an_identification, minutes


def ids(items: list[Any]) -> list[str]:
    return [each["contact"]["id"] for each in items]


async def waiting(world: World, count: int) -> None:
    """Leads that are worth almost the same: within a step the newest are read first, and shown by what they lose."""
    dice, now = random.Random(7), utc_now()
    for n in range(count):
        await world.tell(
            a_lead(
                email=f"p{n}@example.com",
                at=now - minutes(dice.uniform(1, 4)),
                estimated_value=Money(f"{dice.uniform(1000, 1060):.2f}", "EUR"),
                source="/sources/shop" if n % 3 else "/sources/website",
                traits={"country": "Germany" if n % 2 else "FR"},
            )
        )
    await world.settled()


async def test_later_pages_of_the_queue_go_on_in_the_moment_and_the_order_of_the_first(world: World, api: Api) -> None:
    await waiting(world, 30)
    whole = await api.get("/v1/queue", limit=100)
    for limit in (1, 4, 7):
        page = await api.get("/v1/queue", limit=limit)
        as_of, items = page["as_of"], page["items"]
        while page["next"]:
            page = await api.get("/v1/queue", limit=limit, cursor=page["next"])
            assert page["as_of"] == as_of
            items += page["items"]
        assert sorted(ids(items)) == sorted(ids(whole["items"])), limit
    cursor = (await api.get("/v1/queue", limit=1))["next"]
    now, overload, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert overload == 0
    busy = base64.urlsafe_b64encode(json.dumps([now, 1, *place]).encode()).decode().rstrip("=")
    assert (await api.get("/v1/queue", cursor=busy))["overload"] is True


async def test_the_queue_of_a_source_or_a_country_however_it_is_written(world: World, api: Api) -> None:
    await waiting(world, 6)
    everybody = (await api.get("/v1/queue"))["items"]

    async def asked(**said: str) -> set[str]:
        return {each["contact"]["email"] for each in (await api.get("/v1/queue", **said))["items"]}

    assert len(everybody) == 6
    assert (
        await asked(source="website") == await asked(source="/sources/website") == {"p0@example.com", "p3@example.com"}
    )
    for country in ("DE", "de", "Germany", "Deutschland"):
        assert await asked(country=country) == {f"p{n}@example.com" for n in (1, 3, 5)}, country
    assert await asked(source="website", country="DE") == {"p3@example.com"}


async def test_an_id_that_was_merged_away_leads_to_all_that_is_its_survivors(world: World, api: Api) -> None:
    ada, user = {"email": "ada@example.com"}, {"user_id": "u-1"}
    await world.tell(a_lead(**ada), an_identification(event="i", **user), a_purchase(at=utc_now(), **user))
    await world.settled()
    before = {each["id"] for each in await api.pages("/v1/contacts")}
    await world.tell(an_identification(event="same", at=utc_now(), **ada, **user))
    await world.settled()
    (left,) = await api.pages("/v1/contacts")
    (gone,) = before - {left["id"]}
    for what in ("", "/bookings", "/events", "/explanation", "/identities"):
        assert await api.get(f"/v1/contacts/{gone}{what}") == await api.get(f"/v1/contacts/{left['id']}{what}"), what
    assert {each["account"] for each in await api.pages(f"/v1/contacts/{gone}/bookings")} == {"lead", "customer"}


async def test_a_user_id_is_whom_a_trusted_sender_calls_so(world: World, api: Api) -> None:
    named = {"user_id": "u-1", "source": "/sources/shop"}
    await world.tell(
        a_lead(email="eve@example.com", trust="public", event="eve", **named),
        a_lead(email="ada@example.com", event="ada", **named),
    )
    await world.settled()
    (found,) = (await api.get("/v1/contacts", user_id="u-1", source="shop"))["items"]
    assert found["email"] == "ada@example.com"


async def test_a_search_shows_who_changed_last(world: World, api: Api) -> None:
    for n in range(3):
        await world.tell(a_lead(email=f"p{n}@example.com", name="Ada Adler", event=n))
        await world.settled()
    await world.tell(an_engagement(email="p1@example.com", at=utc_now()))
    await world.settled()
    answer = await api.http.post("/v1/contacts/search", json={"q": "ada", "limit": 2})
    assert [each["email"] for each in answer.json()["items"]] == ["p1@example.com", "p2@example.com"]


async def test_a_model_without_a_table_of_its_calibration_says_so(world: World, api: Api) -> None:
    now = utc_now()
    version = version_of("customer", "{}")
    async with world.engine.begin() as conn:
        await stored.add(conn, StoredModel(version, "customer", "challenger", "{}", {}, 9, now, now, None, ""))
    for name in (version, "lead-of-nobody"):
        assert (await api.http.get(f"/v1/models/{name}/calibration")).status_code == 404


async def test_nobody_is_put_off_until_yesterday(world: World, api: Api) -> None:
    await world.tell(a_lead(at=utc_now()))
    await world.settled()
    claim = (await api.http.post("/v1/queue/claim-next", json={"who": "ana"})).json()
    for days in (-1, 91):
        until = {"until": (utc_now() + timedelta(days=days)).isoformat()}
        assert (await api.http.post(f"/v1/claims/{claim['id']}/snooze", json=until)).status_code == 422
    until = {"until": (utc_now() + timedelta(days=89)).isoformat()}
    assert (await api.http.post(f"/v1/claims/{claim['id']}/snooze", json=until)).status_code == 200


async def test_who_reconnects_goes_on_behind_what_it_saw_and_not_where_it_began(world: World, api: Api) -> None:
    seen: list[str] = []

    async def shown() -> bool:
        """What any other transaction of this Postgres, of another test too, began before may still be to come."""
        revision = (await api.get("/v1/queue"))["rev"]
        new = revision not in seen
        if new:
            seen.append(revision)
        return new

    for n in range(3):
        await world.tell(a_lead(email=f"p{n}@example.com", event=n, at=utc_now()))
        await world.settled()
        await until(shown, 30)
    headers = {"Last-Event-ID": seen[1]}
    async with (
        asyncio.timeout(30),
        api.http.stream("GET", "/v1/changes", params={"after": seen[0]}, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        found = [line async for line in _until_blank(lines)]
    assert found[0] == f"id: {seen[1]}"


async def _until_blank(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        if not line:
            return
        yield line


@asynccontextmanager
async def alone(router: APIRouter) -> AsyncIterator[httpx.AsyncClient]:
    """Routes without a service: nothing runs beside them."""
    app, headers = FastAPI(), {"Authorization": f"Bearer {TOKEN}"}
    install_problems(app)
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://scoring", headers=headers) as http:
        yield http


async def test_under_overload_the_next_one_is_the_first_of_that_order(world: World) -> None:
    now, models = utc_now(), InForce(load_scoring(CONFIG))
    async with scoring(world):
        for name, amount, age in (("fresh", "2000.00", 1), ("large", "11000.00", 30)):
            value = Money(amount, "EUR")
            await world.tell(
                a_lead(email=f"{name}@example.com", estimated_value=value, at=now - minutes(age), event=name)
            )
        await world.settled()
    claiming = Claiming(world.engine, FactMaker(b"s", new_id), new_id)
    for overload, first in ((True, "large"), (False, "fresh")):
        routes = claims.routes(world.engine, models, Load(overload), claiming, Tokens(TOKEN), random.Random(1))
        async with alone(routes) as http:
            claim = (await http.post("/v1/queue/claim-next", json={"who": "ana"})).json()
            emails = "SELECT 1 FROM identities WHERE contact_id = :id AND key = :key"
            assert await world.rows(emails, id=claim["contact_id"], key=f"email:{first}@example.com"), overload
            await http.post(f"/v1/claims/{claim['id']}/release")


async def test_a_share_of_those_who_ask_get_anybody_and_the_audit_says_so(world: World) -> None:
    now, settings = utc_now(), load_scoring(CONFIG)
    async with scoring(world):
        for n in range(10):
            await world.tell(a_lead(email=f"p{n}@example.com", at=now - minutes(30 * n), event=n))
        await world.settled()
    order = [str(row.id) for row in await world.rows("SELECT id FROM contacts ORDER BY open_since DESC")]
    claiming = Claiming(world.engine, FactMaker(b"s", new_id), new_id)
    models = InForce(replace(settings, queue=replace(settings.queue, at_random=0.5)))
    got = []
    async with alone(claims.routes(world.engine, models, Load(), claiming, Tokens(TOKEN), random.Random(1))) as http:
        for _ in order:
            claim = (await http.post("/v1/queue/claim-next", json={"who": "ana"})).json()
            await http.post(f"/v1/claims/{claim['id']}/release")
            got.append(claim["contact_id"])
    said = [row.action for row in await world.rows("SELECT action FROM audit WHERE action LIKE 'claimed%' ORDER BY at")]
    in_order = [who == order[0] for who in got]
    assert 0 < said.count("claimed at random") < len(order)
    assert all(first for first, how in zip(in_order, said, strict=True) if how == "claimed")
    assert not all(in_order)


async def test_a_cost_that_was_told_anew_shows_no_share_of_the_old_one(world: World) -> None:
    models = InForce(load_scoring(CONFIG))
    now = utc_now()
    async with alone(costs_api.routes(world.engine, models, Tokens(TOKEN))) as http:
        for amount, shared in (("10.00", "10.00"), ("50.00", None)):
            event, data = a_cost(
                cost_id="web",
                amount=amount,
                event=amount,
                at=now + minutes(float(amount)),
                period_start=now - minutes(9),
            )
            cost = told(event, data)
            assert cost is not None
            async with world.engine.begin() as conn:
                await costs.tell(conn, [cost])
                if shared:
                    await costs.spread(conn, cost, 1000, now)
            (item,) = (await http.get("/v1/costs")).json()["items"]
            assert (item["amount"]["amount"], (item["shared"] or {}).get("amount")) == (amount, shared)


async def test_so_many_pages_may_watch_and_no_more(world: World) -> None:
    watching = Watching(world.engine, most=1)
    async with world.engine.begin() as conn:
        await changes.note(conn, [new_id()], queue=True)

    async def settled() -> bool:
        async with world.engine.connect() as conn:
            return bool(await changes.after(conn, 0, 1))

    await until(settled, 30)
    watch = watching.follow(0, 60.0)
    assert await anext(watch) is not None
    async with alone(watching_api.routes(watching, Tokens(TOKEN))) as http:
        answer = await http.get("/v1/changes")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        await watch.aclose()
        assert not watching.is_full
