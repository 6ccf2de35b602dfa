"""The learnt models: what is put in comes out, the outcome cannot leak in, and only what is better is put to use."""

import random
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.scoring.domain.customer.days import bought
from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.learnt import ModelUnusableError, read_customer, read_lead
from services.scoring.training.candidate import TooFewError
from services.scoring.training.customers.model import Customer, fit_customer_model
from services.scoring.training.leads.dataset import Leads, Look
from services.scoring.training.leads.model import fit_lead_model
from shared.events.envelope import Decoded
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_lead,
    a_purchase,
    after,
    an_engagement,
    an_identification,
)

_DAY = timedelta(days=1)
RATES = {"agency": 0.45, "shop": 0.12, "school": 0.02}


def looks_at(count: int, seed: int = 1, rates: dict[str, float] = RATES) -> list[Look]:
    """Leads whose trade says how likely they buy; the scorecard knows nothing of trades."""
    dice = random.Random(seed)
    leads = Leads(MODEL, (NOW + 400 * _DAY).timestamp())
    for n in range(count):
        trade = dice.choice(sorted(rates))
        came = NOW + timedelta(hours=n * 300 * 24 / count)
        who = {"email": f"p{n}@example.com"}
        events: list[Decoded] = [a_lead(at=came, event=f"l{n}", traits={"trade": trade, "number": f"n{n}"}, **who)]
        if dice.random() < 0.5:
            events.append(an_engagement(at=came + timedelta(hours=5), event=f"e{n}", **who))
        if dice.random() < rates[trade]:
            when = came + timedelta(days=dice.uniform(0.1, 40))
            events.append(a_purchase(at=when, event=f"p{n}", order_id=f"o{n}", **who))
            # What a salesman writes down once it is known: it must not come in.
            events.append(an_identification(at=when + _DAY, event=f"w{n}", traits={"status": "won"}, **who))
        leads.add(UUID(int=n), events)
    return leads.looks


def test_what_was_put_into_the_leads_comes_out_and_the_outcome_does_not_leak() -> None:
    looks = looks_at(900)
    assert all("trait:status" not in look.known for look in looks)
    found = fit_lead_model(looks, MODEL, None, None)
    assert found.better
    assert found.metrics["log_loss"] < found.metrics["compared"]["log_loss"]
    model = read_lead(found.version, found.parameters)
    (trade,) = [each for each in model.traits if each.name == "trait:trade"]
    assert trade.weights["agency"] - trade.weights["school"] > 1.5
    assert not [each for each in model.traits if each.name == "trait:number"], "it names leads"

    learnt = MODEL.with_learnt(model, None)
    assert learnt.version == f"scorecard-test+pricing-test+{found.version}"
    chances = {}
    for trade_of, rate in RATES.items():
        told = after(a_contact(), a_lead(traits={"trade": trade_of}, source="/sources/website"), model=learnt)
        chances[trade_of] = lead_value.conversion(lead_value.parts(told.state, learnt, told.clock))
        assert chances[trade_of] == pytest.approx(rate, abs=0.12)
    assert chances["agency"] > chances["shop"] > chances["school"]


def test_one_lead_in_plain_python_gets_what_the_fit_gives_it() -> None:
    looks = looks_at(300)
    model = read_lead(*_fitted(looks))
    learnt = MODEL.with_learnt(model, None)
    story = [a_lead(traits={"trade": "shop"}), an_engagement(at=NOW + timedelta(hours=5))]
    told = after(a_contact(), *story, model=learnt)
    leads = Leads(MODEL, (NOW + 100 * _DAY).timestamp())
    leads.add(UUID(int=1), story)
    (look,) = [each for each in leads.looks if each.known["age"] == 1.0]
    parts = lead_value.parts(told.state, learnt, (NOW + _DAY).timestamp())
    total = look.scorecard + model.intercept
    for each in (*model.source, *model.traits, *model.engagement, *model.time):
        total += each.log_odds(look.known.get(each.name, 0.0 if each.name.startswith("did:") else None))
    assert parts.prior + parts.fit + parts.engagement + parts.recency == pytest.approx(total, abs=1e-9)


def _fitted(looks: list[Look]) -> tuple[str, str]:
    found = fit_lead_model(looks, MODEL, None, None)
    return found.version, found.parameters


