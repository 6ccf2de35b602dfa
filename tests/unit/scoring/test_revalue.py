"""Another model: re-valuing what is known comes to what folding everything by that model would have come to."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import bookings, values
from services.scoring.domain.contact import engagement
from services.scoring.domain.contact.contact import FORM, ContactState, decode_state
from services.scoring.domain.contact.refold import Refolding
from services.scoring.domain.customer import pricing
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.rates import Rates
from shared.events.envelope import Decoded
from shared.events.updates import Booking
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_contact,
    a_lead,
    a_model,
    a_purchase,
    after,
    an_engagement,
    as_one,
    facts,
    minutes,
    total,
)
from tests.unit.scoring.contact.test_fold import histories
from tests.unit.scoring.together import LEARNT

_RATES = Rates(
    "EUR",
    {
        "USD": ((date(2026, 1, 1), Decimal("0.7")),),
        "CHF": ((date(2020, 1, 1), Decimal("1.05")),),
    },
)
_CHANGES: list[dict[str, Any]] = [
    {"points": {"page_viewed": 3.0, "odd": 9.0}, "default_points": 0.0},
    {"revenue": 240_000, "lead_margin": 0.5},
    {"rates": _RATES, "pricing": "other-rates"},
    {"margin_rate": 0.8, "pricing": "other-margin"},
    {"half_lives": (3600.0, 86_400.0)},
    {"half_lives": (604_800.0,)},
    {"fit": (), "recency_floor": -1.0},
    {"lead": LEARNT},
]


def other(change: dict[str, Any]) -> Model:
    return a_model(version=f"other-{sorted(change)}", **change)


def refolded(told: Told, history: list[Decoded], model: Model) -> Refolding:
    again = Refolding(told.state, model)
    for decoded in history:
        again.add(decoded)
    return again


def revalued(told: Told, history: list[Decoded], model: Model, booked: list[Booking]) -> ContactState:
    """As the job does it: read again only what the facts lack."""
    state = told.state
    if not values.counted(state, model):
        state = refolded(told, history, model).counted
    if state.priced not in ("", model.pricing.version):
        state = pricing.all_of(state, told.orders.values(), model)
    assert values.current(state, model)
    state, new = bookings.revalue(state, model)
    booked += new
    return state


@given(histories(), st.sampled_from(_CHANGES))
def test_revaluing_comes_to_what_folding_by_that_model_comes_to(history: list[Decoded], change: dict[str, Any]) -> None:
    model, booked = other(change), list[Booking]()
    state = revalued(after(a_contact(), *history, booked=booked), history, model, booked)
    anew = after(a_contact(), *history, model=model)
    assert facts(Told(state)) == facts(Told(anew.state))
    assert (state.customer, state.model) == (anew.customer, model.version)
    assert abs(state.lead - anew.lead) <= 1
    assert (state.lead, state.customer) == (total(booked, "lead"), total(booked, "customer"))
    assert {each.factor for each in booked if each.model == model.version} <= {"model"}


@given(histories(), histories(), st.sampled_from(_CHANGES))
def test_a_contact_that_goes_on_before_it_is_revalued_comes_to_the_same(
    history: list[Decoded], more: list[Decoded], change: dict[str, Any]
) -> None:
    model, booked = other(change), list[Booking]()
    told = after(a_contact(), *history, booked=booked)
    told = after(told, *more, model=model, booked=booked)
    assert values.current(told.state, model) == (told.state.model == model.version), "due, until it is re-valued"
    state = revalued(told, [*history, *more], model, booked)
    anew = after(a_contact(), *history, *more, model=model)
    assert facts(Told(state)) == facts(Told(anew.state))
    assert state.customer == anew.customer
    assert (state.lead, state.customer) == (total(booked, "lead"), total(booked, "customer"))


@given(histories(), histories(), st.sampled_from(_CHANGES))
def test_a_merge_of_two_that_are_valued_by_different_models_is_due(
    mine: list[Decoded], others: list[Decoded], change: dict[str, Any]
) -> None:
    model = other(change)
    a, b = after(a_contact("a"), *mine, model=model), after(a_contact("b"), *others)
    for both in (as_one(a, b, model), as_one(b, a, model)):
        state, _ = bookings.book(both.state, both.state, model, merged=True)
        again = revalued(Told(state, both.orders), [*mine, *others], model, [])
        whole = after(a_contact("a"), *mine, *others, model=model)
        assert facts(Told(again)) == facts(Told(whole.state))


@given(histories())
def test_folding_all_stored_events_again_comes_to_the_same_facts(history: list[Decoded]) -> None:
    told = after(a_contact(), *history)
    again = refolded(told, history, MODEL)
    assert facts(Told(again.whole, again.orders)) == facts(told)
    assert (again.whole.version, again.whole.lead, again.whole.customer) == (told.version, told.lead, told.customer)


def test_a_state_of_the_first_form_is_read_and_folded_anew() -> None:
    """As the first release stored it: points in counters, orders and estimate already converted."""
    history = [a_lead(), an_engagement(kind="meeting_booked"), a_purchase(currency="USD", at=NOW + minutes(1))]
    told = after(a_contact(), *history)
    stored = {
        "id": str(told.state.id), "created": NOW.isoformat(), "version": 3, "lead": 0, "customer": 3010,
        "model": MODEL.version, "clock": told.clock, "keys": ["email:ada@example.com"],
        "known": {"email": [told.clock, "ada@example.com"], "estimate": [NOW.timestamp(), 50_000], "unconverted": [NOW.timestamp(), "CAD"]},
        "counters": [[20.0, NOW.timestamp()], [20.0, NOW.timestamp()]], "captured": NOW.timestamp(),
        "first_source": [NOW.timestamp(), "/sources/website"], "converted": told.converted,
        "orders": {"A-1": [8600, 3010, 0]}, "settled": 700, "settled_orders": 2,
    }  # fmt: skip
    state = decode_state(msgspec.json.encode(stored))
    assert (state.form, state.customer, values.current(state, MODEL)) == (1, 3010, False)
    assert values.value(state, MODEL, state.clock).lead == 0
    again = refolded(Told(state), history, MODEL)
    assert facts(Told(again.whole, again.orders)) == facts(told)
    assert (again.whole.form, again.whole.lead, again.whole.customer) == (FORM, 0, 3010)


def test_a_sender_of_ever_new_kinds_of_engagement_grows_nothing() -> None:
    kinds = [f"kind-{n:04}" for n in range(500)]
    told = [
        after(a_contact(), *(an_engagement(kind=kind, event=kind) for kind in order)) for order in (kinds, kinds[::-1])
    ]
    assert len(told[0].engaged) <= 65
    assert facts(told[0]) == facts(told[1])
    assert sum(counts[1] for counts in told[0].engaged.values()) == 500


def test_a_half_life_that_was_not_counted_with_adds_nothing_yet() -> None:
    told = after(a_contact(), a_lead(), an_engagement(kind="meeting_booked"))
    shorter = a_model(half_lives=(86_400.0,))
    of_both = a_model(half_lives=(60.0, 86_400.0))
    assert values.value(told.state, shorter, told.clock) == values.value(told.state, of_both, told.clock)
    assert not values.counted(told.state, of_both)


def test_likelihood_weighs_a_count_and_points_do_not() -> None:
    ((kind, counts),) = engagement.one("page_viewed", 0.25, 5.0, (60.0, 3600.0)).items()
    assert (kind, counts) == ("page_viewed", (5.0, 0.25, 0.25))
    assert engagement.one("page_viewed", 0.0, 5.0, (60.0,)) == {}
