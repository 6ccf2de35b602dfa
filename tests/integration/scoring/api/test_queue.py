"""The queue as Postgres gives it out: page by page everybody once, in the order of the rule, whatever the numbers."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.queue import Asked, the_queue
from services.scoring.claiming import Claiming
from services.scoring.domain import bookings, queue
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.model.queue_settings import ResponseCurve
from services.scoring.facts import FactMaker
from services.scoring.store import changes, claims
from services.scoring.store import queue as store
from services.scoring.store.contacts import batch
from services.scoring.store.queue import Waiting
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from tests.support.scoring_service import Api, World
from tests.unit.scoring.builders import a_contact, a_lead, a_model, a_touch, after, minutes
from tests.unit.scoring.customer.test_at_risk import MODEL as OF_BOTH
from tests.unit.scoring.customer.test_at_risk import a_customer

MODEL = a_model(curves={"shop": ResponseCurve(0.0, 0.5, 0.169)})
NOW = utc_now()


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    yield engine
    await engine.dispose()


def a_waiting(number: int, dice: random.Random) -> ContactState:
    """Somebody who asked within the last days: some at one moment, some worth the same, some reached since."""
    at = NOW - minutes(dice.choice([0, 1, 1, 30, 60, dice.random() * 5000]))
    source = dice.choice(["/sources/website", "/sources/shop"])
    told = [a_lead(email=f"p{number}@example.com", at=at, source=source, event=number)]
    if dice.random() < 0.2:
        told.append(a_touch(email=f"p{number}@example.com", at=at + minutes(1), event=f"t{number}"))
    state, _ = bookings.revalue(after(a_contact(id=new_id(), created=at), *told).state, MODEL)
    if state.worth is None:
        return state
    return msgspec.structs.replace(state, worth=dice.choice([state.worth, 100, 101, 300]))


async def pages(engine: AsyncEngine, limit: int, *, overload: bool) -> list[Waiting]:
    found: list[Waiting] = []
    async with engine.connect() as conn:
        while True:
            place = store.place_of(found[-1]) if found else None
            page = await store.top(conn, MODEL, NOW, limit, overload=overload, after=place)
            found += page
            if len(page) < limit:
                return found


def rank(state: ContactState, *, overload: bool) -> float:
    assert state.captured is not None
    assert state.worth is not None
    age = max(0.0, NOW.timestamp() - state.captured) / 60
    return queue.rank(MODEL.queue.curve(state.curve), state.worth, age, overload=overload)


def ids(found: Sequence[Waiting]) -> list[UUID]:
    return [each.contact.state.id for each in found]


@pytest.mark.parametrize("overload", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 50])
async def test_pages_hold_everybody_who_waits_once_and_in_order(
    engine: AsyncEngine, limit: int, *, overload: bool
) -> None:
    dice = random.Random(f"{limit}{overload}")
    states = [a_waiting(number, dice) for number in range(120)]
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, states, NOW)
    found = await pages(engine, limit, overload=overload)
    waiting = {state.id: rank(state, overload=overload) for state in states if state.worth is not None}
    assert 60 < len(waiting) < 120
    assert len(ids(found)) == len(set(ids(found)))
    assert set(ids(found)) == set(waiting)
    assert [each.rank for each in found] == sorted((each.rank for each in found), reverse=True)
    assert [each.rank for each in found] == pytest.approx([waiting[each] for each in ids(found)], rel=1e-6)


async def test_who_is_taken_or_put_off_is_left_out_and_filters_are_kept_to(engine: AsyncEngine) -> None:
    at = NOW - minutes(5)
    told = [("DE", "website"), ("Germany", "shop"), ("FR", "website"), (None, "website"), ("DE", "website")]
    states = []
    for number, (country, source) in enumerate(told):
        lead = a_lead(
            email=f"p{number}@example.com",
            at=at,
            source=f"/sources/{source}",
            traits={"country": country},
            event=number,
        )
        states.append(bookings.revalue(after(a_contact(number), lead).state, MODEL)[0])
    taken, put_off = states[0].id, states[4].id
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, states, NOW)
        await claims.claim(conn, new_id(), taken, "ana", NOW, NOW + minutes(20))
        claim = await claims.claim(conn, new_id(), put_off, "ben", NOW - minutes(2), NOW + minutes(20))
        assert claim is not None
        await claims.end(conn, claim.id, "snoozed", NOW - minutes(1), NOW + minutes(30))

    async def seen(now_plus: float = 0, *, source: str | None = None, country: str | None = None) -> set[int]:
        async with engine.connect() as conn:
            found = await store.top(conn, MODEL, NOW + minutes(now_plus), 50, source=source, country=country)
        return {[state.id for state in states].index(each) for each in ids(found)}

    assert await seen() == {1, 2, 3}
    assert await seen(21) == {0, 1, 2, 3}, "the claim has run out"
    assert await seen(31) == {0, 1, 2, 3, 4}
    assert (await seen(31, country="DE"), await seen(31, source="shop")) == ({0, 1, 4}, {1})
    assert await seen(31, country="DE", source="website") == {0, 4}
    assert await seen(60 * 24 * 31) == set(), "after a month it is no longer asked for"


async def test_a_change_that_is_still_under_way_is_told_after_it_and_never_left_out(engine: AsyncEngine) -> None:
    one, other = new_id(), new_id()
    async with engine.connect() as slow, engine.connect() as quick, engine.connect() as reader:
        await changes.note(slow, [one], queue=True)
        await changes.note(quick, [other], queue=True)
        await quick.commit()
        begin = await changes.newest(reader)
        assert await changes.after(reader, begin, 10) == [], "not before the older one"
        await reader.rollback()
        await slow.commit()

        async def both() -> list[changes.Change]:
            async with asyncio.timeout(30):  # other tests of this server may have transactions of their own
                while True:
                    found = await changes.after(reader, begin, 10)
                    await reader.rollback()
                    if len(found) == 2:
                        return found
                    await asyncio.sleep(0.05)

        found = await both()
        assert [each.contacts for each in found] == [[one], [other]]
        assert await changes.revision(reader) == found[-1].transaction


async def test_changes_are_kept_for_an_hour_and_what_is_of_another_server_goes(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await changes.note(conn, [new_id() for _ in range(changes.MOST + 1)], queue=False)
        await changes.note(conn, [new_id()], queue=True)  # in the same transaction
        of_old = {"at": NOW - timedelta(hours=2)}
        await conn.exec_driver_sql("INSERT INTO changes VALUES (3, $1, NULL, true)", (of_old["at"],))
        await conn.exec_driver_sql("INSERT INTO changes VALUES (9000000000000, $1, NULL, true)", (NOW,))
    async with engine.begin() as conn:
        assert await changes.drop(conn, 10) == 2
        rows = (await conn.exec_driver_sql("SELECT contacts, queue FROM changes")).all()
        assert [tuple(row) for row in rows] == [(None, True)], "more than are listed"


async def a_stream(http: httpx.AsyncClient, count: int, **query: str) -> list[tuple[str, str, Any]]:
    """The first so many events: id, kind, data."""
    found: list[tuple[str, str, Any]] = []
    async with asyncio.timeout(30), http.stream("GET", "/v1/changes", params=query) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
            elif fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
            if len(found) == count:
                break
    return found


async def test_a_page_that_watches_misses_nothing_and_is_told_when_it_did(world: World, api: Api) -> None:
    ((begin, hello, _),) = await a_stream(api.http, 1)
    assert hello == "hello"
    watched = asyncio.create_task(a_stream(api.http, 2))
    rev = (await api.get("/v1/queue"))["rev"]
    await world.tell(a_lead(at=utc_now()))
    await world.settled()
    contact = (await api.get("/v1/contacts"))["items"][0]["id"]
    _, (first, kind, data) = await watched
    assert (kind, data) == ("change", {"queue": True, "contacts": [contact]})
    claim = (await api.http.post("/v1/queue/claim-next", json={"who": "ana"})).json()
    resumed = await a_stream(api.http, 2, after=first)
    assert resumed[0][:2] == (first, "hello")
    assert resumed[1][1:] == ("change", {"queue": True, "contacts": [claim["contact_id"]]})
    assert (await api.get("/v1/queue"))["rev"] not in (rev, "0")
    for lost in ("1", "900000000000000000"):
        assert (await a_stream(api.http, 1, after=lost))[0][1] == "resync"
    assert int(begin) > 1
    for wrong in ("x", "-1", "1" * 19, "\u0661"):
        assert (await api.http.get("/v1/changes", params={"after": wrong})).status_code == 422


async def test_a_snooze_hides_what_was_asked_before_it_and_nothing_that_is_asked_since(engine: AsyncEngine) -> None:
    asked = a_lead(at=NOW - minutes(30), event=1)
    state, _ = bookings.revalue(after(a_contact(), asked).state, MODEL)
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, [state], NOW)
        claim = await claims.claim(conn, new_id(), state.id, "ana", NOW - minutes(20), NOW)
        assert claim is not None
        await claims.end(conn, claim.id, "snoozed", NOW - minutes(10), NOW + minutes(60 * 24 * 30))
        assert await store.top(conn, MODEL, NOW, 50) == []
        again = after(state, a_lead(at=NOW - minutes(5), event=2)).state
        await batch.update_contacts(conn, [again], NOW)
        assert ids(await store.top(conn, MODEL, NOW, 50)) == [state.id]


async def test_the_end_of_a_snooze_is_a_new_revision_of_the_queue(engine: AsyncEngine) -> None:
    claiming = Claiming(engine, FactMaker(b"s", new_id), new_id)
    state, _ = bookings.revalue(after(a_contact(), a_lead(at=NOW)).state, MODEL)
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, [state], NOW)
    claim = await claiming.claim(state.id, "ana", NOW)
    assert isinstance(claim, claims.Claim)
    until = NOW + minutes(30)
    await claiming.end(claim.id, NOW, until)
    assert await claiming.wake(NOW, until - minutes(1)) == 0
    assert await claiming.wake(until - minutes(1), until) == 1
    assert await claiming.wake(until, until + minutes(1)) == 0, "it is told once"
    async with engine.connect() as conn:
        rows = (await conn.execute(sa.text("SELECT contacts, queue FROM changes ORDER BY transaction"))).all()
    assert [(list(row.contacts), row.queue) for row in rows] == [([state.id], True)] * 3


async def test_a_customer_who_is_overdue_waits_among_the_leads_and_says_so(engine: AsyncEngine) -> None:
    told = a_customer()
    last = told.state.clock
    late, _ = bookings.aged(told.state, OF_BOTH, last + 20 * 86_400.0)
    now = datetime.fromtimestamp(last, UTC) + timedelta(days=20)
    leads = [
        bookings.revalue(after(a_contact(n), a_lead(email=f"p{n}@example.com", at=at, event=n)).state, OF_BOTH)[0]
        for n, at in enumerate((now, now - timedelta(days=29)))
    ]
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, [late, *leads], now)
        page = await the_queue(conn, OF_BOTH, Asked(now, overload=False), 50)
        first = await store.top(conn, OF_BOTH, now, 2)
        rest = await store.top(conn, OF_BOTH, now, 2, after=store.place_of(first[-1]))
    kinds = {item.contact.id: item.kind for item in page.items}
    assert kinds == {late.id: "customer", leads[0].id: "lead", leads[1].id: "lead"}
    assert page.items[0].contact.id == leads[0].id, "a lead of this minute goes first"
    (customer,) = [item for item in page.items if item.kind == "customer"]
    assert customer.why.startswith("Its next purchase is overdue for 12 days; another hour costs 0.")
    assert customer.age_minutes == pytest.approx((now.timestamp() - (late.waits_since or 0)) / 60, abs=0.01)
    assert sorted(ids([*first, *rest])) == sorted(kinds)
