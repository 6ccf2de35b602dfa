"""A changed scoring.yaml re-values everybody in the background, beside live traffic, and books the difference."""

import json
import shutil
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from services.cli.models.unconverted import amounts_without_a_rate
from services.scoring.config import load_scoring
from services.scoring.domain.contact.contact import decode_state
from services.scoring.jobs.revalue import Revaluing
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.money import Money
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import (
    NOW,
    a_lead,
    a_purchase,
    a_refund,
    an_engagement,
    an_identification,
    minutes,
)


@pytest.fixture
def partitions() -> int:
    return 12


def a_config(folder: Path, *changes: tuple[str, str]) -> Path:
    shutil.copytree(CONFIG, folder)
    file = folder / "scoring.yaml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return folder


async def valued(world: World, config: Path) -> None:
    version = load_scoring(config).version

    async def all_are() -> bool:
        return not await world.rows(
            "SELECT id FROM contacts WHERE merged_into IS NULL AND model <> :version", version=version
        )

    await until(all_are, 30)


PEOPLE = 7


async def tell_histories(world: World) -> None:
    for n in range(PEOPLE):
        who = f"p{n}@example.com"
        await world.tell(
            a_lead(email=who, traits={"country": "DE"}, event=f"lead-{n}"),
            an_engagement(email=who, kind="meeting_booked", at=NOW + minutes(n), event=f"meeting-{n}"),
            an_engagement(email=who, kind="page_viewed", at=NOW + minutes(60 * n), event=f"page-{n}"),
            partition=n,
        )
    await world.tell(
        a_lead(email="p1@example.com", estimated_value=Money("900.00", "CAD"), at=NOW + minutes(5)),
        a_purchase(email="p1@example.com", currency="CAD", at=NOW + minutes(10)),
        a_purchase(email="p2@example.com", currency="USD", at=NOW + minutes(10)),
        a_refund(email="p2@example.com", currency="USD", amount="50.00", at=NOW + minutes(20)),
    )
    await world.settled()


async def values(world: World) -> dict[str, tuple[int, int]]:
    rows = await world.rows(
        "SELECT i.key, c.lead_value, c.customer_value FROM identities i JOIN contacts c ON c.id = i.contact_id"
    )
    return {row.key: (row.lead_value, row.customer_value) for row in rows}


