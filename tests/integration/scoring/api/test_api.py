"""The read API of scoring over HTTP: who may ask, complete pages, and the queue."""

import asyncio
import base64
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from shared.events.types import Campaign
from shared.money import Money
from tests.support.command import Command
from tests.support.scoring_service import Api, World
from tests.unit.scoring.builders import (
    NOW,
    a_lead,
    a_purchase,
    a_referral,
    a_refund,
    a_touch,
    an_engagement,
    minutes,
)

BEFORE_ALL, AFTER_ALL = "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"  # beyond all years, in UTC


def a_cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


async def test_nothing_is_shown_without_the_token(api: Api) -> None:
    contact = uuid4()
    for path in (
        "contacts",
        f"contacts/{contact}",
        f"contacts/{contact}/bookings",
        f"contacts/{contact}/events",
        "queue",
    ):
        for given in ("", "Bearer wrong", "Basic eDp5"):
            answer = await api.http.get(f"/v1/{path}", headers={"Authorization": given})
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.http.get("/healthz", headers={"Authorization": ""})).status_code == 200


async def test_nobody_is_not_found(api: Api) -> None:
    contact = uuid4()
    for path in ("", "/bookings", "/events"):
        answer = await api.http.get(f"/v1/contacts/{contact}{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.get("/v1/contacts", email="nobody@example.com"))["items"] == []
    wrong = await api.http.get("/v1/contacts", params={"email": "nobody"})
    assert wrong.status_code == 422
    assert [each["at"] for each in wrong.json()["errors"]] == ["/query/email"]
    assert (await api.http.get("/v1/contacts/not-an-id")).status_code == 422


async def test_a_contact_is_found_by_each_of_its_identities(world: World, api: Api) -> None:
    await world.tell(a_lead(email="ada@example.com", phone="+441632960961", user_id="u:1", source="/sources/shop"))
    await world.settled()
    (contact,) = await api.pages("/v1/contacts")
    for query in (
        {"email": "Ada@Example.com"},
        *({"phone": written} for written in ("+44 1632 960961", " 44 1632 960961", "0044 1632 960961")),
        {"user_id": "u:1", "source": "shop"},
        {"user_id": "u:1", "source": "/sources/shop"},
    ):
        assert (await api.get("/v1/contacts", **query))["items"] == [contact]
    assert (await api.get("/v1/contacts", user_id="u:1", source="website"))["items"] == []
    assert await api.get(f"/v1/contacts/{contact['id']}") == contact


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_pages_are_complete_and_repeat_nothing(world: World, api: Api, limit: int) -> None:
    now = datetime.now(UTC)
    for n in range(7):
        await world.tell(a_lead(email=f"p{n}@example.com", at=now), partition=n % 3)
    await world.tell(
        a_purchase(email="p0@example.com", at=now), a_refund(email="p0@example.com", amount="20.00", at=now)
    )
    for n in range(6):  # many at one moment: only the id tells them apart
        await world.tell(an_engagement(email="p0@example.com", kind=f"k{n}", at=now - minutes(n // 3)))
    await world.settled()
    contacts = await api.pages("/v1/contacts", limit=limit)
    assert sorted(each["email"] for each in contacts) == [f"p{n}@example.com" for n in range(7)]
    (whole,) = (await api.get("/v1/contacts", email="p0@example.com"))["items"]
    events = await api.pages(f"/v1/contacts/{whole['id']}/events", limit=limit)
    assert len({each["id"] for each in events}) == len(events) == whole["version"] == 9
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)
    booked = await api.pages(f"/v1/contacts/{whole['id']}/bookings", limit=limit)
    assert len(booked) == await world.one("SELECT count(*) FROM bookings WHERE contact_id = :id", id=whole["id"])
    for account in ("lead", "customer"):
        total = sum(Decimal(each["amount"]["amount"]) for each in booked if each["account"] == account)
        assert total == Decimal(whole[f"{account}_value"]["amount"])
    assert whole["customer_value"]["amount"] == "28.00"


async def test_a_cursor_that_no_list_gave_out_is_refused(world: World, api: Api) -> None:
    await world.tell(a_lead())
    await world.settled()
    ((contact,),) = await world.rows("SELECT id FROM contacts")
    anywhere = [
        "nonsense",
        "é",
        "!!!!",
        a_cursor(),
        a_cursor({"a": 1}),
        a_cursor("x"),
        a_cursor("x", "y"),
        a_cursor(1, 2, 3, 4),
    ]
    now = datetime.now(UTC).isoformat()
    others = {
        "/v1/contacts": [],
        f"/v1/contacts/{contact}/bookings": [a_cursor(now, str(contact), "x"),
                                             a_cursor(now, str(contact), 10**30), a_cursor("x", str(contact), 1),
                                             a_cursor(BEFORE_ALL, str(contact), 1), a_cursor(AFTER_ALL, str(contact), 1)],
        f"/v1/contacts/{contact}/events": [a_cursor(now, "x"), a_cursor("x", str(contact)),
                                           a_cursor(BEFORE_ALL, str(contact)), a_cursor(AFTER_ALL, str(contact))],
    }  # fmt: skip
    answers = {
        (path.rpartition("/")[2], cursor): (await api.http.get(path, params={"cursor": cursor})).status_code
        for path, own in others.items()
        for cursor in [*anywhere, *own]
    }
    assert {asked: status for asked, status in answers.items() if status != 400} == {}


@pytest.mark.parametrize("name", ["user_id", "source", "email", "phone", "cursor", "unheard_of"])
async def test_a_query_with_nul_is_refused_by_name(api: Api, name: str) -> None:
    answer = await api.http.get("/v1/contacts", params={"user_id": "u-1", name: "a\0b"})
    assert (answer.status_code, [each["at"] for each in answer.json()["errors"]]) == (422, [f"/query/{name}"])


async def test_a_path_with_nul_is_refused_by_name(api: Api) -> None:
    answer = await api.http.get("/v1/models/a%00b/calibration")
    assert (answer.status_code, [each["at"] for each in answer.json()["errors"]]) == (422, ["/path/version"])


async def test_contacts_are_found_by_the_beginnings_of_words(world: World, api: Api) -> None:
    async def found(q: str) -> list[str]:
        answer = await api.http.post("/v1/contacts/search", json={"q": q})
        assert answer.status_code == 200, answer.text
        return sorted(each["email"] for each in answer.json()["items"])

    await world.tell(
        a_lead(email="ada@engines.example", name="Ada Lovelace", phone="+441632960961", traits={"company": "Engines"}),
        a_lead(email="adam@example.com", name="Adam Müller", event=2),
        a_lead(email="grace@example.com", event=3),
    )
    await world.settled()
    assert await found("ada") == ["ada@engines.example", "adam@example.com"]
    assert await found("LOVE eng") == ["ada@engines.example"]
    assert await found("44163") == ["ada@engines.example"]
    for name in ("müll", "mull", "muell", "MÜLLER adam"):
        assert await found(name) == ["adam@example.com"], name
    for number in ("+44 1632 960", "0044 (0)1632/960961", "01632 960", "1632 960961"):
        assert await found(number) == ["ada@engines.example"], number
    assert await found("grace@ex") == ["grace@example.com"]
    assert await found("nobody") == await found("ada' | 'grace") == []
    for wrong in ("a", "':*", "\u0000"):
        assert (await api.http.post("/v1/contacts/search", json={"q": wrong})).status_code == 422


async def test_a_contact_explained_and_its_lists_newest_first(world: World, api: Api) -> None:
    events = [a_lead(traits={"country": "DE"}), *(an_engagement(at=NOW + minutes(n), event=n) for n in range(1, 6))]
    await world.tell(*events, a_purchase(email="ben@example.com"))
    await world.settled()
    (ada,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
    path = f"/v1/contacts/{ada['id']}"
    said = await api.get(f"{path}/explanation")
    assert said["because"][0]["says"] == "leads of website"
    assert said["lead_value"] == ada["lead_value"]
    assert sum(Decimal(each["amount"]["amount"]) for each in said["factors"]) == Decimal(ada["lead_value"]["amount"])
    assert (await api.get(f"{path}/identities"))["items"] == [{"kind": "email", "value": "ada@example.com"}]
    for kind in ("events", "bookings"):
        oldest = await api.pages(f"{path}/{kind}", limit=2)
        assert await api.pages(f"{path}/{kind}", limit=2, order="desc") == oldest[::-1]
    assert len(await api.pages(f"{path}/events", kind="engagement.recorded")) == 5
    assert {each["factor"] for each in await api.pages(f"{path}/bookings", kind="engagement")} == {"engagement"}
    (ben,) = (await api.get("/v1/contacts", email="ben@example.com"))["items"]
    said = await api.get(f"/v1/contacts/{ben['id']}/explanation")
    assert (said["because"], said["past_margin"]["amount"], said["rests_on"]) == (None, "35.00", "scoring.yaml alone")


async def test_the_queue_is_ordered_by_what_a_delay_costs_and_leaves_out_who_was_touched(
    world: World, api: Api
) -> None:
    now = datetime.now(UTC)

    def waiting(name: str, amount: str, age: float) -> Any:
        value = Money(amount, "EUR")
        return a_lead(email=f"{name}@example.com", estimated_value=value, at=now - minutes(age))

    await world.tell(
        waiting("old", "9000.00", 600),
        waiting("fresh", "1000.00", 1),
        waiting("big", "5000.00", 1),
        waiting("touched", "9000.00", 1),
        waiting("bought", "9000.00", 1),
        waiting("tried", "2000.00", 1),
        waiting("in-vain", "1500.00", 1),
        a_touch(email="touched@example.com", at=now),
        a_touch(email="tried@example.com", human=False, at=now),
        a_touch(email="in-vain@example.com", outcome="attempted", at=now),
        a_purchase(email="bought@example.com", at=now),
        an_engagement(email="visitor@example.com", at=now),
    )
    await world.settled()
    items = (await api.get("/v1/queue"))["items"]
    assert [each["contact"]["email"].partition("@")[0] for each in items] == ["big", "tried", "in-vain", "fresh", "old"]
    indices = [each["index"] for each in items]
    assert indices == sorted(indices, reverse=True)
    assert all(each["index"] > 0 and each["reasons"] for each in items)
    assert items[0]["age_minutes"] == pytest.approx(1, abs=0.9)
    assert Decimal(items[0]["lost_per_minute"]["amount"]) > Decimal(items[-1]["lost_per_minute"]["amount"])
    assert len((await api.get("/v1/queue", limit=2))["items"]) == 2

    await world.tell(waiting("touched", "9000.00", -1 / 60))  # asks again after the touch: it waits again
    await world.settled()
    first = (await api.get("/v1/queue", limit=1))["items"][0]
    assert first["contact"]["email"] == "touched@example.com"


async def test_a_customer_who_asks_again_waits_in_the_queue(world: World, api: Api) -> None:
    now = datetime.now(UTC)
    await world.tell(a_purchase(at=now - minutes(60)), a_lead(at=now))
    await world.settled()
    assert [each["contact"]["email"] for each in (await api.get("/v1/queue"))["items"]] == ["ada@example.com"]


async def test_response_times_by_source_and_person(world: World, api: Api) -> None:
    now = datetime.now(UTC)
    for n, (source, who, delay) in enumerate([("website", "ana", 3), ("website", "ben", 50), ("shop", "ana", 100)]):
        email = f"p{n}@example.com"
        await world.tell(
            a_lead(email=email, at=now - minutes(200), source=f"/sources/{source}"),
            a_touch(email=email, who=who, at=now - minutes(200 - delay)),
            a_touch(email=email, who=who, at=now - minutes(1), event=f"again {n}"),
        )
    await world.settled()
    told = await api.get("/v1/response-times", days=2)
    assert date.fromisoformat(told["since"]) == date.fromisoformat(told["as_of"][:10]) - timedelta(days=1)
    everything = told["all"]
    assert (everything["answers"], everything["within_5_minutes"]["share"]) == (3, round(1 / 3, 4))
    assert everything["within_60_minutes"]["share"] == round(2 / 3, 4)
    assert 30 < everything["median_minutes"] <= 60
    assert {each["name"]: each["answers"] for each in told["sources"]} == {"shop": 1, "website": 2}
    assert {each["name"]: each["answers"] for each in told["reps"]} == {"ana": 2, "ben": 1}
    lost = sum(Decimal(each["lost"]["amount"]) for each in told["reps"])
    assert lost == Decimal(everything["lost"]["amount"]) > 0
    assert Decimal(everything["lost_per_lead"]["low"]["amount"]) < lost / 3
    (ben,) = [each for each in told["reps"] if each["name"] == "ben"]
    assert (ben["lost_per_lead"]["low"], ben["lost_per_lead"]["high"]) == (None, None), "one answer has no interval"


async def test_the_funnel_by_source_campaign_and_week(world: World, api: Api) -> None:
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday())).date()
    for n in range(8):
        who: dict[str, Any] = {"email": f"p{n}@example.com", "source": f"/sources/{'shop' if n % 2 else 'website'}"}
        seen = now - minutes(60 * 24 * 35)
        await world.tell(an_engagement(**who, event=f"visit {n}", at=seen, campaign=Campaign(name="Spring")))
        if n >= 2:
            await world.tell(a_lead(**who, event=f"lead {n}", at=seen + minutes(10)))
        if n >= 4:
            await world.tell(an_engagement(**who, event=f"click {n}", kind="email_clicked", at=seen + minutes(100)))
        if n >= 6:
            await world.tell(a_purchase(**who, event=f"buy {n}", order_id=f"A-{n}", at=seen + minutes(5000)))
    await world.tell(
        a_purchase(email="p7@example.com", event="again", order_id="B", amount="150.00", at=now - minutes(9)),
        a_referral(email="p7@example.com", event="friend", at=now - minutes(8)),
        an_engagement(anonymous_id="elsewhere", at=now),
    )
    await world.settled()
    await world.books_balance()
    told = await api.get("/v1/funnel", weeks=8)
    assert [(each["stage"], each["contacts"], each["of"]) for each in told["stages"]] == [
        ("visitor", 9, None), ("lead", 6, "visitor"), ("engaged", 4, "lead"), ("qualified", 3, "engaged"),
        ("customer", 2, "qualified"), ("repeat", 1, "customer"), ("advocate", 1, "customer"),
    ]  # fmt: skip
    _, lead, engaged, _, customer, *_ = told["stages"]
    assert lead["rate"] == {"share": 0.6667, "low": 0.3542, "high": 0.8794}
    assert 0 < lead["median_hours"] <= 0.5
    assert 1 < engaged["median_hours"] <= 6
    assert lead["cost_each"]["amount"] == "1.00", "three of the website, at 2.00, of six"
    assert customer["cost_each"]["amount"] == "3.00"
    assert customer["value_each"]["amount"] == "61.25"
    by_source = {each["name"]: [stage["contacts"] for stage in each["stages"]] for each in told["sources"]}
    assert by_source == {"shop": [4, 3, 2, 1, 1, 1, 1], "website": [5, 3, 2, 2, 1, 0, 0]}
    (spring,) = told["campaigns"]
    assert (spring["name"], spring["stages"][0]["contacts"], spring["stages"][4]["contacts"]) == ("spring", 8, 2)
    assert {each["name"] for each in told["weeks"]} == {str(monday), str(monday - timedelta(weeks=5))}
    assert told["bottleneck"]["where"] is None
    assert told["bottleneck"]["says"] == "Too few to say: 9 visitors."
    assert (told["leads"]["count"], told["leads"]["open"]) == (6, 4)
    assert told["leads"]["conversion_rate"]["share"] == 0.3333
    customers = told["customers"]
    assert (customers["count"], customers["direct"], customers["retention"]["share"]) == (2, 0, 0.5)
    assert (customers["average_order_value"]["amount"], customers["frequency"]) == ("116.67", 1.5)
    assert customers["upsell"] == 0.5
    assert customers["lifetime_value"]["amount"] == "61.25"
    assert (await api.get("/v1/funnel", weeks=1))["stages"][0]["contacts"] == 1
    assert (await api.get("/v1/rfm"))["cells"] == [], "nothing has been learnt yet"
    kinds = {each["segment"]: each["contacts"] for each in (await api.get("/v1/segments"))["items"]}
    assert kinds == {"customers": 2, "leads": 4, "visitors": 3}
    command = Command(database=world.database)
    shown = await asyncio.to_thread(command, "funnel", "--weeks", "8")
    assert "customer           2         122.50    66.7% of qualified" in shown.out, shown
    assert "Too few to say: 9 visitors." in shown.out
    as_json = await asyncio.to_thread(command, "funnel", "--weeks", "8", "--json")
    assert json.loads(as_json.out) | {"as_of": ""} == told | {"as_of": ""}