def test_noise_does_not_replace_what_is_in_force() -> None:
    looks = looks_at(900)
    first = fit_lead_model(looks[: len(looks) * 2 // 3], MODEL, None, None)
    model = read_lead(first.version, first.parameters)
    again = fit_lead_model(looks, MODEL, model, first.trained_until.timestamp())
    assert not again.better, "the same people, and nothing new to say of them"
    other = looks_at(900, seed=3, rates={"agency": 0.02, "shop": 0.12, "school": 0.45})
    turned = [*looks, *(replace(each, lead=each.lead + 900, opened=each.opened + 310 * 86_400) for each in other)]
    assert fit_lead_model(turned, MODEL, model, first.trained_until.timestamp()).better


def test_too_few_outcomes_keep_the_scorecard() -> None:
    with pytest.raises(TooFewError, match="too few"):
        fit_lead_model(looks_at(60), MODEL, None, None)
    looks = looks_at(900)
    with pytest.raises(TooFewError, match="since the last fit"):
        fit_lead_model(looks, MODEL, None, max(look.opened for look in looks) - 86_400)


def test_a_lead_is_a_provisional_negative_after_thirty_days_and_a_late_purchase_reverses_it() -> None:
    story = [a_lead()]
    bought_late = [*story, a_purchase(at=NOW + 80 * _DAY)]
    too_late = [*story, a_purchase(at=NOW + 91 * _DAY)]

    def said(events: list[Decoded], after_days: int) -> set[bool]:
        leads = Leads(MODEL, (NOW + after_days * _DAY).timestamp())
        leads.add(UUID(int=1), [each for each in events if each.event.time <= NOW + after_days * _DAY])
        return {look.bought for look in leads.looks}

    assert said(bought_late, 29) == set()
    assert said(bought_late, 31) == {False}
    assert said(bought_late, 81) == {True}
    assert said(too_late, 95) == {False}


TRUE = PurchaseModel("mbg", 0.9, 8.0, 0.9, 2.5)


def customers(count: int, days: int, seed: int = 2) -> list[Customer]:
    dice = random.Random(seed)
    made: list[Customer] = []
    for _ in range(count):
        rate, leaves = dice.gammavariate(TRUE.r, 1 / TRUE.alpha), dice.betavariate(TRUE.a, TRUE.b)
        worth = dice.gammavariate(3.0, 1000.0)
        day = dice.randrange(days // 2)
        bought_on = {day: max(1, round(worth * dice.uniform(0.5, 1.5)))}
        at = float(day)
        while dice.random() >= leaves:
            at += dice.expovariate(rate) * 7
            if at > days:
                break
            bought_on[round(at)] = max(1, round(worth * dice.uniform(0.5, 1.5)))
        made.append((bought_on, None))
    return made


def test_the_population_of_customers_comes_out_and_predicts_what_came() -> None:
    found = fit_customer_model(customers(3000, 730), 730, None, None)
    assert found.better
    assert found.metrics["expected_purchases"] == pytest.approx(found.metrics["purchases_that_came"], rel=0.15)
    model = read_customer(found.version, found.parameters)
    assert model.purchases.r / model.purchases.alpha == pytest.approx(TRUE.r / TRUE.alpha, rel=0.2)
    so_far = bought({0: 100, 700: 200}, None, 730)
    assert so_far is not None
    assert len(model.cuts.cell(so_far, 730)) == 3
    with pytest.raises(ModelUnusableError):
        read_customer(found.version, found.parameters.replace("0", "1", 1))


def test_a_shop_of_one_price_has_a_model_too() -> None:
    people: list[Customer] = [(dict.fromkeys(days, 10_000), None) for days, _ in customers(300, 730)]
    found = fit_customer_model(people, 730, None, None)
    model = read_customer(found.version, found.parameters)
    assert model.spend.expected(3, 10_000.0) == pytest.approx(10_000, rel=0.01)


def test_customers_are_judged_on_what_the_model_in_force_has_not_seen() -> None:
    people = customers(2000, 730)
    found = fit_customer_model(people, 730, None, None)
    model = read_customer(found.version, found.parameters)
    with pytest.raises(TooFewError, match="too little has come since"):
        fit_customer_model(people, 740, model, 730)
    with pytest.raises(TooFewError, match="too few"):
        fit_customer_model(people[:20], 730, None, None)