async def test_a_changed_model_revalues_everybody_without_an_event(world: World, tmp_path: Path) -> None:
    changed = a_config(
        tmp_path / "changed",
        ("meeting_booked: 20", "meeting_booked: 40"),
        ("half_lives: [1d, 14d]", "half_lives: [1d, 3d, 7d]"),
        ('CHF: {2020-01-01: "1.05"}', 'CAD: {2020-01-01: "0.60"}'),
        ("margin_rate: 0.35", "margin_rate: 0.5"),
    )
    async with scoring(world) as api:
        await tell_histories(world)
        (shop,) = (await api.get("/v1/contacts", email="p1@example.com"))["items"]
        metrics = (await api.http.get("/metrics")).text
    assert shop["unconverted"] == ["CAD"]
    assert 'firsthour_amounts_unconverted_total{currency="CAD"} 2.0' in metrics
    (warning,) = await amounts_without_a_rate(world.settings(CONFIG))
    assert warning.problem == "seen in the last 30 days without a rate: CAD (1 order, 1 estimate)"
    before = await values(world)
    async with scoring(world, config=changed) as api:
        await valued(world, changed)
        after = await values(world)
        (shop,) = (await api.get("/v1/contacts", email="p1@example.com"))["items"]
        booked = await api.pages(f"/v1/contacts/{shop['id']}/bookings")
    assert shop["unconverted"] == []
    assert await amounts_without_a_rate(world.settings(changed)) == []
    await world.books_balance()
    assert after["email:p1@example.com"][1] == 3000, "100.00 CAD at 0.60, half of it margin"
    assert after["email:p2@example.com"][1] == 2150, "50.00 USD at 0.86, half of it margin"
    assert all(after[f"email:p{n}@example.com"][0] > before[f"email:p{n}@example.com"][0] for n in (0, 3, 4, 5, 6))
    assert [(each["factor"], each["amount"]["amount"], each["event_type"]) for each in booked if each["account"] == "customer"] == [
        ("model", "30.00", None)
    ]  # fmt: skip

    # What folding everything by that model from the start comes to.
    counted = {row.state for row in await world.rows("SELECT encode(state, 'escape') AS state FROM contacts")}
    assert all(
        json.loads(state).get("half_lives", [86_400, 259_200, 604_800]) == [86_400, 259_200, 604_800]
        for state in counted
    )
    for table in ("events", "bookings", "identities", "contacts", "orders"):
        await world.rows(f"DELETE FROM {table} RETURNING 1")
    world.sent *= 2
    history = await world.messages(world.topics.events, world.sent // 2)
    for message in history:
        await world.producer.send_and_wait(world.topics.events, message.value, partition=message.partition)
    async with scoring(world, config=changed):
        await world.settled()
    assert await values(world) == after


async def test_changed_queue_settings_place_leads_anew_and_revalue_nobody(world: World, tmp_path: Path) -> None:
    changed = a_config(
        tmp_path / "changed",
        ("handling_minutes: 12", "handling_minutes: 30"),
        (
            "response: {phi: 0.019, tau: 4.83, beta: 0.876}",
            "response: {preset: conversion, sources: {website: {preset: qualification}}}",
        ),
    )
    kept = "SELECT id, model, lead_value, customer_value, worth FROM contacts ORDER BY id"
    async with scoring(world):
        await tell_histories(world)
    before, curves = await world.rows(kept), await world.rows("SELECT curve FROM contacts WHERE worth IS NOT NULL")
    assert {row.curve for row in curves} == {""}
    booked = await world.one("SELECT count(*) FROM bookings")
    for config, curve in ((changed, "website"), (CONFIG, "")):
        registry = CollectorRegistry()
        job = Revaluing(world.engine, InForce(load_scoring(config)), utc_now, new_id, registry)
        assert await job.place() == len(curves)
        assert await job.place() == await job.step() == 0
        waiting = await world.rows("SELECT curve, state FROM contacts WHERE worth IS NOT NULL")
        assert {(row.curve, decode_state(row.state).curve) for row in waiting} == {(curve, curve)}
    assert await world.rows(kept) == before
    assert await world.one("SELECT count(*) FROM bookings") == booked


async def test_contacts_of_the_first_release_are_folded_anew(world: World) -> None:
    async with scoring(world):
        await tell_histories(world)
    now = await values(world)
    states = {
        row.id: json.loads(row.state)
        for row in await world.rows("SELECT id, encode(state, 'escape') AS state FROM contacts")
    }
    for contact_id, state in states.items():  # as the first release left them
        for name in ("form", "half_lives", "engaged", "paid_orders", "past", "priced", "unconverted", "journey",
                     "qualified"):  # fmt: skip
            state.pop(name, None)
        old = {**state, "counters": [[1.0, 1.0], [1.0, 1.0]], "orders": {"A-1": [1, 1, 0]}, "settled": 5}
        await world.rows(
            "UPDATE contacts SET state = convert_to(:state, 'UTF8'), model = '' WHERE id = :id RETURNING 1",
            state=json.dumps(old), id=contact_id,
        )  # fmt: skip
    for table in ("orders", "funnel", "funnel_steps", "segments"):
        await world.rows(f"DELETE FROM {table} RETURNING 1")
    # One is met by the live batch before the background comes to it, with a refund of an order of then.
    await world.tell(a_refund(email="p2@example.com", currency="USD", amount="50.00", at=NOW + minutes(30)))
    async with scoring(world):
        await world.settled()
        await valued(world, CONFIG)
    assert await values(world) == now | {"email:p2@example.com": (0, 0)}
    assert await world.one("SELECT count(*) FROM orders") == 2
    await world.books_balance()


async def test_one_contact_that_cannot_be_valued_stops_no_other(world: World) -> None:
    async with scoring(world):
        await tell_histories(world)
    await world.rows("UPDATE contacts SET model = '' RETURNING 1")
    (broken,) = await world.rows("SELECT contact_id FROM identities WHERE key = 'email:p3@example.com'")
    await world.rows(
        "UPDATE contacts SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'), '\"meeting_booked\":.[^]]*.', "
        "'\"meeting_booked\":[0]'), 'UTF8') WHERE id = :id RETURNING 1",
        id=broken.contact_id,
    )
    registry = CollectorRegistry()
    job = Revaluing(world.engine, InForce(load_scoring(CONFIG)), utc_now, new_id, registry)
    assert await job.step() == PEOPLE
    assert await job.step() == 0
    assert registry.get_sample_value("firsthour_contacts_not_revalued_total") == 1
    (left,) = await world.rows("SELECT id FROM contacts WHERE model = ''")
    assert left.id == broken.contact_id


async def test_merged_contacts_that_know_one_order_count_it_once(world: World) -> None:
    phone, email = {"phone": "+441632960961"}, {"email": "ada@example.com"}
    async with scoring(world):
        await world.tell(a_purchase(**email), a_purchase(order_id="B", **email))
        await world.tell(a_purchase(event=2, at=NOW + minutes(1), **phone), a_purchase(order_id="C", event=3, **phone))
        await world.settled()
        await world.tell(an_identification(at=NOW + minutes(2), **email, **phone))
        await world.settled()
        assert await values(world) == dict.fromkeys(("email:ada@example.com", "phone:+441632960961"), (0, 3 * 3500))
        orders = await world.rows("SELECT DISTINCT contact_id, source, order_id FROM orders")
        assert (len(orders), len({UUID(str(row.contact_id)) for row in orders})) == (3, 1)
        # In one batch with what makes them one: an order of the other, and one that both know.
        bea = {"email": "bea@example.com"}
        await world.tell(a_purchase(order_id="D", event=uuid4(), **bea))
        await world.settled()
    await world.tell(
        an_identification(at=NOW + minutes(3), anonymous_id="x", **bea),
        an_identification(at=NOW + minutes(4), user_id="u", **bea),
        a_refund(order_id="D", user_id="u", at=NOW + minutes(5)),
        an_identification(at=NOW + minutes(6), user_id="u", **email),
        a_refund(order_id="B", user_id="u", at=NOW + minutes(7)),
    )
    async with scoring(world):
        await world.settled()
    assert (await values(world))["email:bea@example.com"] == (0, 2 * 3500)
    assert (await values(world))["email:ada@example.com"] == (0, 2 * 3500)
    await world.books_balance()


async def test_whoever_came_before_companies_had_words_of_their_own_is_found_by_theirs_once_valued(
    world: World,
) -> None:
    async with scoring(world):
        await world.tell(a_lead(traits={"company": "Baker & Söhne"}), a_lead(email="ben@example.com", event=2))
        await world.settled()
    words = "SELECT company FROM contacts ORDER BY company"
    before = await world.rows(words)
    assert [row.company is None for row in before] == [False, True]
    async with world.engine.begin() as conn:
        await conn.execute(sa.text("UPDATE contacts SET company = NULL, model = ''"))
    job = Revaluing(world.engine, InForce(load_scoring(CONFIG)), utc_now, new_id, CollectorRegistry())
    while await job.step():
        pass
    assert await world.rows(words) == before
    await world.books_balance()
