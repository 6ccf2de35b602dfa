"""What comes of a batch beside contacts: dead letters, copies, canaries, what is counted, and what needs another look."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as sa_event

from services.scoring.domain.identity.marks import mark
from services.scoring.domain.model.learnt import customer_parameters, version_of
from services.scoring.store import models
from services.scoring.store.models import StoredModel
from shared import canary
from shared.clock import utc_now
from shared.events.envelope import encode
from shared.events.updates import decode_update, update_key
from tests.support.folding import TOPICS, Folding, folding
from tests.unit.scoring.builders import (
    NOW,
    a_cost,
    a_lead,
    a_purchase,
    a_referral,
    a_refund,
    a_touch,
    an_engagement,
    an_identification,
    minutes,
)
from tests.unit.scoring.customer.test_value import CUSTOMERS

ADA, BEN = {"email": "ada@example.com"}, {"user_id": "u-ben"}


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def test_a_copy_in_a_batch_or_after_it_is_folded_once(scoring: Folding) -> None:
    lead = a_lead()
    assert len(await scoring.folds(lead, lead, an_engagement(at=NOW + minutes(1)))) == 2
    assert await scoring.folds(lead, topic=TOPICS.events_bulk) == []
    assert await scoring.all('SELECT type, "offset" FROM events ORDER BY type') == [
        ("engagement.recorded", 2),
        ("lead.captured", 0),
    ]
    assert await scoring.one("SELECT version FROM contacts") == 2


async def test_what_cannot_be_folded_is_a_dead_letter_and_changes_nothing_of_its_neighbours(scoring: Folding) -> None:
    bad = a_purchase(amount="much", event="bad")
    stranger = an_engagement(contact_id=an_engagement().event.id, event="nobody")
    updates = await scoring.folds(a_lead(), bad, b"{", stranger, an_engagement(at=NOW + minutes(1)))
    assert [each.data.contact.version for each in updates] == [1, 2]
    assert {each.record.value for each in scoring.dead} == {encode(bad.event), b"{", encode(stranger.event)}
    assert {each.kind for each in scoring.dead} == {"permanent"}
    assert await scoring.one("SELECT count(*) FROM events") == 2, "a redriven one is no copy"


async def test_what_a_batch_counts_is_counted_after_its_commit(scoring: Folding) -> None:
    handled = await scoring.handles(
        a_lead(estimated_value={"amount": "10.00", "currency": "CAD"}, at=NOW),
        a_purchase(amount="20.00", currency="CAD", order_id="1", at=NOW + minutes(1)),
        a_purchase(amount="20.00", currency="CAD", order_id="2", at=NOW + minutes(2)),
        a_purchase(amount="20.00", currency="QQQ", order_id="3", at=NOW + minutes(3)),
        a_lead(email="bea@example.com", phone="+441632960961", traits={"country": "Nowhere at all"}),
        a_purchase(phone="+441632960962", order_id="4"),
        an_identification(email="bea@example.com", phone="+441632960962", at=NOW + minutes(5)),
    )
    names = {
        "firsthour_leads_converted_total": {},
        "firsthour_scoring_merges_total": {},
        "firsthour_amounts_unconverted_total": {"currency": "CAD"},
        "firsthour_places_not_known_total": {"kind": "country"},
    }
    assert not any(scoring.sample(name, **labels) for name, labels in names.items())
    assert scoring.metrics.outcomes() == 0
    assert handled.after_commit is not None
    handled.after_commit()
    assert {name: scoring.sample(name, **labels) for name, labels in names.items()} == {
        "firsthour_leads_converted_total": scoring.metrics.outcomes(),
        "firsthour_scoring_merges_total": 1,
        "firsthour_amounts_unconverted_total": 3,
        "firsthour_places_not_known_total": 1,
    }
    assert scoring.metrics.outcomes() == 2
    assert scoring.sample("firsthour_amounts_unconverted_total", currency="other") == 1
    assert await scoring.all("SELECT currency, orders, estimates FROM unconverted") == [("CAD", 2, 1)]


async def test_leads_of_the_live_lane_alone_are_timed_and_imports_go_by_their_own_topic(scoring: Folding) -> None:
    await scoring.folds(a_lead(), an_engagement(at=NOW + minutes(1)))
    await scoring.folds(a_lead(email="bea@example.com"), topic=TOPICS.events_bulk)
    assert scoring.sample("firsthour_lead_hop_seconds_count", hop="scored") == 1
    assert [each.topic for each in scoring.outgoing] == [TOPICS.updates, TOPICS.updates, TOPICS.updates_bulk]
    for each in scoring.outgoing:
        assert each.key == update_key(decode_update(each.value).data.contact.id)


async def test_a_canary_is_scored_as_a_lead_and_leaves_no_row(scoring: Folding) -> None:
    sent = a_lead(source=canary.SOURCE, trust="public", at=utc_now())
    updates = await scoring.folds(sent, a_lead())
    assert [each.type == canary.UPDATE_TYPE for each in updates] == [False, True]
    flown = updates[1].data
    assert flown.after.lead > 0
    assert (await scoring.one("SELECT count(*) FROM contacts"), await scoring.one("SELECT count(*) FROM events")) == (
        1,
        1,
    )
    assert scoring.sample("firsthour_lead_hop_seconds_count", hop="scored") == 1, "it is nobody's lead"
    assert scoring.sample("firsthour_canary_hop_seconds_count", hop="scored") == 1


@pytest.mark.parametrize(("received_s", "comes_back"), [(-60, False), (4, False), (60, True)])
async def test_what_was_on_its_way_when_its_person_was_erased_brings_nobody_back(
    scoring: Folding, received_s: float, comes_back: bool
) -> None:
    at = utc_now()
    await scoring.all("INSERT INTO erased VALUES (:mark, :at)", mark=mark("email:ada@example.com"), at=at)
    late = a_lead(at=NOW, received=at + timedelta(seconds=received_s))
    other = a_lead(email="bea@example.com", event="other")
    assert len(await scoring.folds(late, other)) == 1 + comes_back
    assert await scoring.one("SELECT count(*) FROM contacts") == 1 + comes_back
    kept = await scoring.all("SELECT type, contact_id, body FROM events WHERE id = :id", id=late.event.id)
    if not comes_back:
        assert kept == [("erased", None, b"")], "a copy is known"
        assert await scoring.folds(late) == []


async def test_who_bought_shows_only_in_the_batch_and_the_order_is_read_all_the_same(scoring: Folding) -> None:
    """The identity that leads to the order comes just before it, so it could not be looked for at first."""
    await scoring.folds(a_purchase(amount="100.00", event="order"))
    before = await scoring.one("SELECT customer_value FROM contacts")
    await scoring.folds(
        an_identification(email="ada@example.com", user_id="u1", at=NOW + minutes(1)),
        a_purchase(user_id="u1", amount="100.00", at=NOW + minutes(2), event="again"),
    )
    assert await scoring.one("SELECT customer_value FROM contacts") == before, "it is the same order"
    assert await scoring.one("SELECT count(*) FROM orders") == 1


async def test_orders_of_two_who_are_merged_in_the_batch_are_one_persons(scoring: Folding) -> None:
    await scoring.folds(a_purchase(amount="100.00", order_id="A-1"))
    await scoring.folds(a_purchase(email="eve@example.com", amount="100.00", order_id="A-2"))
    values = await scoring.one("SELECT sum(customer_value) FROM contacts")
    await scoring.folds(
        an_identification(email="ada@example.com", user_id="u1", at=NOW + minutes(1)),
        an_identification(email="eve@example.com", user_id="u1", at=NOW + minutes(2)),
        a_refund(user_id="u1", order_id="A-2", amount="100.00", at=NOW + minutes(3)),
    )
    assert await scoring.one("SELECT count(DISTINCT contact_id) FROM orders") == 1
    assert await scoring.one("SELECT count(*) FROM orders") == 2
    assert await scoring.one("SELECT sum(customer_value) FROM contacts WHERE merged_into IS NULL") < values


async def test_what_a_contact_bought_or_told_goes_with_it_when_it_is_merged_in_the_same_batch(scoring: Folding) -> None:
    item = [{"sku": "x", "quantity": 1, "price": "10.00"}]
    await scoring.folds(a_lead())
    older = await scoring.one("SELECT id FROM contacts")
    await scoring.folds(
        a_purchase(user_id="u1", items=item, at=NOW + minutes(1)),
        a_referral(user_id="u1", at=NOW + minutes(2)),
        an_identification(email="ada@example.com", user_id="u1", at=NOW + minutes(3)),
    )
    for table in ("bought", "referrals", "orders", "identities"):
        assert set(await scoring.all(f"SELECT contact_id FROM {table}")) == {(older,)}, table
    assert set(await scoring.all("SELECT contact_id FROM events")) == {(older,)}
    assert set(await scoring.all("SELECT contact_id FROM bookings")) == {(older,)}


async def test_whom_a_contact_named_before_it_was_merged_the_survivor_named(scoring: Folding) -> None:
    await scoring.folds(a_lead())
    older = await scoring.one("SELECT id FROM contacts")
    for each in (ADA, BEN):
        await scoring.folds(a_referral(**each, at=NOW + minutes(2), event=("r", str(each))))
    assert await scoring.one("SELECT count(*) FROM referrals") == 2
    await scoring.folds(an_identification(**ADA, **BEN, at=NOW + minutes(3)))
    assert await scoring.all("SELECT contact_id, at FROM referrals") == [(older, NOW + minutes(2))]


async def test_a_cost_is_about_nobody_and_is_kept_as_an_event(scoring: Folding) -> None:
    assert await scoring.folds(a_cost(source="website")) == []
    assert await scoring.all("SELECT type, contact_id FROM events") == [("cost.recorded", None)]
    assert await scoring.one("SELECT count(*) FROM costs") == 1
    assert await scoring.folds(a_cost(source="website")) == []
    assert await scoring.one("SELECT count(*) FROM costs") == 1


async def test_answers_of_one_batch_to_leads_of_one_kind_are_summed(scoring: Folding) -> None:
    people = [f"p{n}@example.com" for n in range(3)]
    await scoring.folds(*[a_lead(email=email, event=email) for email in people])
    await scoring.folds(*[a_touch(email=email, event=("t", email), at=NOW + minutes(10)) for email in people])
    assert await scoring.one("SELECT sum(answers) FROM response_times") == 3
    await scoring.folds(a_lead(email="eve@example.com"))
    await scoring.folds(a_touch(email="eve@example.com", at=NOW + minutes(10)))
    assert await scoring.one("SELECT sum(answers) FROM response_times") == 4


async def test_what_is_told_again_has_the_key_that_it_had_before_a_merge(scoring: Folding) -> None:
    await scoring.folds(a_lead(), a_purchase(user_id="u1", at=NOW + minutes(1)))
    await scoring.folds(an_identification(email="ada@example.com", user_id="u1", at=NOW + minutes(2)))
    async with scoring.engine.connect() as conn:
        again = await scoring.handler.unpublished(conn, TOPICS.events, 0, 0, 3)
        some = await scoring.handler.unpublished(conn, TOPICS.events, 0, 1, 2)
    assert again == scoring.outgoing
    assert some == scoring.outgoing[1:2]


async def test_a_small_batch_takes_few_statements_and_a_large_one_not_many_more(scoring: Folding) -> None:
    said: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    sa_event.listen(scoring.engine.sync_engine, "before_cursor_execute", note)
    await scoring.folds(*[a_lead(email=f"p{n}@example.com", event=n) for n in range(200)])
    assert len(said) <= 12


async def test_a_device_that_is_known_points_to_whoever_used_it_last(scoring: Folding) -> None:
    await scoring.folds(a_lead(email="ada@example.com", anonymous_id="x"))
    await scoring.folds(a_lead(email="bea@example.com", anonymous_id="x", at=NOW + minutes(1)))
    (seen,) = await scoring.folds(an_engagement(anonymous_id="x", at=NOW + minutes(2)))
    assert seen.data.contact.email == "bea@example.com"


async def test_the_first_event_after_a_start_is_valued_by_what_was_learnt_before(scoring: Folding) -> None:
    learnt = customer_parameters(CUSTOMERS.purchases, CUSTOMERS.spend, CUSTOMERS.cuts)
    version, now = version_of("customer", learnt), utc_now()
    async with scoring.engine.begin() as conn:
        await models.add(conn, StoredModel(version, "customer", "challenger", learnt, {}, 9, now, now, None, ""))
        await models.choose(conn, "customer", version, now)
    await scoring.folds(a_purchase())
    model = await scoring.one("SELECT model FROM contacts")
    assert model.endswith(f"+{version}")
